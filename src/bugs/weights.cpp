#include "list.h"
#include "moe/scalar/narrow.h"

// Mistakes in the weights of the chosen experts, and in where they are multiplied.
namespace moe {
namespace {

/// Other combine weights: change(config, b, trace, t) makes those of token t. The router's gradients stay its own.
using Change =
    std::function<void(const Config&, const Matrix<double>& b, const Trace<double>&, Index t, double* w)>;
Bug weighs(std::string name, Change change) {
  Bug bug{std::move(name)};
  bug.trace = [change = std::move(change)](const Config& config, const Params<double>& params,
                                           Trace<double>& a) {
    if (!has_router(config)) return;
    const Matrix<double> b = all_rows(params.selection_bias);
    Matrix<double> w = a.router.weights;
    for (Index t = 0; t < w.rows(); ++t) change(config, b, a, t, row(w, t));
    a.router.weights = std::move(w);
  };
  return bug;
}

/// Scores plus bias, where only scores are meant: (R3) of what ranks.
void biased(const Config& config, const Matrix<double>& b, const Trace<double>& a, Index t, double* w) {
  if (b.size() == 0) return;
  double sum = 0;
  for (Index k = 0; k < config.shape.top_k; ++k) {
    const Index e = a.router.expert(t, k);
    w[k] = a.router.scores(t, e) + b(0, e);
    if (!shares_what_is_kept(config.router) || a.dispatch.row(t, k) >= 0) sum += w[k];
  }
  for (Index k = 0; k < config.shape.top_k; ++k)
    w[k] *= config.router.routed_scaling_factor / (shares_a_sum(config.router) ? sum : 1);
}

/// Experts sorted by their ids, while the weights stay in the order of their size.
void by_id(const Config& config, const Matrix<double>&, const Trace<double>& a, Index t, double* w) {
  const std::vector<double> before(w, w + config.shape.top_k);
  for (Index k = 0; k < config.shape.top_k; ++k) {
    Index place = 0;
    for (Index j = 0; j < config.shape.top_k; ++j)
      place += a.router.expert(t, j) < a.router.expert(t, k) ? 1 : 0;
    w[k] = at(before, place);
  }
}

/// Experts that see w x in place of x, and whose rows are just added: forward, then backward.
template <typename Num>
void weigh_inputs_at(const Config& config, const Inputs& inputs, const Decisions& d, Arrays& answer) {
  if (!has_router(config)) return;
  const auto [T, D, F, E, K] = Letters(config);
  const Params<Num> params = params_of<Num>(config, inputs);
  const Matrix<Num> dy = all_rows(params.dy);
  Trace<Num> a = layer_forward(config, params, d);
  Collector collector;
  const auto visit = [&](auto&&... block) { collector(block...); };
  Grads<Num> g;
  g.x = zeros<Num>(T, D), g.topk_weights = zeros<Num>(T, K);
  g.gate.resizeLike(a.gate), g.up.resizeLike(a.up), g.hidden.resizeLike(a.hidden), g.out.resizeLike(a.out);
  for (Index e = 0; e < E; ++e) {
    const Index first = a.dispatch.first(e), n = a.dispatch.count(e);
    const auto weight_of = [&a, first](Index i) {
      return a.router.weights.data()[at(a.dispatch.order, first + i)];
    };
    Matrix<Num> x = gather_forward(a.x, a.dispatch, e), dout(n, D);
    for (Index i = 0; i < n; ++i) {
      scale(weight_of(i), row(x, i), D, row(x, i));
      dout.row(i) = dy.row(a.dispatch.token(first + i));
    }
    ExpertTrace<Num> of_e = expert_forward(config.experts, std::move(x), at(params.expert, e));
    ExpertGrads<Num> back = expert_backward(config.experts, of_e, at(params.expert, e), dout);
    for (Index i = 0; i < n; ++i) {
      const Index from = at(a.dispatch.order, first + i), t = from / K;
      g.topk_weights.data()[from] = dot(row(back.x, i), row(a.x, t), D);
      g.x.row(t) += weight_of(i) * back.x.row(i);
    }
    if (config.experts.glu) place_rows(std::move(of_e.gate), first, a.gate);
    if (config.experts.glu) place_rows(std::move(back.gate), first, g.gate);
    place_rows(std::move(of_e.up), first, a.up), place_rows(std::move(back.up), first, g.up);
    place_rows(std::move(of_e.hidden), first, a.hidden), place_rows(std::move(back.hidden), first, g.hidden);
    place_rows(std::move(of_e.out), first, a.out), place_rows(std::move(dout), first, g.out);
    each_block(config, e, back.weight, visit);
  }
  // Rows as they are: each with the weight 1.
  const Matrix<Num> ones = Matrix<Num>::Constant(T, K, Num(1));
  Combined<Num> c = combine_forward(config.capacity.dropped_output, ones, a.dispatch, a.out, a.x, a.shared.y);
  a.weighted = std::move(c.weighted), a.y = std::move(c.y);
  a.loss = losses_forward(config, a, dy);
  router_backward(config, params, a, g);
  if (has_shared(config)) {
    SharedGrads<Num> dshared = shared_backward(config, a.x, a.shared, params.shared, params.shared_gate, dy);
    g.x += dshared.x;
    g.shared = std::move(dshared.weight), g.shared_gate = std::move(dshared.gate_weight);
  }
  g.x += combine_backward(config.capacity.dropped_output, ones, a.dispatch, a.out, a.x, dy).x;
  each_tensor(config, a, visit);
  each_tensor(config, a.dispatch, g, visit);
  for (auto& [name, array] : answer)
    for (auto& [changed, values] : collector.arrays)
      if (name == changed) array = values;
}

void weigh_inputs(const Config& config, const Inputs& inputs, const Decisions& d, const Passes& passes,
                  Arrays& answer) {
  passes.narrow ? weigh_inputs_at<Narrow>(config, inputs, d, answer)
                : weigh_inputs_at<double>(config, inputs, d, answer);
}

}  // namespace

std::vector<Bug> weight_bugs() {
  Bug before{"expert: the weights multiply what goes into the experts"};
  before.passes = weigh_inputs;
  return {
      confuses("route: weights not renormalised", [](Config& c) { c.router.renorm = Renorm::None; }),
      confuses("route: weights renormalised where they are to stay as scored",
               [](Config& c) {
                 if (has_router(c)) c.router.renorm = Renorm::Sum;
               }),
      confuses("route: the sigmoid where softmax is meant",
               [](Config& c) {
                 mistake(c.router.score_function, ScoreFunction::Softmax, ScoreFunction::Sigmoid);
               }),
      confuses("route: softmax where the sigmoid is meant",
               [](Config& c) {
                 mistake(c.router.score_function, ScoreFunction::Sigmoid, ScoreFunction::Softmax);
               }),
      confuses("route: weights 1 % too large", [](Config& c) { c.router.routed_scaling_factor *= 1.01; }),
      weighs("route: the logits themselves as weights",
             [](const Config& config, const Matrix<double>&, const Trace<double>& a, Index t, double* w) {
               for (Index k = 0; k < config.shape.top_k; ++k)
                 w[k] = a.router.logits(t, a.router.expert(t, k));
             }),
      weighs("route: the selection bias in the weights", biased),
      weighs("route: weights in the order of their size, experts in that of their ids", by_id),
      weighs("combine: rows added without their weights",
             [](const Config& config, const Matrix<double>&, const Trace<double>&, Index, double* w) {
               std::fill_n(w, config.shape.top_k, 1.0);
             }),
      weighs("combine: rows multiplied by their weights twice",
             [](const Config& config, const Matrix<double>&, const Trace<double>&, Index, double* w) {
               for (Index k = 0; k < config.shape.top_k; ++k) w[k] *= w[k];
             }),
      std::move(before),
  };
}

}  // namespace moe
