#pragma once

#include "moe/layer/capacity.h"
#include "moe/layer/linear.h"
#include "moe/layer/route.h"

/// The decisions of a layer: from the router's linear map to who goes where.
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

/// The factor m of (R0), which the gradient has, too.   z or dz (T, E) -> m z or m dz
template <typename Num>
Matrix<Num> scaled_logits(const Config& config, Matrix<Num> z) {
  const Num m = configured<Num>(config.router.logit_scale);
  for (Index i = 0; scales_logits(config.router) && i < z.size(); ++i) z.data()[i] = m * z.data()[i];
  return z;
}

/// What experts are ranked and scored by.   x (T, D), W (E, D), b (E) or absent -> z, or with noise h, (T, E)
///   (R0)  z = m (x W^T + b),   m = logit_scale;   of router.x for x with input own, of x' by (N3) with input_jitter;
///         with noise   h = z + n s   by (N1)
template <typename Num>
struct RouterLogits {
  Matrix<Num> logits;
  NoiseTrace<Num> noise;
};
/// Does the router see another tensor than x?
inline bool has_other_input(const Config& config) { return has_router_input(config) || has_jitter(config); }
/// What it sees: x, or an input of its own, with jitter (N3) or without.
template <typename Num>
Matrix<Num> seen_by_router(const Config& config, const Matrix<Num>& tokens, const Params<Num>& params) {
  Matrix<Num> x = has_router_input(config) ? all_rows(params.router_x) : tokens;
  return has_jitter(config) ? jittered(x, all_rows(params.jitter)) : x;
}
template <typename Num>
RouterLogits<Num> logits_forward(const Config& config, const Matrix<Num>& tokens, const Params<Num>& params) {
  const Matrix<Num> other = has_other_input(config) ? seen_by_router(config, tokens, params) : Matrix<Num>();
  const Matrix<Num>& x = has_other_input(config) ? other : tokens;
  Matrix<Num> z = stored(Tensor::router_logits, [&] {
    return scaled_logits(config, linear_forward(x, params.router, params.router_bias));
  });
  if (has_gumbel(config)) {
    NoiseTrace<Num> noise;
    noise.ranked =
        stored(Tensor::router_noisy_logits, [&] { return ranked_forward(z, all_rows(params.gumbel)); });
    return {std::move(z), std::move(noise)};
  }
  if (!has_noise(config)) return {std::move(z), {}};
  NoiseTrace<Num> noise{std::move(z),
                        learns_noise(config) ? stored(Tensor::router_noise_raw,
                                                      [&] { return linear_forward(x, params.noise_weight); })
                                             : Matrix<Num>(),
                        {},
                        all_rows(params.noise),
                        {}};
  Matrix<Num> h = stored(Tensor::router_noisy_logits, [&] { return noise_forward(config.noise, noise); });
  return {std::move(h), std::move(noise)};
}

/// The random numbers that decisions need beside the logits.
template <typename Num>
struct Lots {
  Matrix<Num> second_policy, priority;  // (1, T), (T, E), or absent
};
template <typename Num>
Lots<Num> lots_of(const Params<Num>& params) {
  return {all_rows(params.second_policy), all_rows(params.priority)};
}

/// The keys that a capacity ranks by: one per token (bpr_top1) or one per assignment (weight, random); none for fcfs.
template <typename Num>
std::vector<Key<Num>> priority_keys(const Config& config, const Matrix<Num>& z, const IdMatrix& expert,
                                    const Lots<Num>& lots) {
  const auto [T, D, F, E, K] = Letters(config);
  std::vector<Key<Num>> keys;
  if (!ranks_by_numbers(config.capacity)) return keys;
  if (draws_priority(config)) {
    for (Index t = 0; t < T; ++t)
      for (Index k = 0; k < K; ++k) {
        const Num& u = lots.priority(t, expert(t, k));
        keys.push_back({u, u, {}});
      }
    return keys;
  }
  const bool by_weight = ranks_by_weight(config.capacity);
  // Is the weight a share of what the chosen ones have?
  const bool shared = by_weight && shares_before_drop(config.router);
  const ScoreFunction function = config.router.score_function;
  std::vector<Num> w = buffer<Num>(K);
  for (Index t = 0; t < T; ++t) {
    const std::vector<Num> s = scores_to_rank(config.router, row(z, t), E);
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
                        scopes, made.taken_up, frees_place(config.router));
}

/// The weights of the choices before any drop, for (R6).
template <typename Num>
Matrix<Num> early_weights(const Router& router, const Matrix<Num>& z, const IdMatrix& expert) {
  const Index T = z.rows(), E = z.cols(), K = expert.cols();
  Matrix<Num> w(T, K);
  for (Index t = 0; t < T; ++t) {
    const std::vector<Num> s = scores_to_rank(router, row(z, t), E);
    std::vector<Num> z_k, s_k;
    for (Index k = 0; k < K; ++k) z_k.push_back(z(t, expert(t, k))), s_k.push_back(at(s, expert(t, k)));
    weights_to_rank(router, z_k.data(), s_k.data(), K, row(w, t));
  }
  return w;
}

/// The decisions that follow from given experts.   z (T, E)
template <typename Num>
Decisions decide_for(const Config& config, const Matrix<Num>& z, IdMatrix expert,
                     const Lots<Num>& lots = {}) {
  Decisions made;
  made.expert = std::move(expert);
  if (has_retopk(config)) made.retopk = choose_experts(z, config.shape.top_k);
  if (weighs_second(config.router))
    made.taken_up = take_up(config.router, early_weights(config.router, z, made.expert), lots.second_policy);
  set_plan(config, places(priority_keys(config, z, made.expert, lots)), made);
  return made;
}

/// The keys of token t where an input, or noise that does nothing else, decides instead of what it is scored by.
template <typename Num>
std::vector<Key<Num>> keys_of_input(const Config& config, const RouterLogits<Num>& z,
                                    const Matrix<Num>& given, Index t) {
  const Index E = z.logits.cols();
  return is_given(config) ? given_keys(row(given, t), given.cols(), E)
                          : gumbel_keys(config.noise, row(z.logits, t), row(z.noise.ranked, t), E);
}
inline bool chooses_by_input(const Config& config) { return is_given(config) || has_gumbel(config); }
/// The experts of each token.   -> (T, K)
template <typename Num>
IdMatrix choose_by_input(const Config& config, const RouterLogits<Num>& z, const Params<Num>& params) {
  const Index T = z.logits.rows(), K = config.shape.top_k;
  const Matrix<Num> given = all_rows(params.given_ids);
  IdMatrix expert(T, K);
  for (Index t = 0; t < T; ++t) {
    const std::vector<Index> ids = best(keys_of_input(config, z, given, t), K, all_open(z.logits.cols()));
    std::copy(ids.begin(), ids.end(), row(expert, t));
  }
  return expert;
}

/// All decisions of a layer: (R1), then the rest.
template <typename Num>
Decisions decide(const Config& config, const RouterLogits<Num>& z, const Params<Num>& params) {
  const Index K = config.shape.top_k;
  const Lots<Num> lots = lots_of(params);
  if (chooses_by_input(config)) return decide_for(config, z.logits, choose_by_input(config, z, params), lots);
  if (!has_noise(config))
    return decide_for(config, z.logits,
                      choose_experts(config.router, z.logits, all_rows(params.selection_bias), K), lots);
  NoisyChoice choice = choose_noisy(config.noise, z.noise, z.logits, K);
  Decisions made = decide_for(config, z.logits, std::move(choice.expert), lots);
  made.runner_up = std::move(choice.runner_up);
  return made;
}
template <typename Num>
Decisions decide(const Config& config, const Params<Num>& params) {
  if (!has_router(config)) return decide_for(config, Matrix<Num>(), zeros<std::int32_t>(params.x.rows, 1));
  return decide(config, logits_forward(config, all_rows(params.x), params), params);
}

}  // namespace moe
