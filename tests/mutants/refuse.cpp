// refuse TREE GOLDEN OUT: leaves out one rule after the other (TREE/mutants.txt) and writes, in the form of kill.cpp, the
// invalid cases of GOLDEN that are accepted then. Linked with the instrumented sources of TREE.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>

#include "comparison.h"
#include "moe/presets.h"
#include "moe/validate.h"
#include "mutant.h"

namespace {

/// Is `action` anything but an orderly refusal? In a process of its own: without a rule, anything may happen.
bool accepted(const std::function<void()>& action) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      action();
    } catch (const moe::Error&) {
      _exit(0);
    } catch (const std::exception&) {
    }
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status != 0;
}
bool accepted(const moe::Question& q) {
  return accepted([&] {
    const moe::Config config = moe::config_from_json(q.config);
    if (!q.inputs.empty()) moe::validate(config, moe::inputs_of(q));
  });
}

/// What is to be refused and cannot stand in a golden file: is any of it accepted?
bool unrefused() {
  moe::Json json = moe::config_to_json(moe::find_preset("switch")->config);
  moe::Config infinite = moe::find_preset("switch")->config;
  infinite.aux[0].coefficient = HUGE_VAL;
  moe::Config beyond = moe::find_preset("gpt_oss")->config;
  beyond.experts.up_offset = HUGE_VAL;
  return accepted([&] { moe::validate(infinite); }) || accepted([&] { moe::validate(beyond); }) ||
         accepted([&] { moe::set_field(json, "shape.top_k"); }) ||
         accepted([&] { moe::set_field(json, "source=\xff"); }) ||
         accepted([&] { moe::set_field(json, "aux.none.kind=1"); });
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("usage: refuse TREE GOLDEN OUT");
  std::vector<moe::Question> invalid = moe::questions(argv[2]);
  std::erase_if(invalid, [](const moe::Question& q) { return !q.invalid; });
  for (const moe::Question& q : invalid)
    if (accepted(q) || unrefused()) throw std::runtime_error("the program as written accepts " + q.id);
  std::ifstream lines(std::string(argv[1]) + "/mutants.txt");
  std::ofstream out(argv[3]);  // flushed before each fork, so that no child writes it again
  for (std::string line; std::getline(lines, line);) {
    ++mutant::active;
    out << line;
    for (const moe::Question& q : invalid)
      if (accepted(q)) out << '\t' << q.id;
    if (unrefused()) out << "\ttest: what no golden file can say";
    out << std::endl;
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "refuse: %s\n", e.what());
  return 1;
}
