#include "moe/bugs.h"

#include "list.h"
#include "moe/validate.h"

namespace moe {
namespace {

/// evaluate(), with a forward pass that is changed before its rows are combined.
Arrays evaluate_changed(const Bug& bug, const Config& config, const Inputs& inputs,
                        const Decisions& decisions) {
  const Params<double> params = params_of<double>(config, inputs);
  Collector collector;
  const auto visit = [&](auto&&... block) { collector(block...); };
  Trace<double> a = layer_forward(config, params, decisions);
  bug.trace(config, params, a);
  Combined<double> c =
      combine_forward(config.capacity.dropped_output, a.router.weights, a.dispatch, a.out, a.x, a.shared.y);
  a.weighted = std::move(c.weighted), a.y = std::move(c.y);
  a.loss = losses_forward(config, a, all_rows(params.dy));
  each_tensor(config, a, visit);
  const Grads<double> grads =
      layer_backward(config, params, a,
                     [&](Index e, const ExpertWeightGrads<double>& g) { each_block(config, e, g, visit); });
  each_tensor(config, a.dispatch, grads, visit);
  return std::move(collector.arrays);
}

}  // namespace

const std::vector<Bug>& bugs() {
  static const std::vector<Bug> all = [] {
    std::vector<Bug> list;
    for (const auto part : {choice_bugs, group_bugs, noise_bugs, dispatch_bugs, capacity_bugs, numeric_bugs,
                            layout_bugs, weight_bugs, pass_bugs})
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
  Arrays answer =
      bug.trace ? evaluate_changed(bug, c, in, decisions) : evaluate<double>(c, in, &decisions, true);
  if (bug.tensors) bug.tensors(c, in, decisions, answer);
  return answer;
}

}  // namespace moe
