#include "moe/stats.h"

#include <cmath>
#include <numeric>

#include "moe/layer/layer.h"
#include "moe/validate.h"

namespace moe {
namespace {

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

double mean(const std::vector<double>& v) {
  return ratio(std::accumulate(v.begin(), v.end(), 0.0), static_cast<double>(v.size()));
}

///   (V3)  cv(v) = sqrt(mean_e (v_e - m)^2) / m,   m = mean_e v_e
double variation(const std::vector<double>& v) {
  const double m = mean(v);
  std::vector<double> squares;
  squares.reserve(v.size());
  for (const double x : v) squares.push_back((x - m) * (x - m));
  return ratio(std::sqrt(mean(squares)), m);
}

///   (V4)  H(f) = - sum_e f_e log f_e    for v_e = f_e sum_j v_j
double entropy(const std::vector<double>& v) {
  const double sum = std::accumulate(v.begin(), v.end(), 0.0);
  double h = 0;
  for (const double x : v)
    if (x > 0) h -= x / sum * std::log(x / sum);
  return h;
}

const Array& tensor_of(const Arrays& trace, Tensor id) {
  for (const auto& [name, a] : trace)
    if (name == name_of(id)) return a;
  throw Error(name_of(id),
              std::string("statistics need ") + name_of(id) + ", which this trace does not have");
}

Matrix<double> matrix_of(const Array& a, Index rows, Index cols) {
  Matrix<double> m(rows, cols);
  a.reals(0, {m.data(), static_cast<std::size_t>(m.size())});
  return m;
}

}  // namespace

RoutingStats routing_stats(const Arrays& trace) {
  const Array &scores = tensor_of(trace, Tensor::router_scores),
              &ids = tensor_of(trace, Tensor::router_topk_ids),
              &weights = tensor_of(trace, Tensor::router_topk_weights),
              &counts = tensor_of(trace, Tensor::dispatch_counts),
              &kept = tensor_of(trace, Tensor::dispatch_kept);
  const Index T = scores.dims.at(0), E = scores.dims.at(1);
  RoutingStats s;
  std::vector<double> load;
  for (Index e = 0; e < E; ++e) {
    s.load.push_back(counts.integer(e));
    load.push_back(static_cast<double>(s.load.back()));
    s.load_share.push_back(ratio(load.back(), static_cast<double>(ids.size())));
    if (s.load.back() == 0) s.dead.push_back(e);
  }
  s.importance = buffer<double>(E);
  Index dropped = 0;
  for (Index i = 0; i < ids.size(); ++i) {
    at(s.importance, ids.integer(i)) += weights.real(i);
    dropped += kept.integer(i) == 0 ? 1 : 0;
  }
  for (Index t = 0; t < T; ++t) {
    std::vector<double> of_t = buffer<double>(E);
    scores.reals(t * E, of_t);
    s.score_entropy += entropy(of_t) / static_cast<double>(T);
  }
  s.load_cv = variation(load), s.importance_cv = variation(s.importance);
  s.load_entropy = entropy(load), s.max_entropy = std::log(static_cast<double>(E));
  s.max_violation = ratio(*std::max_element(load.begin(), load.end()) - mean(load), mean(load));
  s.dropped_share = ratio(static_cast<double>(dropped), static_cast<double>(ids.size()));
  return s;
}

Arrays routing_trace(Config config, const Array& logits, const Array* selection_bias) {
  require(logits.dims.size() == 2 && logits.dims[1] == config.shape.num_experts, "router.logits: shape",
          shape_text(logits.dims), "must be [T,", config.shape.num_experts, "]");
  config.shape.num_tokens = logits.dims[0];
  validate(config);
  require(has_router(config), "router.score_function", "none", "has no use for router.logits");
  const char* needs_more = "needs more than router.logits";
  require(!config.router.expert_scale, "router.expert_scale", "true", needs_more);
  require(!draws_second(config.router), "router.second_policy", "random", needs_more);
  require(!chooses_by_input(config), is_given(config) ? "router.choice" : "noise.kind",
          is_given(config) ? spelling(config.router.choice) : spelling(config.noise.kind), needs_more);
  require(!draws_priority(config), "capacity.priority", "random", needs_more);
  const auto [T, D, F, E, K] = Letters(config);
  validate({Tensor::router_logits, {T, E}, 0, 0}, logits, "");
  Matrix<double> b;
  if (config.router.selection_bias) {
    require(selection_bias != nullptr, "router.selection_bias", "nothing", "must be there");
    validate({Tensor::router_selection_bias, {E}, 0, 0}, *selection_bias, "");
    b = matrix_of(*selection_bias, 1, E);
  }
  const Matrix<double> z = matrix_of(logits, T, E);
  const Decisions d = decide_for(config, z, choose_experts(config.router, z, b, K));
  const Routing<double> r = route_forward(config.router, z, b, d.expert, d.plan);
  return {{name_of(Tensor::router_scores), array_of({T, E}, r.scores.data())},
          {name_of(Tensor::router_topk_ids), array_of({T, K}, r.expert.data())},
          {name_of(Tensor::router_topk_weights), array_of({T, K}, r.weights.data())},
          {name_of(Tensor::dispatch_counts), array_of({E}, d.plan.counts.data())},
          {name_of(Tensor::dispatch_kept), array_of({T, K}, d.plan.kept.data())}};
}

}  // namespace moe
