#pragma once

#include <sys/types.h>

#include "moe/answer.h"

namespace moe {

/// A program that answers cases: /bin/sh -c COMMAND in a process group of its own, one line of JSON in and one out for each.
/// It may answer one case or all of them: where it has left it is started again. Its stderr is ours. It cannot hang, crash
/// or flood its caller, and whatever it has started dies with it.
class Program {
 public:
  static constexpr std::size_t kLongestLine = std::size_t{1} << 30;
  static constexpr int kMostDeaths = 3;  // after so many it is not started again

  Program(std::string command, double seconds_per_answer, std::size_t longest_line = kLongestLine);
  /// Closes the program's stdin, and soon after kills whatever is left of it and of what it started.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// The answer to `request`, whose "id" is `id`. Where that is no answer, `failure` says what the program did. A `file`
  /// that it names is looked for in the current directory. Throws CannotRun where the shell finds no such program.
  Answer ask(const Json& request, const std::string& id);
  /// Why it is not asked any more; empty while it is.
  std::string given_up() const;

 private:
  enum class Event { Line, Exit, Silence, Flood };
  struct Reply {
    std::string line, failure;
    bool untouched = false;  // it had answered before, and left without a look at this request
  };

  std::string start();
  Reply exchange(const std::string& request);
  Event await(const std::string& request, std::size_t& sent);
  bool receive();
  bool untouched(std::size_t sent) const;
  Reply after_exit(std::size_t sent);
  std::optional<int> stop(double patience);
  void kill_all() const;
  Answer understood(const std::string& line, const std::string& id);

  std::string command_;
  double seconds_;
  std::size_t longest_;
  pid_t process_ = -1;       // also the number of its group
  int to_ = -1, from_ = -1;  // our ends of its stdin and stdout
  bool answered_ = false;    // this process has, so it may leave
  bool ever_answered_ = false;
  int deaths_ = 0;
  std::string mark_;   // in the environment of the program and of all that it starts
  std::string heard_;  // what it has written and no answer has used
};

}  // namespace moe
