#include "moe/bugs.h"

#include "cast.h"
#include "list.h"
#include "moe/scalar/narrow.h"
#include "moe/validate.h"

namespace moe {
namespace {

/// evaluate(), with a forward pass that is changed before its rows are combined.
template <typename Num>
Arrays evaluate_changed(const Bug& bug, const Config& config, const Inputs& inputs,
                        const Decisions& decisions) {
  const Params<Num> params = params_of<Num>(config, inputs);
  Collector collector;
  const auto visit = [&](auto&&... block) { collector(block...); };
  Trace<double> changed = cast<double>(layer_forward(config, params, decisions));
  bug.trace(config, params_of<double>(config, inputs), changed);
  Trace<Num> a = cast<Num>(changed);
  const auto keep = [](Tensor id, Matrix<Num>& m) { m = stored(id, [&] { return std::move(m); }); };
  keep(Tensor::router_scores, a.router.scores), keep(Tensor::router_topk_weights, a.router.weights);
  keep(Tensor::expert_hidden, a.hidden), keep(Tensor::expert_out, a.out);
  norm_experts(config, params, a);
  Combined<Num> c =
      combine_forward(config, params, a.router.weights, a.dispatch, given_by(config, a), a.x, a.shared.y);
  a.weighted = std::move(c.weighted), a.latent_y = std::move(c.latent), a.sum = std::move(c.sum);
  a.y = std::move(c.y);
  a.loss = losses_forward(config, a, all_rows(params.dy));
  each_tensor(config, a, visit);
  const Grads<Num> grads = layer_backward(
      config, params, a, [&](Index e, const ExpertWeightGrads<Num>& g) { each_block(config, e, g, visit); });
  each_tensor(config, a.dispatch, grads, visit);
  return std::move(collector.arrays);
}

template <typename Num>
Arrays evaluate_at(const Bug& bug, const Config& config, const Inputs& inputs) {
  Config c = config;
  Inputs in = inputs;
  if (bug.config) bug.config(c);
  if (bug.inputs) bug.inputs(c, in);
  const std::vector<InputInfo> read = inputs_of(c);  // a bias that is forgotten is not there
  std::erase_if(in, [&](const auto& input) {
    return std::none_of(read.begin(), read.end(),
                        [&](const InputInfo& info) { return info.id == input.first; });
  });
  Decisions decisions = decide(c, params_of<double>(c, in));
  if (bug.decisions) bug.decisions(c, in, decisions);
  const Passes passes{std::is_same_v<Num, Narrow>,
                      [](const Config& of, const Inputs& from, const Decisions& d) {
                        return evaluate<Num>(of, from, &d, true);
                      }};
  Arrays answer = bug.trace ? evaluate_changed<Num>(bug, c, in, decisions) : passes.run(c, in, decisions);
  if (bug.tensors) bug.tensors(c, in, decisions, answer);
  if (bug.passes) bug.passes(c, in, decisions, passes, answer);
  return answer;
}

}  // namespace

const std::vector<Bug>& bugs() {
  static const std::vector<Bug> all = [] {
    std::vector<Bug> list;
    for (const auto part : {choice_bugs, group_bugs, noise_bugs, dispatch_bugs, capacity_bugs, numeric_bugs,
                            layout_bugs, weight_bugs, pass_bugs, small_bugs})
      for (Bug& bug : part()) list.push_back(std::move(bug));
    return list;
  }();
  return all;
}

Arrays evaluate_with(const Bug& bug, const Config& config, const Inputs& inputs, const Profile* profile) {
  if (profile == nullptr) return evaluate_at<double>(bug, config, inputs);
  const ProfileScope scope(*profile);
  return evaluate_at<Narrow>(bug, config, inputs);
}

}  // namespace moe
