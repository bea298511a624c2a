#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

#include "../scratch.h"
#include "moe/file.h"
#include "moe/json.h"

namespace moe {

/// What a command did: its exit code and what it printed.
struct Done {
  int code;
  std::string out, err;
};

inline const std::string kMixtral = MOE_ROOT "/golden/presets/mixtral.json";

/// For `run`: a machine that has a GPU is as one that has none.
inline constexpr const char* kWithoutGpu = "CUDA_VISIBLE_DEVICES= ";

/// Runs `moe-oracle ARGUMENTS` by the shell, in `folder`, after the commands `before`.
inline Done run(const Scratch& folder, const std::string& arguments, const std::string& before = "") {
  const std::string command = "cd '" + (folder / "") + "' && " + before + "'" MOE_ORACLE "' >'" +
                              (folder / "out") + "' 2>'" + (folder / "err") + "' </dev/null " + arguments;
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder / "out"), read_text(folder / "err")};
}

inline void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// What a verb prints with --json.
inline Json json_of(const std::string& arguments) {
  const Done done = run(Scratch(), arguments + " --json");
  CAPTURE(arguments);
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  return parse_json(done.out, "stdout");
}

inline bool is_one_line(const std::string& text) {
  return !text.empty() && text.find('\n') == text.size() - 1;
}

}  // namespace moe
