#pragma once

#include <sys/types.h>

#include "moe/answer.h"

namespace moe {

/// A program that answers cases: /bin/sh -c COMMAND in a process group of its own, one line of JSON in and one out for each.
/// It may answer one case or all of them: where it has left it is started again. Its stderr is ours. It cannot hang, crash
/// or flood its caller.
class Program {
 public:
  static constexpr std::size_t kLongestLine = std::size_t{1} << 30;

  Program(std::string command, double seconds_per_answer, std::size_t longest_line = kLongestLine);
  /// Closes the program's stdin, and soon after kills whatever of its process group is left.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// The answer to `request`, whose "id" is `id`. Never throws for what the program does: where that is no answer,
  /// `failure` says what it did. A `file` that it names is looked for in the current directory.
  Answer ask(const Json& request, const std::string& id);

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
  Answer understood(const std::string& line, const std::string& id);

  std::string command_;
  double seconds_;
  std::size_t longest_;
  pid_t process_ = -1;       // also the number of its group
  int to_ = -1, from_ = -1;  // our ends of its stdin and stdout
  bool answered_ = false;    // this process has, so it may leave
  std::string heard_;        // what it has written and no answer has used
};

}  // namespace moe
