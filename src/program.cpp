#include "moe/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace moe {
namespace {

constexpr double kLook = 0.05;  // how often to look whether it lives: its children may keep its stdout open
constexpr double kPatience = 1.0;  // for a program that is about to leave, or is dying

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// While it lives, writing where nobody reads is an error of this thread's write, and no signal.
class NoBrokenPipes {
 public:
  NoBrokenPipes() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoBrokenPipes() {
    const timespec now{};
    if (sigismember(&before_, SIGPIPE) == 0) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipes(const NoBrokenPipes&) = delete;
  NoBrokenPipes& operator=(const NoBrokenPipes&) = delete;

 private:
  sigset_t pipe_{}, before_{};
};

void close_end(int& end) {
  if (end >= 0) ::close(end);
  end = -1;
}

/// Whether a child has ended; it is not reaped yet, so its number means no other process.
bool has_ended(pid_t process) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(process), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == process;
}

/// Waits for a child to end, but not longer than `patience` seconds.
bool ends_within(pid_t process, double patience) {
  for (const Stopwatch watch; !has_ended(process); ::usleep(1000))
    if (watch.seconds() >= patience) return false;
  return true;
}

std::string end_text(int status) {
  if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
  return "exited with status " + std::to_string(WEXITSTATUS(status));
}

/// One line of a message, cut where it is long.
std::string brief(const std::string& text) {
  constexpr std::size_t kMost = 200;
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

/// All of a file of /proc; empty where it is gone, or another user's. It may go while it is read, which makes an iterator over
/// it throw.
std::string proc_file(const std::string& process, const char* name) {
  std::ifstream file("/proc/" + process + '/' + name, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

/// The processes that have `mark` in their environment, or that descend from `root`.
std::vector<pid_t> processes_of(pid_t root, const std::string& mark) {
  std::map<pid_t, pid_t> parents;
  std::set<pid_t> found;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
    const std::string name = entry.path().filename().string();
    pid_t process = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), process);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    const std::string stat =
        proc_file(name, "stat");  // "pid (name) state parent ...", where name may hold anything
    const std::size_t after = stat.rfind(") ");
    if (after != std::string::npos)
      parents[process] = std::atoi(stat.c_str() + std::min(after + 4, stat.size()));
    if (proc_file(name, "environ").find(mark) != std::string::npos) found.insert(process);
  }
  const auto descends = [&](pid_t process) {
    for (std::size_t depth = 0; depth < parents.size() && process > 1; ++depth) {
      if (process == root) return true;
      const auto parent = parents.find(process);
      if (parent == parents.end()) return false;
      process = parent->second;
    }
    return false;
  };
  for (const auto& [process, parent] : parents)
    if (descends(process)) found.insert(process);
  found.erase(::getpid());
  return {found.begin(), found.end()};
}

/// /bin/sh -c COMMAND with these ends as its stdin and stdout, and `mark` in its environment; the error of starting it, or 0.
int spawn(std::string command, std::string mark, int in, int out, pid_t& process) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  sigset_t none;  // what we block is no business of its
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  std::string shell = "sh", flag = "-c";
  const std::array<char*, 4> arguments{shell.data(), flag.data(), command.data(), nullptr};
  std::vector<char*> variables{mark.data()};
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  variables.push_back(nullptr);
  const int error =
      posix_spawn(&process, "/bin/sh", &actions, &attributes, arguments.data(), variables.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

Program::Program(std::string command, double seconds_per_answer, std::size_t longest_line)
    : command_(std::move(command)), seconds_(seconds_per_answer), longest_(longest_line) {
  static std::atomic<int> count = 0;
  mark_ = "MOE_ORACLE_PROGRAM=" + std::to_string(::getpid()) + '.' + std::to_string(++count) + '.' +
          std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
}

Program::~Program() { stop(kPatience); }

/// Returns why it could not be started; empty where it was.
std::string Program::start() {
  std::array<int, 2> in{-1, -1}, out{-1, -1};
  int error = ::pipe2(in.data(), O_CLOEXEC) == 0 && ::pipe2(out.data(), O_CLOEXEC) == 0 ? 0 : errno;
  if (error == 0) error = spawn(command_, mark_, in[0], out[1], process_);
  close_end(in[0]);
  close_end(out[1]);
  to_ = in[1], from_ = out[0], answered_ = false;
  if (error != 0) {
    close_end(to_);
    close_end(from_);
    process_ = -1;
    return std::string("could not be started: ") + std::strerror(error);
  }
  ::fcntl(to_, F_SETFL, O_NONBLOCK);  // poll() tells that there is room, not for how much
  return "";
}

/// Kills what there is of the program and of what it started, wherever that has moved; what is being started meanwhile is
/// found by another look.
void Program::kill_all() const {
  constexpr int kLooks = 5;
  for (int look = 0; look < kLooks; ++look) {
    const std::vector<pid_t> alive = processes_of(process_, mark_);
    ::kill(-process_, SIGKILL);
    for (const pid_t process : alive) ::kill(process, SIGKILL);
    if (alive.empty() || (alive.size() == 1 && alive.front() == process_)) return;
  }
}

/// Ends the program: waits `patience` seconds for it to leave by itself, kills what is left, reaps it. Its status if it left.
std::optional<int> Program::stop(double patience) {
  if (process_ <= 0) return std::nullopt;
  close_end(to_);
  close_end(from_);
  heard_.clear();
  const bool left = ends_within(process_, patience);
  kill_all();
  int status = 0;
  if (ends_within(process_, kPatience)) ::waitpid(process_, &status, WNOHANG);
  process_ = -1;
  return left ? std::optional(status) : std::nullopt;
}

/// Appends what there is to read to heard_; false at the end of it.
bool Program::receive() {
  std::array<char, 1 << 16> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): read() fills it
  const ssize_t n = ::read(from_, chunk.data(), chunk.size());
  if (n < 0) return errno == EINTR;
  heard_.append(chunk.data(), static_cast<std::size_t>(n));
  return n > 0;
}

/// Whether none of a request, of which `sent` bytes are written, has been read.
bool Program::untouched(std::size_t sent) const {
  int unread = 0;
  return ::ioctl(to_, FIONREAD, &unread) == 0 && static_cast<std::size_t>(unread) >= sent;
}

/// Writes `request`, of which `sent` bytes are written, and reads, as each is possible, until there is a line or will be none.
Program::Event Program::await(const std::string& request, std::size_t& sent) {
  const NoBrokenPipes guard;
  const Stopwatch watch;
  bool deaf = false;  // it has closed its stdin, but may still answer
  for (std::size_t searched = 0;;) {
    if (heard_.find('\n', searched) != std::string::npos) return Event::Line;
    searched = heard_.size();
    if (heard_.size() > longest_) return Event::Flood;
    const double left = seconds_ - watch.seconds();
    if (!(left > 0)) return Event::Silence;
    const bool ended = has_ended(process_);  // asked first: all that it wrote can then be read
    std::array<pollfd, 2> ends{{{from_, POLLIN, 0}, {deaf ? -1 : to_, 0, 0}}};
    if (sent < request.size()) ends[1].events = POLLOUT;
    ::poll(ends.data(), ends.size(), ended ? 0 : 1 + static_cast<int>(1000 * std::min(left, kLook)));
    if (ends[1].revents != 0 && sent < request.size()) {
      const ssize_t n = ::write(to_, request.data() + sent, request.size() - sent);
      if (n > 0) sent += static_cast<std::size_t>(n);
    }
    deaf = deaf || (ends[1].revents & POLLERR) != 0;
    if (deaf && answered_ && untouched(sent)) return Event::Exit;
    if (ends[0].revents != 0 ? !receive() : ended) return Event::Exit;
  }
}

/// What to make of a program that has left, or has closed its stdout.
Program::Reply Program::after_exit(std::size_t sent) {
  Reply reply;
  reply.untouched = answered_ && untouched(sent);
  std::string last = std::move(heard_);
  const std::optional<int> status = stop(kPatience);
  if (!status)
    reply.failure = "closed its stdout before it answered";
  else if (*status == 0 && !last.empty())
    reply.line = std::move(last);  // it only lacks its newline
  else if (WIFEXITED(*status) && (WEXITSTATUS(*status) == 126 || WEXITSTATUS(*status) == 127) &&
           !ever_answered_)
    throw CannotRun("--exec = " + shown(command_) +
                    " must be a command that /bin/sh finds: it exited with status " +
                    std::to_string(WEXITSTATUS(*status)));
  else
    reply.failure = end_text(*status) + " before it answered";
  return reply;
}

/// Sends one request and takes one line, or the reason why there is none.
Program::Reply Program::exchange(const std::string& request) {
  std::size_t sent = 0;
  const Event event = await(request, sent);
  if (event == Event::Exit) return after_exit(sent);
  Reply reply;
  if (event == Event::Line) {
    const std::size_t end = heard_.find('\n');
    reply.line = heard_.substr(0, end);
    heard_.erase(0, end + 1);
    answered_ = ever_answered_ = true;
    if (sent < request.size()) stop(0);  // it does not read to the end, so it would misread what comes next
    return reply;
  }
  std::ostringstream failure;
  if (event == Event::Flood) {
    failure << "answered more than " << longest_ << " bytes without a newline";
  } else {
    failure << (heard_.empty() ? "answered nothing within " : "did not end its line within ");
    show(failure, seconds_);
    failure << " s";
  }
  stop(0);
  reply.failure = failure.str();
  return reply;
}

/// The answer that a line is. After one that is not, or that is for another case, the next request meets a new program.
Answer Program::understood(const std::string& line, const std::string& id) {
  Json json;
  try {
    json = parse_json(line, "<exec>");
  } catch (const Error& e) {
    stop(0);
    return {{}, "", brief(std::string("answered a line that is not JSON: ") + e.what())};
  }
  const Json named = json.is_object() ? json.value("id", Json()) : Json();
  if (named != Json(id)) {
    stop(0);
    return {{}, "", "answered case " + shown(named) + " where " + shown(Json(id)) + " was asked"};
  }
  try {
    return answer_from_json(json, "<exec>");
  } catch (const Error& e) {
    return {{}, "", brief(e.what())};
  }
}

Answer Program::ask(const Json& request, const std::string& id) {
  const std::string line = request.dump() + '\n';
  Reply reply;
  reply.untouched = true;
  if (process_ > 0) reply = exchange(line);
  if (reply.untouched) {  // it is not running, or one answer was all that it gave
    if (const std::string failure = start(); !failure.empty()) {
      deaths_ += 1;
      return {{}, "", failure};
    }
    reply = exchange(line);
  }
  if (reply.failure.empty()) return understood(reply.line, id);
  deaths_ += 1;
  return {{}, "", reply.failure};
}

std::string Program::given_up() const {
  return deaths_ < kMostDeaths ? "" : "not asked: the program died " + std::to_string(deaths_) + " times";
}

}  // namespace moe
