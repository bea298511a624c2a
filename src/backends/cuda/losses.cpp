#include "layer.h"
#include "moe/parallel.h"
#include "results.h"

// The losses and what they want of the router, and the router's way back.
namespace moe::cuda {

template <typename S>
BalanceView Layer<S>::balance_view(const Aux& aux, std::size_t i) {
  const auto [T, D, F, E, K] = Letters(config_);
  const RouterMemory<A>& r = router_memory_;
  const bool selected = !counts_by_scores(aux);
  const Index parts = parts_of(aux.scope, config_.shape.num_groups);
  BalanceView v{};
  v.T = T, v.E = E, v.K = K, v.slots = counts_first_only(aux) ? 1 : K, v.parts = parts;
  v.sigmoid = !couples_experts(config_.router.score_function);
  v.expert = selected ? r.expert.data() : r.retopk.data();
  v.kept = selected && after_drops(aux.f_stage) ? r.plan.kept.data() : nullptr;
  v.scores = r.scores.data();
  v.factor = T == 0 ? 0 : balance_factor<double>(aux, E, K, {T / parts, T / parts, parts});
  v.counts = load_[i].prepare(parts * E, lanes_.stream());
  count_load(lanes_.stream(), v);
  return v;
}

/// (B0), (B1), (Z1); the others where the router is the host's.
template <typename S>
void Layer<S>::make_losses() {
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size;
  const cudaStream_t stream = lanes_.stream();
  double *of_token = of_token_.prepare(T, stream),
         *loss = loss_.prepare(static_cast<Index>(1 + config_.aux.size()), stream);
  task_loss(stream, T, D, y_.data(), dy_.data(), of_token);
  add_up(stream, of_token, T, loss);
  for (std::size_t i = 0; !router_on_host() && i < config_.aux.size(); ++i) {
    if (is_balance(config_.aux[i]))
      balance(stream, balance_view(config_.aux[i], i), of_token);
    else
      z_loss(stream, T, router_memory_.logsumexp.data(), of_token);
    add_up(stream, of_token, T, loss + 1 + i);
  }
}

/// From dw and the losses to dz_ and, with noise, dr_.
template <typename S>
void Layer<S>::logits_back() {
  const auto [T, D, F, E, K] = Letters(config_);
  RouterMemory<A>& r = router_memory_;
  const cudaStream_t stream = lanes_.stream();
  if (router_on_host()) {
    routed_grads_.topk_weights = host_matrix(r.dw, T, K, stream);
    const Matrix<double> dr = logits_backward(config_, routed_, routed_grads_, in_parallel);
    const auto put = [&](const Matrix<double>& from, Memory<A>& to) {
      const Matrix<A> as_sums = from.template cast<A>();
      to.put(as_sums.data(), as_sums.size(), stream);
    };
    put(routed_grads_.logits, dz_);
    if (has_noise(config_)) put(dr, dr_);
    return;
  }
  r.ds.zero(T * E, stream), r.dz.prepare(T * E, stream);
  bool scores_wanted = false;
  for (std::size_t i = 0; i < config_.aux.size(); ++i)
    if (const Aux& aux = config_.aux[i]; is_balance(aux)) {
      balance_back(stream, balance_view(aux, i), aux.coefficient, r.ds.data());
      scores_wanted = true;
    }
  RouterKernels<A>::share_back(stream, view(), drops_share() ? r.plan.kept.data() : nullptr, scores_wanted);
  for (const Aux& aux : config_.aux)
    if (is_of_logits(aux))
      z_loss_back(stream, T, E, r.z.data(), r.logsumexp.data(), aux.coefficient, r.dz.data());
  round_to(stream, T * E, r.dz.data(), dz_.prepare(T * E, stream));
}

/// (L1') and (L1") of the router in SumOf<S>, in which its logits and their gradients are.
template <typename S>
void Layer<S>::linear_back(const A* dz, const Memory<S>& weight, Memory<S>& grad, bool add) {
  const auto [T, D, F, E, K] = Letters(config_);
  const cudaStream_t stream = lanes_.stream();
  multiply(lanes_.main, Product::AB, T, D, E, dz, widened(weight.data(), E * D, wide_weight_),
           router_dx_.data(), add);
  if (T == 0) return grad.zero(E * D, stream);
  multiply_wide(Product::AtB, E, D, T, dz, widened(x_.data(), T * D, wide_), grad.prepare(E * D, stream));
}

template <typename S>
void Layer<S>::router_back() {
  if (!has_router(config_)) return;
  logits_back();
  router_dx_.prepare(config_.shape.num_tokens * config_.shape.hidden_size, lanes_.stream());
  linear_back(dz_.data(), router_, router_grad_, false);
  if (has_noise(config_)) linear_back(dr_.data(), noise_router_, noise_router_grad_, true);
}

template class Layer<double>;
template class Layer<float>;
template class Layer<Bf16>;
template class Layer<Half>;

}  // namespace moe::cuda
