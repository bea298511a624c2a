#pragma once

#include <sys/wait.h>

#include <cstdlib>

#include "../scratch.h"
#include "moe/file.h"

namespace moe {

/// What a command did: its exit code and what it printed.
struct Done {
  int code;
  std::string out, err;
};

/// For `run`: a machine that has a GPU is as one that has none.
inline constexpr const char* kWithoutGpu = "CUDA_VISIBLE_DEVICES= ";

/// Runs `moe-oracle ARGUMENTS` by the shell, in `folder`, after the commands `before`.
inline Done run(const Scratch& folder, const std::string& arguments, const std::string& before = "") {
  const std::string command = "cd '" + (folder / "") + "' && " + before + "'" MOE_ORACLE "' >'" +
                              (folder / "out") + "' 2>'" + (folder / "err") + "' </dev/null " + arguments;
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder / "out"), read_text(folder / "err")};
}

inline bool is_one_line(const std::string& text) {
  return !text.empty() && text.find('\n') == text.size() - 1;
}

}  // namespace moe
