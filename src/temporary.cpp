#include "moe/temporary.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <set>
#include <string_view>
#include <system_error>

namespace moe {
namespace {

constexpr std::string_view kStart = ".moe-oracle-";
constexpr std::size_t kDigits = 16;

/// What is there to remove, and the folders that were swept. Who holds the mutex keeps files from appearing and vanishing.
struct Registry {
  std::mutex mutex;
  std::set<std::string> files, swept;
};
/// Never destroyed: a signal may come after the end of main().
Registry& registry() {
  static auto* const one = new Registry;
  return *one;
}

[[noreturn]] void fail(int error) { throw std::system_error(error, std::generic_category()); }

bool is_temporary(const std::string& name) {
  constexpr std::string_view kHexadecimal = "0123456789abcdef";
  const std::size_t end = kStart.size() + kDigits;
  return name.size() > end && name.starts_with(kStart) && name[end] == '.' &&
         name.find_first_not_of(kHexadecimal, kStart.size()) == end;
}

/// Removes temporary files that no process holds: those of processes that were killed.
void sweep(const std::filesystem::path& folder) {
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (!is_temporary(entry->path().filename().string())) continue;
    const std::string path = entry->path().string();
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) continue;
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
        ::flock(descriptor, LOCK_EX | LOCK_NB) == 0)
      ::unlink(path.c_str());
    ::close(descriptor);
  }
}

/// Creates and locks a file. Where a sweep came between the two, the file is gone, and is made again.
int create(const std::string& path) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) fail(errno);
    while (::flock(descriptor, LOCK_EX) != 0 && errno == EINTR) continue;  // else there are no locks here
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || status.st_nlink > 0) return descriptor;
    ::close(descriptor);
  }
}

/// The signals that ask a process to end and that are not ignored, as nohup makes it.
sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) sigaddset(&signals, signal);
  }
  return signals;
}

/// Waits for one of them, removes all temporary files, and ends the process as if it had not waited.
void* end_by_signal(void* waited_for) {
  auto* const signals = static_cast<sigset_t*>(waited_for);
  int signal = 0;
  while (::sigwait(signals, &signal) != 0) continue;
  registry().mutex.lock();  // and nobody gets it again
  for (const std::string& path : registry().files) ::unlink(path.c_str());
  ::signal(signal, SIG_DFL);
  ::pthread_sigmask(SIG_UNBLOCK, signals, nullptr);
  ::kill(::getpid(), signal);
  ::_exit(128 + signal);
}

}  // namespace

std::string TemporaryFile::path_in(const std::string& folder, const std::string& ending) {
  std::uint64_t drawn = 0;
  if (::getrandom(&drawn, sizeof drawn, 0) != static_cast<ssize_t>(sizeof drawn)) fail(errno);
  std::array<char, kDigits + 1> digits{};
  std::snprintf(digits.data(), digits.size(), "%016jx", static_cast<std::uintmax_t>(drawn));
  return (std::filesystem::path(folder) / (std::string(kStart) + digits.data() + ending)).string();
}

TemporaryFile::TemporaryFile(std::string path) : path_(std::move(path)) {
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (all.swept.insert(folder).second) sweep(folder.empty() ? "." : folder);
  const auto entry = all.files.insert(path_).first;
  try {
    descriptor_ = create(path_);
  } catch (...) {
    all.files.erase(entry);
    throw;
  }
}

TemporaryFile::~TemporaryFile() {
  const std::lock_guard lock(registry().mutex);
  if (registry().files.erase(path_) > 0) ::unlink(path_.c_str());
  ::close(descriptor_);
}

void write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void TemporaryFile::become(const std::string& path) {
  // Closing may tell that what was written did not arrive, but would also unlock: a second descriptor is closed instead.
  const int second = ::dup(descriptor_);
  if (second < 0 || ::close(second) != 0) fail(errno);
  const std::lock_guard lock(registry().mutex);
  if (std::rename(path_.c_str(), path.c_str()) != 0) fail(errno);
  registry().files.erase(path_);
}

void remove_temporaries_on_signals() {
  static sigset_t signals = ending_signals();
  sigset_t blocked = signals, before;
  sigaddset(&blocked, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  pthread_attr_t small;
  ::pthread_attr_init(&small);
  ::pthread_attr_setstacksize(&small, std::size_t{1} << 17);
  ::pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  pthread_t thread{};
  // Without a thread the signals end the process as ever, and what is left is removed by who writes there next.
  if (::pthread_create(&thread, &small, &end_by_signal, &signals) != 0)
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  ::pthread_attr_destroy(&small);
}

}  // namespace moe
