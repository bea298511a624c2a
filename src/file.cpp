#include "moe/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "moe/error.h"

namespace moe {

InputFile::InputFile(std::string path)
    : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  struct stat status {};
  const bool opened = descriptor_ >= 0 && ::fstat(descriptor_, &status) == 0;
  const std::string why = opened ? "it is not a regular file" : std::strerror(errno);
  if (opened && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::size_t>(status.st_size);
    return;
  }
  if (descriptor_ >= 0) ::close(descriptor_);
  throw Error(path_, path_ + ": must be a readable file: " + why);
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(std::size_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t n = ::pread(descriptor_, to.data(), to.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      throw Error(path_, path_ + ": must be readable to its end" +
                             (n < 0 ? std::string(": ") + std::strerror(errno) : ""));
    offset += static_cast<std::size_t>(n);
    to = to.subspan(static_cast<std::size_t>(n));
  }
}

std::string read_text(const std::string& path) {
  const InputFile file(path);
  std::string text(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  struct stat status {};
  const bool exists = ::stat(path_.c_str(), &status) == 0, special = exists && !S_ISREG(status.st_mode);
  if (special) {
    // Without O_NONBLOCK, opening a pipe that nobody reads would wait for ever.
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0 && errno == ENXIO && S_ISFIFO(status.st_mode))
      throw Error(path_, path_ + ": cannot be written: it is a pipe that nobody reads");
    if (descriptor_ < 0) fail(errno);
    ::fcntl(descriptor_, F_SETFL, 0);
    return;
  }
  if (exists) path_ = std::filesystem::canonical(path_).string();  // what a link points to
  try {
    beside_.emplace(TemporaryFile::path_in(std::filesystem::path(path_).parent_path().string()));
  } catch (const std::system_error& e) {
    fail(e.code().value());
  }
  if (exists) static_cast<void>(::fchmod(beside_->descriptor(), status.st_mode & 07777));
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  try {
    write_all(beside_ ? beside_->descriptor() : descriptor_, bytes);
  } catch (const std::system_error& e) {
    fail(e.code().value());
  }
}

void OutputFile::commit() {
  if (!beside_) {
    const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
    if (!closed) fail(errno);
    return;
  }
  try {
    beside_->become(path_);
  } catch (const std::system_error& e) {
    fail(e.code().value());
  }
  beside_.reset();
}

void OutputFile::fail(int error) const {
  const std::string message = path_ + ": cannot be written: " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO) throw CannotRun(message);
  throw Error(path_, message);
}

}  // namespace moe
