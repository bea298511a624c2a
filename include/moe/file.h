#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moe/temporary.h"

/// Files read whole or in parts, and files written whole or not at all.
namespace moe {

/// A file open for reading at any place. Throws Error naming the path where it cannot be read.
class InputFile {
 public:
  explicit InputFile(std::string path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }
  void read(std::size_t offset, std::span<std::byte> to) const;

 private:
  std::string path_;
  int descriptor_;
  std::size_t size_ = 0;
};

std::string read_text(const std::string& path);

/// A file that appears under its name only when it is complete: it is written beside it and renamed by commit(). What
/// is not a regular file (a pipe, a terminal) is written directly. Throws Error where the path cannot be written, and
/// CannotRun where the disk is full.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(const std::string& text) { write(std::as_bytes(std::span(text))); }
  void commit();

 private:
  [[noreturn]] void fail(int error) const;

  std::string path_;
  std::optional<TemporaryFile> beside_;  // that becomes path_
  int descriptor_ = -1;                  // of path_ where that is written directly
};

}  // namespace moe
