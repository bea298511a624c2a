#pragma once

#include <string>

#include "moe/array.h"
#include "moe/layer/expert.h"
#include "moe/layer/route.h"
#include "moe/layer/shared.h"

namespace moe {

template <typename Num>
struct Losses {
  Num task = Num(0);     // <y, dy>
  std::vector<Num> aux;  // one per Config::aux, before its coefficient
  Num total = Num(0);    // task + sum of coefficient times loss
};

/// Every named tensor of a forward pass.
template <typename Num>
struct Trace {
  Matrix<Num> x;  // (T, D), as the layer widened it
  Routing<Num> router;
  Plan dispatch;
  Matrix<Num> in;                // (N, D) what goes into experts, where weights multiply it
  Matrix<Num> gate, up, hidden;  // (N, F) all experts with weights, by row
  Matrix<Num> out, weighted;     // (N, D) all experts
  SharedTrace<Num> shared;       // its y (T, D)
  Matrix<Num> y;                 // (T, D)
  Losses<Num> loss;
};

/// Every named gradient of losses.total, but those of the experts' weights, which are handed out one expert at a time.
template <typename Num>
struct Grads {
  Matrix<Num> x;                             // (T, D)
  Matrix<Num> router_weight, router_bias;    // (E, D), (1, E)
  Matrix<Num> selection_bias;                // (1, E) zeros: the choice passes no gradient
  Matrix<Num> noise_weight;                  // (E, D)
  Matrix<Num> logits, noisy_logits, scores;  // (T, E)
  Matrix<Num> topk_weights;                  // (T, K)
  Matrix<Num> in, out;                       // (N, D)
  Matrix<Num> gate, up, hidden;              // (N, F)
  ExpertWeightGrads<Num> shared;
  Matrix<Num> shared_gate;  // (1, D)
};

/// The one list, in the order of every file: visit(name, dims of the tensor, first, elements, count) for every tensor that
/// `config` has, where the `count` elements are those from flat index `first` on. Reals are Num; discrete results are
/// int32, int64 or uint8.
template <typename Num, typename Visit>
void each_tensor(const Config& config, const Trace<Num>& a, Visit visit) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index N = a.dispatch.N();
  const auto of = [&](Tensor id, const Dims& dims, const auto* data) {
    visit(std::string(name_of(id)), dims, Index{0}, data, product(dims));
  };
  if (has_router(config)) {
    const bool noise = has_noise(config);
    of(Tensor::router_logits, {T, E}, noise ? a.router.noise.clean.data() : a.router.logits.data());
    if (noise) of(Tensor::router_noisy_logits, {T, E}, a.router.logits.data());
    of(Tensor::router_scores, {T, E}, a.router.scores.data());
    of(Tensor::router_logsumexp, {T}, a.router.logsumexp.data());
    if (has_groups(config))
      of(Tensor::router_group_scores, {T, config.router.n_group}, a.router.group_scores.data());
    if (has_denominator(config)) of(Tensor::router_denominator, {T}, a.router.denominator.data());
    of(Tensor::router_topk_ids, {T, K}, a.router.expert.data());
    of(Tensor::router_topk_weights, {T, K}, a.router.weights.data());
  }
  of(Tensor::dispatch_counts, {E}, a.dispatch.counts.data());
  of(Tensor::dispatch_offsets, {E + 1}, a.dispatch.offsets.data());
  of(Tensor::dispatch_order, {N}, a.dispatch.order.data());
  of(Tensor::dispatch_kept, {T, K}, a.dispatch.kept.data());
  const Index computed = a.dispatch.rows_before(computed_experts(config));
  if (weighs_input(config)) of(Tensor::expert_in, {N, D}, a.in.data());
  if (config.experts.glu) of(Tensor::expert_gate, {computed, F}, a.gate.data());
  of(Tensor::expert_up, {computed, F}, a.up.data());
  of(Tensor::expert_hidden, {computed, F}, a.hidden.data());
  of(Tensor::expert_out, {N, D}, a.out.data());
  of(Tensor::combine_weighted, {N, D}, a.weighted.data());
  of(Tensor::y, {T, D}, a.y.data());
  if (a.router.next_bias.size() > 0) of(Tensor::router_next_selection_bias, {E}, a.router.next_bias.data());
  const auto loss = [&](const std::string& name, const Num& value) {
    visit("loss." + name, Dims{}, Index{0}, &value, Index{1});
  };
  loss("task", a.loss.task);
  for (std::size_t i = 0; i < config.aux.size(); ++i) loss(config.aux[i].name, a.loss.aux[i]);
  loss("total", a.loss.total);
}

template <typename Num, typename Visit>
void each_tensor(const Config& config, const Plan& plan, const Grads<Num>& g, Visit visit) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index N = plan.N();
  const auto of = [&](Tensor id, const Dims& dims, const Num* data) {
    visit(std::string(name_of(id)), dims, Index{0}, data, product(dims));
  };
  of(Tensor::grad_x, {T, D}, g.x.data());
  if (has_router(config)) {
    of(Tensor::grad_router_weight, {E, D}, g.router_weight.data());
    if (config.router.logit_bias) of(Tensor::grad_router_bias, {E}, g.router_bias.data());
    if (has_noise(config)) of(Tensor::grad_router_noise_weight, {E, D}, g.noise_weight.data());
    if (config.router.selection_bias) of(Tensor::grad_router_selection_bias, {E}, g.selection_bias.data());
    of(Tensor::grad_router_logits, {T, E}, g.logits.data());
    if (has_noise(config)) of(Tensor::grad_router_noisy_logits, {T, E}, g.noisy_logits.data());
    of(Tensor::grad_router_scores, {T, E}, g.scores.data());
    of(Tensor::grad_router_topk_weights, {T, K}, g.topk_weights.data());
  }
  const Index computed = plan.rows_before(computed_experts(config));
  if (weighs_input(config)) of(Tensor::grad_expert_in, {N, D}, g.in.data());
  if (config.experts.glu) of(Tensor::grad_expert_gate, {computed, F}, g.gate.data());
  of(Tensor::grad_expert_up, {computed, F}, g.up.data());
  of(Tensor::grad_expert_hidden, {computed, F}, g.hidden.data());
  of(Tensor::grad_expert_out, {N, D}, g.out.data());
  if (!has_shared(config)) return;
  const Index Fs = config.shared.ffn_size;
  if (config.experts.glu) of(Tensor::grad_shared_gate, {Fs, D}, g.shared.gate.data());
  of(Tensor::grad_shared_up, {Fs, D}, g.shared.up.data());
  of(Tensor::grad_shared_down, {D, Fs}, g.shared.down.data());
  if (g.shared_gate.size() > 0) of(Tensor::grad_shared_gate_weight, {1, D}, g.shared_gate.data());
}

/// ... and the gradients of the weights of expert e.
template <typename Num, typename Visit>
void each_block(const Config& config, Index e, const ExpertWeightGrads<Num>& g, Visit visit) {
  const auto [T, D, F, all, K] = Letters(config);
  const Index E = computed_experts(config);
  const auto of = [&](Tensor id, const Dims& dims, const Matrix<Num>& m) {
    if (m.size() > 0) visit(std::string(name_of(id)), dims, e * m.size(), m.data(), m.size());
  };
  of(Tensor::grad_experts_gate, {E, F, D}, g.gate);
  of(Tensor::grad_experts_up, {E, F, D}, g.up);
  of(Tensor::grad_experts_down, {E, D, F}, g.down);
  of(Tensor::grad_experts_gate_bias, {E, F}, g.gate_bias);
  of(Tensor::grad_experts_up_bias, {E, F}, g.up_bias);
  of(Tensor::grad_experts_down_bias, {E, D}, g.down_bias);
}

}  // namespace moe
