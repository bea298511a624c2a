#pragma once

#include "moe/layer/capacity.h"
#include "moe/layer/choose.h"
#include "moe/layer/combine.h"
#include "moe/layer/expert.h"
#include "moe/layer/gather.h"
#include "moe/layer/importance.h"
#include "moe/layer/losses.h"
#include "moe/layer/shared.h"
#include "moe/trace.h"

/// The layer, composed: the first file to read.
///   linear -> choose (integers) -> route -> plan (integers) -> gather -> expert -> combine -> losses
namespace moe {

/// Everything discrete about a forward pass. Made once, by a scalar that can prove it, and given to every other.
struct Decisions {
  IdMatrix expert;                      // (T, K)
  IdMatrix retopk;                      // (T, K) by the scores alone, where a loss counts those
  Matrix<std::uint8_t> retopk_open;     // (T, E) 1 where rounding may decide whether it does; empty: nowhere
  std::vector<std::int32_t> runner_up;  // (T) the best that was not chosen, where a loss asks
  Matrix<std::uint8_t> taken_up;        // (T, K) by (R6), where there is a policy
  Plan plan;
};

/// What experts are ranked and scored by.   x (T, D), W (E, D), b (E) or absent -> z, or with noise h, (T, E)
///   (R0)  z = x W^T + b;   with noise   h = z + n s   by (N1)
template <typename Num>
struct RouterLogits {
  Matrix<Num> logits;
  NoiseTrace<Num> noise;
};
template <typename Num>
RouterLogits<Num> logits_forward(const Config& config, const Matrix<Num>& x, const Params<Num>& params) {
  Matrix<Num> z =
      stored(Tensor::router_logits, [&] { return linear_forward(x, params.router, params.router_bias); });
  if (!has_noise(config)) return {std::move(z), {}};
  NoiseTrace<Num> noise{
      std::move(z),
      stored(Tensor::router_noise_raw, [&] { return linear_forward(x, params.noise_weight); }),
      {},
      all_rows(params.noise)};
  Matrix<Num> h = stored(Tensor::router_noisy_logits, [&] { return noise_forward(config.noise, noise); });
  return {std::move(h), std::move(noise)};
}

/// The keys that a capacity ranks by: one per token (bpr_top1) or one per assignment (weight); none for fcfs.
template <typename Num>
std::vector<Key<Num>> priority_keys(const Config& config, const Matrix<Num>& z, const IdMatrix& expert) {
  const auto [T, D, F, E, K] = Letters(config);
  std::vector<Key<Num>> keys;
  if (!ranks_by_numbers(config.capacity)) return keys;
  const bool by_weight = ranks_assignments(config.capacity);
  // Is the weight a share of what the chosen ones have?
  const bool shared = by_weight && shares_before_drop(config.router);
  const ScoreFunction function = config.router.score_function;
  std::vector<Num> w = buffer<Num>(K);
  for (Index t = 0; t < T; ++t) {
    const std::vector<Num> s = scores_to_rank(function, row(z, t), E);
    std::vector<Num> z_k, s_k;
    for (Index k = 0; k < K; ++k) z_k.push_back(z(t, expert(t, k))), s_k.push_back(at(s, expert(t, k)));
    if (shared) weights_to_rank(config.router, z_k.data(), s_k.data(), K, w.data());
    for (Index k = 0; k < (by_weight ? K : 1); ++k) {
      std::vector<Num> among = z_k;
      if (!shared) among.assign(row(z, t), row(z, t) + (couples_experts(function) ? E : 0));
      keys.push_back(weight_key(function, shared ? at(w, k) : at(s_k, k), at(z_k, k), std::move(among)));
    }
  }
  return keys;
}

/// The plan of given choices, in the places that priority gives them: (P1) to (P3).
inline void set_plan(const Config& config, const std::vector<Index>& place, Decisions& made) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index scopes = parts_of(config.capacity.scope, config.shape.num_groups);
  made.plan = make_plan(made.expert, rank_assignments(config.capacity, T, K, place), E, capacity_of(config),
                        scopes, made.taken_up);
}

/// The weights of the choices before any drop, for (R6).
template <typename Num>
Matrix<Num> early_weights(const Router& router, const Matrix<Num>& z, const IdMatrix& expert) {
  const Index T = z.rows(), E = z.cols(), K = expert.cols();
  Matrix<Num> w(T, K);
  for (Index t = 0; t < T; ++t) {
    const std::vector<Num> s = scores_to_rank(router.score_function, row(z, t), E);
    std::vector<Num> z_k, s_k;
    for (Index k = 0; k < K; ++k) z_k.push_back(z(t, expert(t, k))), s_k.push_back(at(s, expert(t, k)));
    weights_to_rank(router, z_k.data(), s_k.data(), K, row(w, t));
  }
  return w;
}

/// The decisions that follow from given experts.   z (T, E), u (1, T) or absent
template <typename Num>
Decisions decide_for(const Config& config, const Matrix<Num>& z, IdMatrix expert, const Matrix<Num>& u = {}) {
  Decisions made;
  made.expert = std::move(expert);
  if (has_retopk(config)) made.retopk = choose_experts(z, config.shape.top_k);
  if (draws_second(config.router))
    made.taken_up = take_up(config.router, early_weights(config.router, z, made.expert), u);
  set_plan(config, places(priority_keys(config, z, made.expert)), made);
  return made;
}

/// All decisions of a layer: (R1), then the rest.
template <typename Num>
Decisions decide(const Config& config, const RouterLogits<Num>& z, const Params<Num>& params) {
  const Index K = config.shape.top_k;
  if (!has_noise(config))
    return decide_for(config, z.logits,
                      choose_experts(config.router, z.logits, all_rows(params.selection_bias), K),
                      all_rows(params.second_policy));
  NoisyChoice choice = choose_noisy(config.noise, z.noise, z.logits, K);
  Decisions made = decide_for(config, z.logits, std::move(choice.expert));
  made.runner_up = std::move(choice.runner_up);
  return made;
}
template <typename Num>
Decisions decide(const Config& config, const Params<Num>& params) {
  if (!has_router(config)) return decide_for(config, Matrix<Num>(), zeros<std::int32_t>(params.x.rows, 1));
  return decide(config, logits_forward(config, all_rows(params.x), params), params);
}

/// One auxiliary loss, before its coefficient.
template <typename Num>
Num aux_forward(const Config& config, const Aux& aux, const Routing<Num>& r, const Plan& plan) {
  switch (aux.kind) {
    case AuxKind::Switch:
      return balance_forward(aux, config.router.score_function, config.shape.num_groups, r, plan);
    case AuxKind::Z:
      return z_loss_forward(r.logsumexp);
    case AuxKind::CvImportance:
      return variation(importance_forward(config.router, r), aux.epsilon).V;
    case AuxKind::CvLoad:
      return variation(load_forward(r), aux.epsilon).V;
  }
  return Num(0);
}

/// What the gradients are gradients of.   y (T, D), dy (T, D) -> losses
///   (B0)  task = sum_td y_td dy_td,   total = task + sum over aux of coefficient loss
template <typename Num>
Losses<Num> losses_forward(const Config& config, const Trace<Num>& a, const Matrix<Num>& dy) {
  const auto kept = [](Tensor id, const auto& compute) {
    const StageScope<Num> stage(id);
    Num loss = compute();
    store(loss, id);
    return loss;
  };
  Losses<Num> loss;
  loss.task = kept(Tensor::loss_task, [&] {
    Num task = dot(a.y.data(), dy.data(), a.y.size());
    cover(&task, 1, [&](Num* other) {  // of a y that was not rounded yet
      Matrix<Num> y = a.y;
      for (Index i = 0; i < y.size(); ++i) y.data()[i] = unstored(y.data()[i], Tensor::y);
      *other = dot(y.data(), dy.data(), y.size());
    });
    return task;
  });
  for (const Aux& aux : config.aux)
    loss.aux.push_back(
        kept(Tensor::loss_aux, [&] { return aux_forward(config, aux, a.router, a.dispatch); }));
  loss.total = kept(Tensor::loss_total, [&] {
    Num total = loss.task;
    for (std::size_t i = 0; i < config.aux.size(); ++i)
      total += configured<Num>(config.aux[i].coefficient) * loss.aux[i];
    return total;
  });
  return loss;
}

/// What goes into expert e: (G1), or where weights multiply it (G2).
template <typename Num>
Matrix<Num> input_of(const Config& config, const Trace<Num>& a, Index e) {
  return weighs_input(config) ? rows_of(a.in, a.dispatch.first(e), a.dispatch.count(e))
                              : gather_forward(a.x, a.dispatch, e);
}

/// All experts, one after the other.   x (T, D) -> in, gate, up, hidden, out
///   (X4)  out = xg    for each of the last identity_experts
template <typename Num>
void experts_forward(const Config& config, const Params<Num>& params, Trace<Num>& a) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index computed = computed_experts(config), rows = a.dispatch.first(computed);
  if (weighs_input(config))
    a.in = stored(Tensor::expert_in, [&] { return weigh_forward(a.x, a.router.weights, a.dispatch); });
  if (config.experts.glu) a.gate.resize(rows, F);
  a.up.resize(rows, F), a.hidden.resize(rows, F), a.out.resize(a.dispatch.N(), D);
  for (Index e = 0; e < E; ++e) {
    const Index first = a.dispatch.first(e);
    if (e >= computed) {
      place_rows(stored(Tensor::expert_out, [&] { return input_of(config, a, e); }), first, a.out);
      continue;
    }
    ExpertTrace<Num> of_e = expert_forward(config.experts, input_of(config, a, e), at(params.expert, e));
    if (config.experts.glu) place_rows(std::move(of_e.gate), first, a.gate);
    place_rows(std::move(of_e.up), first, a.up);
    place_rows(std::move(of_e.hidden), first, a.hidden);
    place_rows(std::move(of_e.out), first, a.out);
  }
}

/// The layer for given decisions.
template <typename Num>
Trace<Num> layer_forward(const Config& config, const Params<Num>& params, const Decisions& decisions) {
  const auto [T, D, F, E, K] = Letters(config);
  Trace<Num> a;
  a.x = all_rows(params.x);
  a.dispatch = decisions.plan;
  if (has_router(config)) {
    const Matrix<Num> b = all_rows(params.selection_bias);
    RouterLogits<Num> z = logits_forward(config, a.x, params);
    a.router = route_forward(config.router, std::move(z.logits), b, decisions.expert, a.dispatch);
    a.router.noise = std::move(z.noise);
    a.router.retopk = decisions.retopk, a.router.retopk_open = decisions.retopk_open;
    a.router.runner_up = decisions.runner_up;
    if (updates_bias(config)) a.router.next_bias = updated_bias(config.bias_update, b, a.dispatch);
  } else {
    a.router.weights = Matrix<Num>::Constant(T, K, Num(1));
  }

  experts_forward(config, params, a);
  if (has_shared(config)) a.shared = shared_forward(config, a.x, params.shared, params.shared_gate);
  Combined<Num> c = combine_forward(config, a.router.weights, a.dispatch, a.out, a.x, a.shared.y);
  a.weighted = std::move(c.weighted);
  a.y = std::move(c.y);
  a.loss = losses_forward(config, a, all_rows(params.dy));
  return a;
}

/// What expert e computed, taken back out of the trace.
template <typename Num>
ExpertTrace<Num> expert_trace(const Config& config, const Trace<Num>& a, Index e) {
  const Index first = a.dispatch.first(e), n = a.dispatch.count(e);
  return {input_of(config, a, e),
          config.experts.glu ? rows_of(a.gate, first, n) : Matrix<Num>(),
          rows_of(a.up, first, n),
          rows_of(a.hidden, first, n),
          {}};
}

/// visit(z, bend) for every number whose place above or below `bend` decides what (X2) is, of all experts.
template <typename Num, typename Visit>
void each_bend(const Config& config, const Trace<Num>& a, Visit visit) {
  each_bend(config.experts, a.gate, a.up, visit);
  if (has_shared(config)) each_bend(shared_form(config), a.shared.expert.gate, a.shared.expert.up, visit);
}

/// From the gradient of the router's weights and the losses to that of its logits, g.logits, with noise g.noisy_logits.
/// -> dr (T, E), the gradient of the logits of the noise; empty without noise
template <typename Num>
Matrix<Num> logits_backward(const Config& config, const Trace<Num>& a, Grads<Num>& g, Loop loop,
                            ScoreBackward<Num> back = score_backward<Num>) {
  const auto [T, D, F, E, K] = Letters(config);
  const StageScope<Num> stage(Tensor::grad_router_logits);
  // What the losses want of the scores, of the clean logits and of the scale of noise, beside what passes the weights.
  Matrix<Num> ds = zeros<Num>(T, E), dz = zeros<Num>(T, E), dscale = zeros<Num>(T, E), dh = zeros<Num>(T, E);
  for (const Aux& aux : config.aux) {
    const Num each = configured<Num>(aux.coefficient);
    if (is_balance(aux))
      balance_backward(aux, config.router.score_function, config.shape.num_groups, a.router, a.dispatch, each,
                       ds, dh);
    if (is_of_logits(aux)) z_loss_backward(a.router.logits, a.router.logsumexp, each, dh);
    if (is_of_importance(aux)) {
      const StageScope<Num> of_weights(Tensor::grad_router_topk_weights);
      const std::vector<Num> importance = importance_forward(config.router, a.router);
      importance_backward(a.router, variation_backward(importance, aux.epsilon, each), g.topk_weights);
    }
    if (is_of_load(aux))
      load_backward(a.router, variation_backward(load_forward(a.router), aux.epsilon, each), dz, dscale, dh);
  }
  g.topk_weights = stored(Tensor::grad_router_topk_weights, [&] { return std::move(g.topk_weights); });
  RoutingGrads<Num> droute =
      route_backward(config.router, a.router, a.dispatch, std::move(ds), g.topk_weights, loop, back);
  droute.logits += dh;
  g.scores = stored(Tensor::grad_router_scores, [&] { return std::move(droute.scores); });
  if (!has_noise(config)) {
    g.logits = stored(Tensor::grad_router_logits, [&] { return std::move(droute.logits); });
    return {};
  }
  g.noisy_logits = stored(Tensor::grad_router_noisy_logits, [&] { return std::move(droute.logits); });
  dz += g.noisy_logits;
  g.logits = stored(Tensor::grad_router_logits, [&] { return std::move(dz); });
  return stored(Tensor::grad_router_noise_raw,
                [&] { return noise_backward(a.router.noise, g.noisy_logits, dscale); });
}

/// The router's part of layer_backward: from the gradient of its weights and the losses to that of its inputs, added to
/// g.x.
template <typename Num>
void router_backward(const Config& config, const Params<Num>& params, const Trace<Num>& a, Grads<Num>& g) {
  const Matrix<Num> dr = logits_backward(config, a, g, params.router.loop);
  if (has_noise(config)) {
    g.noise_weight = stored(Tensor::grad_router_noise_weight,
                            [&] { return linear_backward_weight(dr, a.x, params.noise_weight.loop); });
    g.x += linear_backward(dr, params.noise_weight);
  }
  g.router_weight = stored(Tensor::grad_router_weight,
                           [&] { return linear_backward_weight(g.logits, a.x, params.router.loop); });
  if (config.router.logit_bias)
    g.router_bias = stored(Tensor::grad_router_bias, [&] { return linear_backward_bias(g.logits); });
  g.x += linear_backward(g.logits, params.router);
  if (config.router.selection_bias) g.selection_bias = zeros<Num>(1, config.shape.num_experts);
}

/// The vector-Jacobian product of experts_forward.   g.out (N, D) -> g.gate, g.up, g.hidden, those of weights to take(e, ...), and
/// g.in (N, D), that of what went in: the rows of (G1')
///   (X4')  dxg = dout    for each of the last identity_experts
template <typename Num, typename Take>
void experts_backward(const Config& config, const Params<Num>& params, const Trace<Num>& a, Take take,
                      Grads<Num>& g) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index computed = computed_experts(config), rows = a.dispatch.first(computed);
  if (config.experts.glu) g.gate.resize(rows, F);
  g.up.resize(rows, F), g.hidden.resize(rows, F), g.in.resize(a.dispatch.N(), D);
  for (Index e = 0; e < E; ++e) {
    const Index first = a.dispatch.first(e);
    Matrix<Num> dout = rows_of(g.out, first, a.dispatch.count(e));
    if (e >= computed) {
      place_rows(std::move(dout), first, g.in);
      continue;
    }
    ExpertGrads<Num> of_e =
        expert_backward(config.experts, expert_trace(config, a, e), at(params.expert, e), dout);
    if (config.experts.glu) place_rows(std::move(of_e.gate), first, g.gate);
    place_rows(std::move(of_e.up), first, g.up);
    place_rows(std::move(of_e.hidden), first, g.hidden);
    place_rows(std::move(of_e.x), first, g.in);
    take(e, std::move(of_e.weight));
  }
}

/// The gradient of losses.total. The experts' weights have large ones: take(e, ExpertWeightGrads<Num>) gets them one
/// expert at a time.
template <typename Num, typename Take>
Grads<Num> layer_backward(const Config& config, const Params<Num>& params, const Trace<Num>& a, Take take) {
  const StageScope<Num> stage(Tensor::grad_x);  // what belongs to no other adds up to it
  const Matrix<Num> dy = all_rows(params.dy);
  CombineGrads<Num> dcombine = combine_backward(config, a.router.weights, a.dispatch, a.out, a.x,
                                                averages_shared(config) ? routed_share(config, dy) : dy);
  Grads<Num> g;
  g.x = std::move(dcombine.x);
  g.topk_weights = std::move(dcombine.weight);
  g.out = std::move(dcombine.out);
  experts_backward(config, params, a, take, g);
  Matrix<Num> dxg = std::move(g.in);
  if (weighs_input(config)) {
    g.in = stored(Tensor::grad_expert_in, [&] { return std::move(dxg); });
    dxg = weigh_backward(g.in, a.x, a.router.weights, a.dispatch, g.topk_weights);
  }
  if (has_router(config)) router_backward(config, params, a, g);
  if (has_shared(config)) {
    SharedGrads<Num> dshared = shared_backward(config, a.x, a.shared, params.shared, params.shared_gate,
                                               averages_shared(config) ? shared_share(config, dy) : dy);
    g.x += dshared.x;
    g.shared = std::move(dshared.weight);
    g.shared_gate = std::move(dshared.gate_weight);
  }
  for (Index e = 0; e < config.shape.num_experts; ++e)
    gather_backward(rows_of(dxg, a.dispatch.first(e), a.dispatch.count(e)), a.dispatch, e, g.x);
  g.x = stored(Tensor::grad_x, [&] { return std::move(g.x); });
  return g;
}

}  // namespace moe
