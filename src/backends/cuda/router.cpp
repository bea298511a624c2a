#include "layer.h"
#include "results.h"

namespace moe::cuda {

/// Noise and its losses need numbers of every token and expert more than once, in ways that are rare.
template <typename S>
bool Layer<S>::router_on_host() const {
  for (const Aux& aux : config_.aux)
    if (is_of_importance(aux) || is_of_load(aux)) return true;
  return has_noise(config_);
}

/// (R0) to (R6) and the plan.
template <typename S>
void Layer<S>::route() {
  const auto [T, D, F, E, K] = Letters(config_);
  RouterMemory<A>& r = router_memory_;
  const cudaStream_t stream = lanes_.stream();
  if (has_router(config_))
    multiply(lanes_.main, Product::ABt, T, E, D, x_.data(), router_.data(), r.z.prepare(T * E, stream));
  if (router_on_host()) {
    route_on_host();
  } else if (has_router(config_)) {
    route_on_device();
  } else {  // one expert for all
    const std::vector<A> ones(static_cast<std::size_t>(T), A(1));
    r.weights.put(ones.data(), T, stream);
    r.expert.zero(T, stream);
    plan();
  }
  offsets_ = r.plan.offsets.take(0, E + 1, stream);
}

template <typename S>
RouterView<typename Layer<S>::A> Layer<S>::view() {
  const auto [T, D, F, E, K] = Letters(config_);
  RouterMemory<A>& r = router_memory_;
  const Router& router = config_.router;
  RouterView<A> v{};
  v.T = T, v.E = E, v.K = K, v.G = router.n_group, v.topk_group = router.topk_group;
  v.group_n = counted_in_group(router);
  v.sigmoid = !couples_experts(router.score_function), v.share = shares_a_sum(router);
  v.factor = router.routed_scaling_factor;
  v.z = r.z.data(), v.bias = bias_.size() > 0 ? bias_.data() : nullptr;
  v.scores = r.scores.data(), v.logsumexp = r.logsumexp.data(), v.denominator = r.denominator.data();
  v.shares = r.shares.data(), v.groups = r.groups.data();
  v.weights = r.weights.data(), v.expert = r.expert.data();
  v.retopk = has_retopk(config_) ? r.retopk.data() : nullptr;
  v.dw = r.dw.data(), v.ds = r.ds.data(), v.dz = r.dz.data();
  return v;
}

template <typename S>
void Layer<S>::route_on_device() {
  const auto [T, D, F, E, K] = Letters(config_);
  RouterMemory<A>& r = router_memory_;
  const cudaStream_t stream = lanes_.stream();
  r.scores.prepare(T * E, stream), r.logsumexp.prepare(T, stream), r.denominator.prepare(T, stream);
  r.shares.prepare(T * K, stream), r.weights.prepare(T * K, stream);
  r.groups.prepare(T * config_.router.n_group, stream);
  r.expert.prepare(T * K, stream), r.retopk.prepare(has_retopk(config_) ? T * K : 0, stream);
  const RouterView<A> v = view();
  RouterKernels<A>::choose(stream, v);
  if (!drops_share()) RouterKernels<A>::share(stream, v, nullptr);
  if (draws_second(config_.router))
    take_up(stream, T, config_.router.second_threshold, v.shares, uniform_.data(),
            r.taken.prepare(T * K, stream));
  plan();
  if (drops_share()) RouterKernels<A>::share(stream, v, r.plan.kept.data());
}

/// (P1) to (P3)
template <typename S>
void Layer<S>::plan() {
  const auto [T, D, F, E, K] = Letters(config_);
  RouterMemory<A>& r = router_memory_;
  const Capacity& c = config_.capacity;
  if (has_capacity(c) && ranks_by_numbers(c)) {
    const Matrix<double> u = host_matrix(uniform_, uniform_.size() > 0 ? 1 : 0, T, lanes_.stream());
    const IdMatrix expert = host_ids(r.expert, T, K, lanes_.stream());
    return put_plan(decide_for(config_, host_matrix(r.z, T, E, lanes_.stream()), expert, {u, {}}).plan);
  }
  const bool random = draws_second(config_.router);
  const Index scopes = has_capacity(c) ? parts_of(c.scope, config_.shape.num_groups) : 1;
  make_plan(lanes_.stream(),
            {T, K, E, r.expert.data(), random || has_capacity(c), capacity_of(config_), scopes,
             has_capacity(c) && choices_first(c), random ? r.taken.data() : nullptr},
            r.plan);
}

template <typename S>
void Layer<S>::put_plan(const Plan& plan) {
  PlanMemory& to = router_memory_.plan;
  const cudaStream_t stream = lanes_.stream();
  to.counts.put(plan.counts.data(), static_cast<Index>(plan.counts.size()), stream);
  to.offsets.put(plan.offsets.data(), static_cast<Index>(plan.offsets.size()), stream);
  to.order.put(plan.order.data(), plan.N(), stream);
  to.row.put(plan.row.data(), plan.row.size(), stream);
  to.kept.put(plan.kept.data(), plan.kept.size(), stream);
}

/// The layer itself at double.
template <typename S>
void Layer<S>::route_on_host() {
  const auto [T, D, F, E, K] = Letters(config_);
  const cudaStream_t stream = lanes_.stream();
  Matrix<double> z = host_matrix(router_memory_.z, T, E, stream);
  NoiseTrace<double> noise;
  Decisions made;
  if (has_noise(config_)) {
    multiply(lanes_.main, Product::ABt, T, E, D, x_.data(), noise_router_.data(), dr_.prepare(T * E, stream));
    Matrix<double> drawn(T, E);
    noise_.at(Tensor::noise_gaussian_learned)
        .reals(0, {drawn.data(), static_cast<std::size_t>(drawn.size())});
    noise = {std::move(z), host_matrix(dr_, T, E, stream), {}, std::move(drawn)};
    z = noise_forward(config_.noise, noise);
    NoisyChoice choice = choose_noisy(config_.noise, noise, z, K);
    made = decide_for(config_, z, std::move(choice.expert));
    made.runner_up = std::move(choice.runner_up);
  } else {
    made = decide_for(config_, z, choose_experts(config_.router, z, bias_on_host_, K),
                      {host_matrix(uniform_, uniform_.size() > 0 ? 1 : 0, T, stream), {}});
  }
  routed_.dispatch = std::move(made.plan);
  Routing<double>& r = routed_.router;
  r = route_forward(config_.router, std::move(z), bias_on_host_, made.expert, routed_.dispatch);
  r.noise = std::move(noise), r.retopk = std::move(made.retopk), r.runner_up = std::move(made.runner_up);
  put_plan(routed_.dispatch);
  const Matrix<A> weights = r.weights.template cast<A>();
  router_memory_.weights.put(weights.data(), weights.size(), stream);
}

template class Layer<double>;
template class Layer<float>;
template class Layer<Bf16>;
template class Layer<Half>;

}  // namespace moe::cuda
