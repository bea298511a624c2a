#include "results.h"

#include "layer.h"

namespace moe::cuda {
namespace {

/// What is made in double is kept as sums are.
template <typename A, typename... Matrices>
void keep_as(Matrices&... m) {
  ((m = Matrix<double>(m.template cast<A>().template cast<double>())), ...);
}
template <typename A>
double kept_as(double x) {
  return static_cast<double>(static_cast<A>(x));
}

}  // namespace

/// What the device made of the router and the plan.
template <typename S>
Trace<double> Layer<S>::router_trace() const {
  const auto [T, D, F, E, K] = Letters(config_);
  const RouterMemory<A>& m = router_memory_;
  const cudaStream_t stream = lanes_.stream();
  Trace<double> a;
  a.router.weights = host_matrix(m.weights, T, K, stream);
  if (has_router(config_)) {
    a.router.logits = host_matrix(m.z, T, E, stream);
    a.router.scores = host_matrix(m.scores, T, E, stream);
    a.router.logsumexp = host_matrix(m.logsumexp, T, 1, stream);
    a.router.denominator = host_matrix(m.denominator, T, 1, stream);
    a.router.expert = host_ids(m.expert, T, K, stream);
    if (has_groups(config_)) a.router.group_scores = host_matrix(m.groups, T, config_.router.n_group, stream);
  }
  Plan& plan = a.dispatch;
  plan.counts = m.plan.counts.take(0, E, stream);
  plan.offsets = offsets_;
  plan.order = m.plan.order.take(0, offsets_.back(), stream);
  plan.kept.resize(T, K), plan.row.resize(T, K);
  const std::vector<std::uint8_t> kept = m.plan.kept.take(0, T * K, stream);
  const std::vector<Index> row = m.plan.row.take(0, T * K, stream);
  std::copy(kept.begin(), kept.end(), plan.kept.data());
  std::copy(row.begin(), row.end(), plan.row.data());
  return a;
}

/// (B0), where there is a dy.
template <typename S>
Losses<double> Layer<S>::losses() const {
  Losses<double> loss;
  loss.aux.resize(config_.aux.size());
  if (!has_dy_) return loss;
  const auto on_device = static_cast<Index>(router_on_host() ? 0 : loss.aux.size());
  const std::vector<double> made = loss_.take(0, 1 + on_device, lanes_.stream());
  loss.task = loss.total = made.front();
  for (std::size_t i = 0; i < loss.aux.size(); ++i) {
    const Aux& aux = config_.aux[i];
    loss.aux[i] =
        router_on_host() ? aux_forward(config_, aux, routed_.router, routed_.dispatch) : made[1 + i];
    loss.total += aux.coefficient * loss.aux[i];
    loss.aux[i] = kept_as<A>(loss.aux[i]);
  }
  loss.task = kept_as<A>(loss.task), loss.total = kept_as<A>(loss.total);
  return loss;
}

template <typename S>
Trace<double> Layer<S>::trace() const {
  const auto [T, D, F, E, K] = Letters(config_);
  const cudaStream_t stream = lanes_.stream();
  const Index N = offsets_.back(), F1 = config_.experts.glu ? 2 * F : F;
  Trace<double> a = router_on_host() ? routed_ : router_trace();
  Routing<double>& r = a.router;
  if (updates_bias(config_)) r.next_bias = updated_bias(config_.bias_update, bias_on_host_, a.dispatch);
  keep_as<A>(r.logits, r.scores, r.logsumexp, r.group_scores, r.weights, r.denominator, r.next_bias);
  a.loss = losses();
  a.x = host_matrix(x_, T, D, stream);
  const Matrix<double> pre = host_matrix(stage_.pre, N, F1, stream);
  if (config_.experts.glu) a.gate = pre.leftCols(F);
  a.up = pre.rightCols(F);
  a.hidden = host_matrix(stage_.hidden, N, F, stream);
  a.out = host_matrix(out_, N, D, stream);
  Memory<S> weighted;  // made again as `combine` makes it
  Rows<S>::weigh(stream, slots(), out_.data(), weighted.prepare(N * D, stream));
  a.weighted = host_matrix(weighted, N, D, stream);
  a.y = host_matrix(y_, T, D, stream);
  return a;
}

template <typename S>
ExpertWeightGrads<double> Layer<S>::weight_grads(Index e, bool has_rows) const {
  const bool glu = config_.experts.glu, shared = e == config_.shape.num_experts;
  const Index D = config_.shape.hidden_size, F = shared ? config_.shared.ffn_size : config_.shape.ffn_size;
  const Index F1 = glu ? 2 * F : F;
  const WeightGrads<S>& from = at(dweights_, e);
  const auto taken = [&](const Memory<S>& memory, Index rows, Index cols) {
    return has_rows ? host_matrix(memory, rows, cols, lanes_.stream()) : zeros<double>(rows, cols);
  };
  ExpertWeightGrads<double> g;
  const Matrix<double> in = taken(from.in, F1, D);
  if (glu) g.gate = in.topRows(F);
  g.up = in.bottomRows(F);
  g.down = taken(from.out, D, F);
  if (!has_bias(config_) || shared) return g;
  const Matrix<double> bias = taken(from.in_bias, 1, F1);
  if (glu) g.gate_bias = bias.leftCols(F);
  g.up_bias = bias.rightCols(F);
  g.down_bias = taken(from.out_bias, 1, D);
  return g;
}

template <typename S>
Grads<double> Layer<S>::grads(const Take& take) const {
  const auto [T, D, F, E, K] = Letters(config_);
  const cudaStream_t stream = lanes_.stream();
  const RouterMemory<A>& r = router_memory_;
  const Index N = offsets_.back(), F1 = config_.experts.glu ? 2 * F : F;
  Grads<double> g;
  if (router_on_host()) {
    g = routed_grads_;
  } else if (has_router(config_)) {
    g.topk_weights = host_matrix(r.dw, T, K, stream);
    g.logits = host_matrix(r.dz, T, E, stream);
    g.scores = host_matrix(r.ds, T, E, stream);
  }
  keep_as<A>(g.topk_weights, g.logits, g.noisy_logits, g.scores);
  if (has_router(config_)) g.router_weight = host_matrix(router_grad_, E, D, stream);
  if (has_noise(config_)) g.noise_weight = host_matrix(noise_router_grad_, E, D, stream);
  if (config_.router.selection_bias) g.selection_bias = zeros<double>(1, E);
  g.x = host_matrix(dx_, T, D, stream);
  const Matrix<double> dpre = host_matrix(stage_.dpre, N, F1, stream);
  if (config_.experts.glu) g.gate = dpre.leftCols(F);
  g.up = dpre.rightCols(F);
  g.hidden = host_matrix(stage_.dhidden, N, F, stream);
  g.out = host_matrix(stage_.dout, N, D, stream);
  if (has_shared(config_)) g.shared = weight_grads(E, true);
  if (gate_grad_.size() > 0) g.shared_gate = host_matrix(gate_grad_, 1, D, stream);
  for (Index e = 0; e < E; ++e) take(e, weight_grads(e, at(offsets_, e + 1) > at(offsets_, e)));
  return g;
}

template <typename S>
Matrix<double> Layer<S>::rows(Tensor id, Index first, Index n) const {
  return host_matrix(id == Tensor::y ? y_ : dx_, n, config_.shape.hidden_size, lanes_.stream(), first);
}

template class Layer<double>;
template class Layer<float>;
template class Layer<Bf16>;
template class Layer<Half>;

}  // namespace moe::cuda
