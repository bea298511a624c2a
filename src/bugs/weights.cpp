#include "list.h"

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

}  // namespace

std::vector<Bug> weight_bugs() {
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
      confuses("expert: the weights multiply what goes into the experts",
               [](Config& c) {
                 if (!has_router(c)) return;
                 c.combine.weight_location = WeightLocation::Input;
                 mistake(c.capacity.dropped_output, DroppedOutput::ScaledIdentity, DroppedOutput::Identity);
               }),
  };
}

}  // namespace moe
