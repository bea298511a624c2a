// bugs GOLDEN OUT: evaluates every golden case with every named bug and writes, in the form of kill.cpp, the cases whose
// expected numbers show it.
#include "moe/bugs.h"

#include <cstdio>
#include <fstream>

#include "comparison.h"

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: bugs GOLDEN OUT");
  std::vector<moe::Question> valid = moe::questions(argv[1]);
  std::erase_if(valid, [](const moe::Question& q) { return q.invalid; });
  std::ofstream out(argv[2]);
  for (const moe::Bug& bug : moe::bugs()) {
    out << "bug | " << bug.name;
    for (const moe::Question& q : valid)
      if (!agrees(q, evaluate_with(bug, moe::config_from_json(q.config), moe::inputs_of(q))))
        out << '\t' << q.id;
    out << '\n';
  }
  for (const moe::Question& q : valid)
    if (!agrees(q, evaluate_with({}, moe::config_from_json(q.config), moe::inputs_of(q))))
      throw std::runtime_error("no bug at all fails " + q.id);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "bugs: %s\n", e.what());
  return 1;
}
