#include <doctest/doctest.h>

#include <sstream>

#include "run.h"

// The README shows commands and what they print: both are run here.
using namespace moe;

namespace {

/// The n-th fenced block of the README, without its fences.
std::string block(int n) {
  const std::string text = read_text(MOE_ROOT "/README.md");
  std::size_t at = 0, end = 0;
  for (; n >= 0; --n) {
    at = text.find('\n', text.find("\n```", end) + 1) + 1;
    end = text.find("\n```", at) + 4;
  }
  return text.substr(at, end - 3 - at);
}

/// All but the last words, which say how long it took.
std::string without_time(const std::string& text) { return text.substr(0, text.rfind(" in ")); }

}  // namespace

TEST_CASE("readme: the first block is the two commands that do all the set-up") {
  CHECK(block(0) == "./oracle golden write mixtral --out mixtral.json\n./oracle test\n");
}

TEST_CASE("readme: the first command prints what it shows") {
  if (!MOE_HAS_BALL) return;
  const Scratch folder;
  const Done done = run(folder, "golden write mixtral --out mixtral.json");
  CHECK(done.code == 0);
  CHECK(without_time(done.out) == without_time(block(1)));
}

TEST_CASE("readme: every command of the list works") {
  std::istringstream lines(block(2));
  int commands = 0;
  for (std::string line; std::getline(lines, line); ++commands) {
    CAPTURE(line);
    REQUIRE(line.starts_with("./oracle "));
    const std::string arguments = line.substr(9, line.find("   ") - 9);
    if (!MOE_HAS_BALL && (arguments.starts_with("golden") || arguments.find("ball") != std::string::npos))
      continue;
    const Done done = run(Scratch(), arguments);
    CHECK(done.code == 0);
    CHECK(!done.out.empty());
  }
  CHECK(commands == 9);
}
