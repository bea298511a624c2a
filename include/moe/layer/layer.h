#pragma once

#include "moe/layer/decide.h"
#include "moe/layer/expert.h"
#include "moe/layer/gather.h"
#include "moe/layer/importance.h"
#include "moe/layer/losses.h"
#include "moe/layer/output.h"
#include "moe/layer/shared.h"
#include "moe/trace.h"

/// The layer, composed: the first file to read.
///   linear -> choose (integers) -> route -> plan (integers) -> gather -> expert -> combine -> losses
namespace moe {

/// One auxiliary loss, before its coefficient.
template <typename Num>
Num aux_forward(const Config& config, const Aux& aux, const Routing<Num>& r, const Plan& plan) {
  switch (aux.kind) {
    case AuxKind::Switch:
      return balance_forward(aux, config.router.score_function, config.shape.num_groups, r, plan);
    case AuxKind::Z:
      return z_loss_forward(is_of_clean(aux) ? log_sum_exp_of(r.noise.clean) : r.logsumexp,
                            counted_tokens(aux, r));
    case AuxKind::CvImportance:
      return variation(importance_forward(aux, r), aux).V;
    case AuxKind::CvLoad:
      return variation(load_forward(aux, r), aux).V;
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

/// What experts work on.
///   (X5), (X6)  latent_t = latent.down x_t, or the norm of it, or x_t
template <typename Num>
const Matrix<Num>& worked_on(const Config& config, const Trace<Num>& a) {
  return norms_latent(config) ? a.latent_normed : has_latent(config) ? a.latent_x : a.x;
}
/// What weights multiply, and sums are of: (X7).
template <typename Num>
const Matrix<Num>& given_by(const Config& config, const Trace<Num>& a) {
  return norms_experts(config) ? a.normed : a.out;
}

/// What goes into expert e: (G1), or where weights multiply it (G2).
template <typename Num>
Matrix<Num> input_of(const Config& config, const Trace<Num>& a, Index e) {
  return weighs_input(config) ? rows_of(a.in, a.dispatch.first(e), a.dispatch.count(e))
                              : gather_forward(worked_on(config, a), a.dispatch, e);
}

/// (X7)   out (N, L) -> normed (N, L)
template <typename Num>
void norm_experts(const Config& config, const Params<Num>& params, Trace<Num>& a) {
  if (norms_experts(config))
    a.normed = stored(Tensor::expert_normed, [&] {
      return scaled_rms_forward(config.experts.output_norm_epsilon, a.out, all_rows(params.output_norm));
    });
}
/// From the gradient of what it gives to that of out.
template <typename Num>
void norm_experts_back(const Config& config, const Params<Num>& params, const Trace<Num>& a, Grads<Num>& g) {
  if (!norms_experts(config)) return;
  const double epsilon = config.experts.output_norm_epsilon;
  const Matrix<Num> c = all_rows(params.output_norm);
  g.normed = std::move(g.out);
  g.output_norm = stored(Tensor::grad_latent_output_norm_weight,
                         [&] { return scaled_rms_backward_weight(epsilon, a.out, c, g.normed); });
  g.out = stored(Tensor::grad_expert_out, [&] { return scaled_rms_backward(epsilon, a.out, c, g.normed); });
}

/// What expert e gives that has no weights.   -> (N_e, D)
///   (X4)  out = xg, or with identity_gives zero 0,    for each of the last identity_experts
template <typename Num>
Matrix<Num> without_weights(const Config& config, const Trace<Num>& a, Index e) {
  return gives_input(config.experts) ? input_of(config, a, e)
                                     : zeros<Num>(a.dispatch.count(e), expert_width(config));
}

/// All experts, one after the other.   x (T, D) -> in, gate, up, hidden, out
template <typename Num>
void experts_forward(const Config& config, const Params<Num>& params, Trace<Num>& a) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index computed = computed_experts(config), rows = a.dispatch.first(computed);
  if (has_latent(config))
    a.latent_x = stored(Tensor::latent_x, [&] { return linear_forward(a.x, params.latent_down); });
  if (norms_latent(config))
    a.latent_normed = stored(Tensor::latent_normed, [&] {
      return rms_forward(config.experts.latent_norm_epsilon, a.latent_x, all_rows(params.latent_norm));
    });
  if (weighs_input(config))
    a.in = stored(Tensor::expert_in,
                  [&] { return weigh_forward(worked_on(config, a), a.router.weights, a.dispatch); });
  if (config.experts.glu) a.gate.resize(rows, F);
  a.up.resize(rows, F), a.hidden.resize(rows, F), a.out.resize(a.dispatch.N(), expert_width(config));
  for (Index e = 0; e < E; ++e) {
    const Index first = a.dispatch.first(e);
    if (e >= computed) {
      place_rows(stored(Tensor::expert_out, [&] { return without_weights(config, a, e); }), first, a.out);
      continue;
    }
    ExpertTrace<Num> of_e = expert_forward(config.experts, input_of(config, a, e), at(params.expert, e));
    if (config.experts.glu) place_rows(std::move(of_e.gate), first, a.gate);
    place_rows(std::move(of_e.up), first, a.up);
    place_rows(std::move(of_e.hidden), first, a.hidden);
    place_rows(std::move(of_e.out), first, a.out);
  }
  norm_experts(config, params, a);
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
    a.router = route_forward(config.router, std::move(z.logits), b, decisions.expert, a.dispatch,
                             all_rows(params.expert_scale));
    a.router.noise = std::move(z.noise);
    a.router.retopk = decisions.retopk, a.router.retopk_open = decisions.retopk_open;
    a.router.runner_up = decisions.runner_up;
    if (updates_bias(config)) a.router.next_bias = updated_bias(config.bias_update, b, a.dispatch);
    a.router.earlier_counts = all_rows(params.earlier_counts);
    a.router.earlier_scores = all_rows(params.earlier_scores);
    a.router.token_mask = all_rows(params.token_mask);
  } else {
    a.router.weights = Matrix<Num>::Constant(T, K, Num(1));
  }

  experts_forward(config, params, a);
  if (has_shared(config)) a.shared = shared_forward(config, a.x, params.shared, params.shared_gate);
  Combined<Num> c =
      combine_forward(config, params, a.router.weights, a.dispatch, given_by(config, a), a.x, a.shared.y);
  a.weighted = std::move(c.weighted), a.latent_y = std::move(c.latent), a.sum = std::move(c.sum);
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

/// visit(z, bend) for every number whose place above or below `bend` decides what (X2) is, of all experts, or (R3) or (R8).
template <typename Num, typename Visit>
void each_bend(const Config& config, const Trace<Num>& a, Visit visit) {
  for (Index t = 0; clamps_sum(config.router) && t < a.x.rows(); ++t) {
    const std::vector<Num> s =
        picked(a.router.scores, t, a.router.expert, partners(config.router, a.dispatch, t));
    visit(sum(s.data(), static_cast<Index>(s.size())), config.router.renorm_epsilon);
  }
  if (shares_what_is_left(config.router))
    each_bend_of_choices(config.router, scored(a.router), a.router.expert, visit);
  each_bend(config.experts, a.gate, a.up, visit);
  if (has_shared(config)) each_bend(shared_form(config), a.shared.expert.gate, a.shared.expert.up, visit);
}

/// From the gradient of the router's weights and the losses to that of its logits, g.logits, with noise g.noisy_logits.
/// -> dr (T, E), the gradient of the logits of the noise; empty where that is not learned
template <typename Num>
Matrix<Num> logits_backward(const Config& config, const Trace<Num>& a, Grads<Num>& g, Loop loop,
                            ScoreBackward<Num> back = score_backward<Num>, const Matrix<Num>& c = {}) {
  const auto [T, D, F, E, K] = Letters(config);
  const StageScope<Num> stage(Tensor::grad_router_logits);
  // What the losses want of the scores, of the clean logits and of the scale of noise, beside what passes the weights.
  Matrix<Num> ds = zeros<Num>(T, E), dz = zeros<Num>(T, E), dscale = zeros<Num>(T, E), dh = zeros<Num>(T, E);
  for (const Aux& aux : config.aux) {
    const Num each = configured<Num>(aux.coefficient);
    if (is_balance(aux))
      balance_backward(aux, config.router.score_function, config.shape.num_groups, a.router, a.dispatch, each,
                       ds, dh);
    if (is_of_logits(aux) && is_of_clean(aux))
      z_loss_backward(a.router.noise.clean, log_sum_exp_of(a.router.noise.clean),
                      counted_tokens(aux, a.router), each, dz);
    else if (is_of_logits(aux))
      z_loss_backward(scored(a.router), a.router.logsumexp, counted_tokens(aux, a.router), each, dh);
    if (is_of_importance(aux)) {
      const StageScope<Num> of_weights(sums_scores(aux) ? Tensor::grad_router_logits
                                                        : Tensor::grad_router_topk_weights);
      const std::vector<Num> importance = importance_forward(aux, a.router);
      importance_backward(aux, a.router, variation_backward(importance, aux, each), g.topk_weights, ds, dz);
    }
    if (is_of_load(aux))
      load_backward(aux, a.router, variation_backward(load_forward(aux, a.router), aux, each), dz, dscale,
                    dh);
  }
  g.topk_weights = stored(Tensor::grad_router_topk_weights, [&] { return std::move(g.topk_weights); });
  RoutingGrads<Num> droute =
      route_backward(config.router, a.router, a.dispatch, std::move(ds), g.topk_weights, loop, back, c);
  g.expert_scale = std::move(droute.expert_scale);
  droute.logits += dh;
  uncap(config.router, a.router.logits, droute.logits);
  g.scores = stored(Tensor::grad_router_scores, [&] { return std::move(droute.scores); });
  if (!has_noise(config)) {
    g.logits = stored(Tensor::grad_router_logits, [&] { return std::move(droute.logits); });
    return {};
  }
  g.noisy_logits = stored(Tensor::grad_router_noisy_logits, [&] { return std::move(droute.logits); });
  dz += g.noisy_logits;
  g.logits = stored(Tensor::grad_router_logits, [&] { return std::move(dz); });
  if (!learns_noise(config)) return {};
  return stored(Tensor::grad_router_noise_raw,
                [&] { return noise_backward(a.router.noise, g.noisy_logits, dscale); });
}

/// The router's part of layer_backward: from the gradient of its weights and the losses to that of its inputs, added to
/// g.x.
template <typename Num>
void router_backward(const Config& config, const Params<Num>& params, const Trace<Num>& a, Grads<Num>& g) {
  const Matrix<Num> dr =
      logits_backward(config, a, g, params.router.loop, score_backward<Num>, all_rows(params.expert_scale));
  const Matrix<Num> other = has_other_input(config) ? seen_by_router(config, a.x, params) : Matrix<Num>();
  const Matrix<Num>& x = has_other_input(config) ? other : a.x;
  if (has_router_input(config)) g.router_x = zeros<Num>(x.rows(), x.cols());
  Matrix<Num>& dx = has_router_input(config) ? g.router_x : g.x;
  if (learns_noise(config)) {
    g.noise_weight = stored(Tensor::grad_router_noise_weight,
                            [&] { return linear_backward_weight(dr, x, params.noise_weight.loop); });
    dx += linear_backward(dr, params.noise_weight);
  }
  const Matrix<Num> dz = scaled_logits(config, g.logits);  // of the linear map
  g.router_weight =
      stored(Tensor::grad_router_weight, [&] { return linear_backward_weight(dz, x, params.router.loop); });
  if (config.router.logit_bias)
    g.router_bias = stored(Tensor::grad_router_bias, [&] { return linear_backward_bias(dz); });
  const Matrix<Num> dseen = linear_backward(dz, params.router);
  dx += has_jitter(config) ? jittered(dseen, all_rows(params.jitter)) : dseen;
  if (has_router_input(config))
    g.router_x = stored(Tensor::grad_router_x, [&] { return std::move(g.router_x); });
  if (config.router.selection_bias) g.selection_bias = zeros<Num>(1, config.shape.num_experts);
}

/// The vector-Jacobian product of experts_forward.   g.out (N, D) -> g.gate, g.up, g.hidden, those of weights to take(e, ...), and
/// g.in (N, D), that of what went in: the rows of (G1')
///   (X4')  dxg = dout, or 0,    for each of the last identity_experts
template <typename Num, typename Take>
void experts_backward(const Config& config, const Params<Num>& params, const Trace<Num>& a, Take take,
                      Grads<Num>& g) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index computed = computed_experts(config), rows = a.dispatch.first(computed);
  if (config.experts.glu) g.gate.resize(rows, F);
  g.up.resize(rows, F), g.hidden.resize(rows, F), g.in.resize(a.dispatch.N(), expert_width(config));
  for (Index e = 0; e < E; ++e) {
    const Index first = a.dispatch.first(e);
    Matrix<Num> dout = rows_of(g.out, first, a.dispatch.count(e));
    if (e >= computed) {
      if (!gives_input(config.experts)) dout = zeros<Num>(dout.rows(), dout.cols());
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

/// From the gradient of what experts work on, in a latent space, to that of the linear map of x: (X6').
template <typename Num>
void norm_latent_back(const Config& config, const Params<Num>& params, const Trace<Num>& a,
                      Matrix<Num> dlatent, Grads<Num>& g) {
  if (!norms_latent(config)) {
    g.latent_x = std::move(dlatent);
    return;
  }
  const double epsilon = config.experts.latent_norm_epsilon;
  g.latent_normed = std::move(dlatent);
  g.latent_norm = stored(Tensor::grad_latent_norm_weight,
                         [&] { return rms_backward_weight(epsilon, a.latent_x, g.latent_normed); });
  g.latent_x = stored(Tensor::grad_latent_x, [&] {
    return rms_backward(epsilon, a.latent_x, all_rows(params.latent_norm), g.latent_normed);
  });
}

/// The gradient of losses.total. The experts' weights have large ones: take(e, ExpertWeightGrads<Num>) gets them one
/// expert at a time.
template <typename Num, typename Take>
Grads<Num> layer_backward(const Config& config, const Params<Num>& params, const Trace<Num>& a, Take take) {
  const StageScope<Num> stage(Tensor::grad_x);  // what belongs to no other adds up to it
  const Matrix<Num> dy = all_rows(params.dy);
  OutputGrads<Num> doutput = output_backward(config, params, a.sum, a.latent_y, dy);
  CombineGrads<Num> dcombine = combine_backward(config, a.router.weights, a.dispatch, given_by(config, a),
                                                a.x, has_latent(config) ? doutput.latent_y : doutput.routed);
  Grads<Num> g;
  g.sum = std::move(doutput.sum), g.bias = std::move(doutput.bias);
  g.norm_weight = std::move(doutput.norm_weight);
  g.latent_y = std::move(doutput.latent_y), g.latent_up = std::move(doutput.latent_up);
  g.x = std::move(dcombine.x);
  g.topk_weights = std::move(dcombine.weight);
  g.out = std::move(dcombine.out);
  norm_experts_back(config, params, a, g);
  experts_backward(config, params, a, take, g);
  Matrix<Num> dxg = std::move(g.in);
  if (weighs_input(config)) {
    g.in = stored(Tensor::grad_expert_in, [&] { return std::move(dxg); });
    dxg = weigh_backward(g.in, worked_on(config, a), a.router.weights, a.dispatch, g.topk_weights);
  }
  if (has_router(config)) router_backward(config, params, a, g);
  if (has_shared(config)) {
    SharedGrads<Num> dshared =
        shared_backward(config, a.x, a.shared, params.shared, params.shared_gate, doutput.shared);
    g.x += dshared.x;
    g.shared = std::move(dshared.weight);
    g.shared_gate = std::move(dshared.gate_weight);
  }
  const auto gathered = [&](Matrix<Num>& dx) {
    for (Index e = 0; e < config.shape.num_experts; ++e)
      gather_backward(rows_of(dxg, a.dispatch.first(e), a.dispatch.count(e)), a.dispatch, e, dx);
  };
  if (has_latent(config)) {
    Matrix<Num> dlatent =
        stored(norms_latent(config) ? Tensor::grad_latent_normed : Tensor::grad_latent_x, [&] {
          Matrix<Num> dx = zeros<Num>(a.latent_x.rows(), a.latent_x.cols());
          gathered(dx);
          return dx;
        });
    norm_latent_back(config, params, a, std::move(dlatent), g);
    g.latent_down = stored(Tensor::grad_latent_down,
                           [&] { return linear_backward_weight(g.latent_x, a.x, params.latent_down.loop); });
    g.x += linear_backward(g.latent_x, params.latent_down);
  } else {
    gathered(g.x);
  }
  g.x = stored(Tensor::grad_x, [&] { return std::move(g.x); });
  return g;
}

}  // namespace moe
