#include "moe/bugs.h"

#include "list.h"
#include "moe/validate.h"

namespace moe {

const std::vector<Bug>& bugs() {
  static const std::vector<Bug> all = [] {
    std::vector<Bug> list;
    for (const auto part : {choice_bugs, group_bugs, noise_bugs, dispatch_bugs, capacity_bugs, numeric_bugs})
      for (Bug& bug : part()) list.push_back(std::move(bug));
    return list;
  }();
  return all;
}

Arrays evaluate_with(const Bug& bug, const Config& config, const Inputs& inputs) {
  Config c = config;
  Inputs in = inputs;
  if (bug.config) bug.config(c);
  if (bug.inputs) bug.inputs(c, in);
  Decisions decisions = decide(c, params_of<double>(c, in));
  if (bug.decisions) bug.decisions(c, in, decisions);
  Arrays answer = evaluate<double>(c, in, &decisions, true);
  if (bug.tensors) bug.tensors(c, in, decisions, answer);
  return answer;
}

}  // namespace moe
