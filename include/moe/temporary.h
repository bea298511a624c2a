#pragma once

#include <cstddef>
#include <span>
#include <string>

/// Files that are not to outlive the process that makes them.
namespace moe {

/// Writes all of `bytes`. Throws std::system_error.
void write_all(int descriptor, std::span<const std::byte> bytes);

/// A new file, open for writing, that is gone when this is, unless it became another. While it is open it is locked, so
/// that nobody takes it for one that a killed process has left. All throw std::system_error.
class TemporaryFile {
 public:
  /// `path` must not exist; path_in() makes one up. What killed processes have left in its folder is removed.
  explicit TemporaryFile(std::string path);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  /// A path in `folder` that nobody can guess, and by which such files are known; its name has 32 bytes and more.
  static std::string path_in(const std::string& folder, const std::string& ending = ".tmp");

  int descriptor() const { return descriptor_; }
  void write(std::span<const std::byte> bytes) { write_all(descriptor_, bytes); }
  void write(const std::string& text) { write(std::as_bytes(std::span(text))); }
  /// From now on it is the file `path`, in the same folder, in place of what was there.
  void become(const std::string& path);

 private:
  std::string path_;
  int descriptor_ = -1;
};

/// From now on SIGINT, SIGTERM and SIGHUP remove what temporary files there are before they end the process, and a file
/// that grows beyond what is allowed is an error of writing it, not a signal. To be called before there is another thread;
/// whoever starts a program has to unblock these signals in it.
void remove_temporaries_on_signals();

}  // namespace moe
