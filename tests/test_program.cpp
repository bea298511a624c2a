#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "moe/program.h"
#include "scratch.h"

using namespace moe;

namespace {

/// Shell functions: `take` reads a request and its id, `answer TEXT` refuses it with TEXT.
const std::string kShell =
    R"sh(take() { read -r line || exit 0; id=${line#*\"id\":\"}; id=${id%%\"*}; }
answer() { printf '{"id":"%s","error":"%s"}\n' "$id" "$1"; }
)sh";

Json request(const std::string& id, std::size_t padding = 0) {
  return {{"id", id}, {"padding", std::string(padding, ' ')}};
}
/// What a program does with case a/b: its error, or how it failed.
std::string outcome(const std::string& script, double seconds = 20) {
  Program program(kShell + script, seconds);
  const Answer answer = program.ask(request("a/b"), "a/b");
  CHECK(answer.error.empty() != answer.failure.empty());
  return answer.error + answer.failure;
}
double seconds_of(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
void pause(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// Tells whether any process that ran script() lives: a pipe that the last of them closes.
class Pulse {
 public:
  Pulse() : path_(folder_ / "pipe") {
    REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
    end_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(end_ >= 0);
  }
  ~Pulse() { ::close(end_); }
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  std::string script() const { return "exec 3>" + path_ + "; "; }
  bool beats() const {
    char byte = 0;
    return ::read(end_, &byte, 1) != 0;
  }
  /// The dead need a moment to be gone.
  bool stops() const {
    for (int i = 0; i < 1000 && beats(); ++i) pause(0.005);
    return !beats();
  }

 private:
  Scratch folder_;
  std::string path_;
  int end_ = -1;
};
std::ptrdiff_t open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

}  // namespace

TEST_CASE("program: one process answers case after case") {
  Program program(kShell + "n=0; while take; do n=$((n+1)); answer $n; done", 20);
  for (const std::string count : {"1", "2", "3"}) {
    const Answer answer = program.ask(request("case/" + count), "case/" + count);
    CHECK(answer.error == count);
    CHECK(answer.failure.empty());
  }
}

TEST_CASE("program: tensors come back, and non-finite elements with them") {
  Program program(
      R"(read line; echo '{"id":"a","tensors":{"y":{"dtype":"f64","shape":[2],"data":[0.5,"NaN"]}}}')", 20);
  const Answer answer = program.ask(request("a"), "a");
  CHECK(answer.failure.empty());
  REQUIRE(answer.tensors.size() == 1);
  CHECK(answer.tensors[0].first == "y");
  CHECK(answer.tensors[0].second.real(0) == 0.5);
  CHECK(std::isnan(answer.tensors[0].second.real(1)));
}

TEST_CASE("program: the request is one line of JSON, as it was given") {
  const Scratch folder;
  const Json sent{{"id", "a\n\"b"}, {"x", {0.1, -0.0, "NaN"}}, {"empty", Json::object()}};
  Program program("read -r line; printf '%s' \"$line\" > " + (folder / "line"), 20);
  CHECK(program.ask(sent, "a\n\"b").failure == "exited with status 0 before it answered");
  CHECK(parse_json(read_text(folder / "line"), "line") == sent);
}

TEST_CASE("program: one that leaves after each answer is started again, however it leaves") {
  for (const std::string leaving :
       {"", "sleep 0.05", "exec <&-; sleep 0.05", "exec >&-; sleep 0.05", "exit 3", "kill -SEGV $$"}) {
    CAPTURE(leaving);
    Program program(kShell + "take; answer $$; " + leaving, 20);
    std::string last;
    for (const double rest : {0.0, 0.0, 0.0, 0.1, 0.0}) {
      const Answer answer = program.ask(request("a"), "a");
      CHECK(answer.failure.empty());
      CHECK(!answer.error.empty());
      CHECK(answer.error != last);
      last = answer.error;
      pause(rest);
    }
  }
}

TEST_CASE("program: a crash is told apart from leaving, the second time as well") {
  CHECK(outcome("take; exit 3") == "exited with status 3 before it answered");
  CHECK(outcome("exit 0") == "exited with status 0 before it answered");
  CHECK(outcome("take; kill -SEGV $$") == "was killed by signal 11 before it answered");
  CHECK(outcome("take; kill -KILL $$") == "was killed by signal 9 before it answered");
  CHECK_THROWS_WITH_AS(outcome("exec /no/such/program"),
                       doctest::Contains("must be a command that /bin/sh finds"), CannotRun);
  Program program(kShell + "take; answer one; take; kill -SEGV $$", 20);
  CHECK(program.ask(request("a"), "a").error == "one");
  CHECK(program.ask(request("b"), "b").failure == "was killed by signal 11 before it answered");
  CHECK(program.ask(request("c"), "c").error == "one");
  Program later(kShell + "take; answer one; take; exit 127", 20);
  CHECK(later.ask(request("a"), "a").error == "one");
  CHECK(later.ask(request("b"), "b").failure == "exited with status 127 before it answered");
}

TEST_CASE("program: what it started ends with it, also in a session of its own") {
  const Scratch folder;
  const std::string heart = folder / "heart";
  {
    Program program(kShell + "setsid sh -c 'while :; do date +%N > " + heart +
                        "; sleep 0.02; done' & take; answer 1; take",
                    20);
    program.ask(request("a"), "a");
    while (!std::filesystem::exists(heart)) pause(0.01);
  }
  pause(0.1);
  const std::string last = read_text(heart);
  pause(0.3);
  CHECK(read_text(heart) == last);
}

TEST_CASE("program: what cannot be started at all says so") {
  Program program(std::string(1 << 22, ' '), 20);  // longer than an argument may be
  CHECK(program.ask(request("a"), "a").failure == "could not be started: Argument list too long");
}

TEST_CASE(
    "program: silence ends after the given time, whatever the program ignores, and the next case meets a new "
    "one") {
  const Scratch folder;
  Program program(kShell + "trap '' TERM HUP INT PIPE; take; if [ -e " + (folder / "asked") +
                      " ]; then answer now; else touch " + (folder / "asked") +
                      "; while :; do sleep 1; done; fi",
                  0.5);
  CHECK(seconds_of(
            [&] { CHECK(program.ask(request("a"), "a").failure == "answered nothing within 0.5 s"); }) < 5);
  CHECK(program.ask(request("a"), "a").error == "now");
  CHECK(outcome("printf '{\"id\":'; sleep 100", 0.5) == "did not end its line within 0.5 s");
  CHECK(outcome("while :; do printf ' '; sleep 0.01; done", 0.5) == "did not end its line within 0.5 s");
  CHECK(outcome("kill -STOP $$", 0.2) == "answered nothing within 0.2 s");
}

TEST_CASE("program: a flood ends at the limit") {
  const Scratch folder;
  Program program(kShell + "take; if [ -e " + (folder / "asked") + " ]; then answer now; else touch " +
                      (folder / "asked") + "; cat /dev/zero; fi",
                  20, 1 << 20);
  CHECK(program.ask(request("a"), "a").failure == "answered more than 1048576 bytes without a newline");
  CHECK(program.ask(request("a"), "a").error == "now");
  CHECK(Program::kLongestLine == 1'073'741'824);
}

TEST_CASE("program: a flood of stderr goes by") {
  const int before = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3),
            nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, STDERR_FILENO);
  const std::string said = outcome("take; head -c 10000000 /dev/zero >&2; answer fine");
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(nowhere);
  CHECK(said == "fine");
}

TEST_CASE("program: a child of its own that keeps stdout open holds nobody up, and goes too") {
  const Pulse pulse;
  const std::string child = pulse.script() + "(trap '' TERM HUP; exec sleep 100) & ";
  CHECK(seconds_of([&] { CHECK(outcome(child + "exit 3") == "exited with status 3 before it answered"); }) <
        5);
  CHECK(pulse.stops());
  CHECK(seconds_of([&] { CHECK(outcome(child + "take; answer yes") == "yes"); }) < 5);
  CHECK(pulse.stops());
  CHECK(seconds_of([&] { CHECK(outcome(child + "sleep 100", 0.5) == "answered nothing within 0.5 s"); }) < 5);
  CHECK(pulse.stops());
}

TEST_CASE("program: one that closes its stdout and stays is not waited for") {
  CHECK(seconds_of([] { CHECK(outcome("exec >&-; sleep 100") == "closed its stdout before it answered"); }) <
        5);
}

TEST_CASE("program: large requests and large answers pass each other") {
  const std::string large = "head -c 3000000 /dev/zero | tr '\\0' ' '; ";
  Program program("while :; do " + large + "read -r line; echo '{\"id\":\"a\",\"error\":\"done\"}'; done",
                  20);
  for (int i = 0; i < 2; ++i) {
    const Answer answer = program.ask(request("a", 2'000'000), "a");
    CHECK(answer.failure.empty());
    CHECK(answer.error == "done");
  }
}

TEST_CASE("program: one that does not read may answer, and does not misread the next request") {
  const std::string blind = R"(echo '{"id":"a","error":"blind"}'; )";
  for (const std::string& script :
       {"exec <&-; sleep 0.05; " + blind + "sleep 100", blind + "sleep 100", blind + "sleep 0.1"}) {
    Program program(script, 20);
    for (const std::size_t padding : std::vector<std::size_t>{1'000'000, 1'000'000, 10}) {
      const Answer answer = program.ask(request("a", padding), "a");
      CHECK(answer.failure.empty());
      CHECK(answer.error == "blind");
    }
  }
  Program program(blind + "sleep 0.1", 20);  // whose requests wait in its stdin, whole
  for (int i = 0; i < 3; ++i) CHECK(program.ask(request("a"), "a").error == "blind");
}

TEST_CASE("program: one that has closed its stdin after an answer is not waited for") {
  Program program(kShell + "take; answer yes; exec <&-; sleep 100", 20);
  CHECK(seconds_of([&] {
          for (int i = 0; i < 2; ++i) CHECK(program.ask(request("a"), "a").error == "yes");
        }) < 10);
}

TEST_CASE("program: a line that is no answer") {
  CHECK(outcome("take; echo ready; sleep 100")
            .starts_with("answered a line that is not JSON: <exec>: must be JSON: "));
  CHECK(outcome("take; echo; sleep 100").starts_with("answered a line that is not JSON: "));
  CHECK(outcome("take; printf '{\"id\":\"a/b\",\"err'").starts_with("answered a line that is not JSON: "));
  CHECK(outcome("take; printf '{\"id\":\"a/b\",\"err'; exit 4") == "exited with status 4 before it answered");
  CHECK(outcome("take; printf '{\"id\":\"a/b\",\"error\":\"no newline\"}'") == "no newline");
  CHECK(outcome("take; printf '\"'; head -c 100000 /dev/zero | tr '\\0' x; echo").size() < 300);
  CHECK(outcome("id=b/c; answer x") == "answered case \"b/c\" where \"a/b\" was asked");
  CHECK(outcome("echo '{\"error\":\"x\"}'") == "answered case null where \"a/b\" was asked");
  CHECK(outcome("echo 3") == "answered case null where \"a/b\" was asked");
  CHECK(outcome(R"(echo '{"id":"a/b"}')") == "<exec>: an answer must have either tensors or error");
  CHECK(
      outcome(
          R"(echo '{"id":"a/b","tensors":{"y":{"dtype":"f64","shape":[1],"file":"no-such.safetensors"}}}')") ==
      "no-such.safetensors: must be a readable file: No such file or directory");
}

TEST_CASE("program: answers out of order are not taken for others, and do not shift what follows") {
  Program program(kShell + "take; answer first; answer again; take; answer second", 20);
  CHECK(program.ask(request("a"), "a").error == "first");
  CHECK(program.ask(request("b"), "b").failure == "answered case \"a\" where \"b\" was asked");
  CHECK(program.ask(request("c"), "c").error == "first");
}

TEST_CASE("program: a malformed tensor costs its case only, and no new process") {
  Program program(
      kShell + R"(take; echo '{"id":"a","tensors":{"y":{"shape":[1],"data":[1]}}}'; take; answer "$id too")",
      20);
  CHECK(program.ask(request("a"), "a").failure == "<exec>: y must have a string dtype");
  CHECK(program.ask(request("b"), "b").error == "b too");
}

TEST_CASE("program: it ends with its owner, whatever it ignores") {
  const Pulse pulse;
  CHECK(seconds_of([&] {
          Program program(kShell + pulse.script() + "take; answer yes; trap '' TERM HUP; sleep 100", 20);
          CHECK(program.ask(request("a"), "a").error == "yes");
          CHECK(pulse.beats());
        }) < 5);
  CHECK(pulse.stops());
}

TEST_CASE("program: at its end it may still put things in order") {
  const Scratch folder;
  {
    Program program(kShell + "take; answer yes; read -r line; sleep 0.1; touch " + (folder / "orderly"), 20);
    CHECK(program.ask(request("a"), "a").error == "yes");
  }
  CHECK(folder.files() == 1);
}

TEST_CASE("program: no file, child or signal is left behind") {
  const auto before = open_files();
  for (int i = 0; i < 5; ++i) {
    outcome("take; answer yes");
    outcome("exit 3");
    outcome("sleep 100", 0.01);
    Program(std::string(1 << 22, ' '), 20).ask(request("a"), "a");
    Program("exec <&-; exit 3", 20).ask(request("a", 1'000'000), "a");
  }
  CHECK(open_files() == before);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
  sigset_t signals;
  ::sigpending(&signals);
  CHECK(sigismember(&signals, SIGPIPE) == 0);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &signals);
  CHECK(sigismember(&signals, SIGPIPE) == 0);
}
