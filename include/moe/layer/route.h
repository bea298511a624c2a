#pragma once

#include "moe/layer/choose.h"
#include "moe/layer/plan.h"
#include "moe/layer/remaining.h"
#include "moe/params.h"

namespace moe {

/// What the router made of T tokens and E experts: all that backward needs.
template <typename Num>
struct Routing {
  Matrix<Num> logits;                // (T, E) what experts are ranked by: noisy where there is noise
  Matrix<Num> capped;                // (T, E) what they are scored by, where that is not these; see scored()
  NoiseTrace<Num> noise;             // what they are made of then
  Matrix<Num> scores;                // (T, E) softmax: rows sum to 1; sigmoid: each in (0, 1)
  Matrix<Num> logsumexp;             // (T, 1) of what is scored
  Matrix<Num> group_scores;          // (T, G) where experts are in groups
  IdMatrix expert;                   // (T, K) chosen experts, the best first
  IdMatrix retopk;                   // (T, K) those of the largest scores, where a loss counts them
  Matrix<std::uint8_t> retopk_open;  // (T, E) 1 where rounding may decide whether that counts; empty: nowhere
  std::vector<std::int32_t> runner_up;  // (T) the best expert that was not chosen, where a loss asks
  Matrix<Num> shares;                   // (T, K) the weights before routed_scaling_factor
  Matrix<Num> weights;                  // (T, K) what the experts' outputs are multiplied by
  Matrix<Num> denominator;  // (T, 1) the sum of the scores that share a weight of 1; where renorm is Sum
  Matrix<Num> next_bias;    // (1, E) where the selection bias is updated
  Matrix<Num> earlier_counts, earlier_scores;  // (1, E) of tokens that are not here, where a loss counts them
  Matrix<Num> token_mask;                      // (1, T) whether a token counts in a loss, where not all do
};

/// The logits of (R2).
template <typename Num>
const Matrix<Num>& scored(const Routing<Num>& r) {
  return r.capped.size() > 0 ? r.capped : r.logits;
}

/// The n scores that share a weight of 1, and epsilon, whose share is nobody's.
template <typename Num>
std::vector<Num> with_epsilon(const Router& router, const Num* s, Index n) {
  std::vector<Num> all(s, s + n);
  all.push_back(configured<Num>(router.renorm_epsilon));
  return all;
}

/// sqrt(sum_j s_j^2)
template <typename Num>
Num norm_of(const Num* s, Index n) {
  using std::sqrt;
  std::vector<Num> squares;
  for (Index k = 0; k < n; ++k) squares.push_back(square(s[k]));
  return sqrt(sum(squares.data(), n));
}

/// Is the sum of the scores that share a weight of 1 more than the least that it counts for?
template <typename Num>
bool counts_in_full(const Router& router, const Num* s, Index n) {
  return !clamps_sum(router) || greater(sum(s, n), configured<Num>(router.renorm_epsilon));
}

/// The shares of n choices of one token, from their logits z~ and scores s.   -> p (n)
///   (R3)   p_k = s_k   or, renorm Sum,   s_k / (sum_j s_j + epsilon), which without epsilon is softmax of the chosen z~ if s is a
///          softmax: computed so, an expert that was not chosen gets a gradient of exactly zero;
///          or, with epsilon clamped,   s_k / max(sum_j s_j, epsilon);   or, renorm L2,   s_k / sqrt(sum_j s_j^2);   w_k = factor p_k, with expert_scale   factor p_k c_e
template <typename Num>
void share_forward(const Router& router, const Num* z, const Num* s, Index n, Num* p) {
  if (!shares_a_sum(router)) {
    std::copy_n(s, n, p);
  } else if (!counts_in_full(router, s, n)) {
    for (Index k = 0; k < n; ++k) p[k] = s[k] / configured<Num>(router.renorm_epsilon);
  } else if (weights_by_logits(router)) {
    softmax(z, n, p);
    cover(p, n, [&](Num* other) { normalize(s, n, other); });  // from the scores as they were stored
  } else if (shares_squares(router)) {
    const Num norm = norm_of(s, n);
    for (Index k = 0; k < n; ++k) p[k] = s[k] / norm;
  } else if (!adds_to_sum(router)) {
    normalize(s, n, p);
  } else {
    const std::vector<Num> all = with_epsilon(router, s, n);
    std::vector<Num> shares = all;
    normalize(all.data(), n + 1, shares.data());
    std::copy_n(shares.begin(), n, p);
  }
  if (!clamps_sum(router)) return;
  cover(p, n, [&](Num* other) {  // where rounding may decide whether the sum is clamped
    const Num total = at_least(sum(s, n), configured<Num>(router.renorm_epsilon));
    for (Index k = 0; k < n; ++k) other[k] = s[k] / total;
  });
}
/// The shares that decisions are made by: as they are stored.
template <typename Num>
void weights_to_rank(const Router& router, const Num* z, const Num* s, Index n, Num* p) {
  const StageScope<Num> stage(Tensor::router_topk_weights);
  share_forward(router, capped(router, z, n).data(), s, n, p);
  for (Index k = 0; k < n; ++k) store(p[k], Tensor::router_topk_weights);
}
///   (R3')  dp_k = factor c_e dw_k;   ds_k = dp_k   or   ds_k = (dp_k - sum_j p_j dp_j) / (sum_j s_j + epsilon)
///          or, clamped,   ds_k = dp_k / epsilon;   or   ds_k = (dp_k - p_k sum_j p_j dp_j) / sqrt(sum_j s_j^2);   dc_e = sum_{t, k : e_tk = e} factor p_tk dw_tk
template <typename Num>
void share_backward(const Router& router, const Num* s, const Num* p, const Num* dp, Index n, Num* ds) {
  if (!shares_a_sum(router)) {
    std::copy_n(dp, n, ds);
  } else if (!counts_in_full(router, s, n)) {
    for (Index k = 0; k < n; ++k) ds[k] = dp[k] / configured<Num>(router.renorm_epsilon);
  } else if (shares_squares(router)) {
    const Num norm = norm_of(s, n);
    for (Index k = 0; k < n; ++k) {  // the same over a common denominator, so that what cancels is not there
      std::vector<Num> squares, products;
      for (Index j = 0; j < n; ++j)
        if (j != k) squares.push_back(square(s[j])), products.push_back(s[j] * dp[j]);
      const Num rest = sum(squares.data(), n - 1), along = sum(products.data(), n - 1);
      ds[k] = (dp[k] * rest - s[k] * along) / (norm * square(norm));
    }
    cover(ds, n, [&](Num* other) {
      const Num along = dot(p, dp, n);
      for (Index k = 0; k < n; ++k) other[k] = (dp[k] - p[k] * along) / norm;
    });
  } else if (!adds_to_sum(router)) {
    normalize_backward(s, p, dp, n, ds);
  } else {
    const std::vector<Num> all = with_epsilon(router, s, n);
    std::vector<Num> shares = all, of_shares(dp, dp + n), of_all = all;
    normalize(all.data(), n + 1, shares.data());
    of_shares.push_back(Num(0));
    normalize_backward(all.data(), shares.data(), of_shares.data(), n + 1, of_all.data());
    std::copy_n(of_all.begin(), n, ds);
  }
  if (!clamps_sum(router)) return;
  cover(ds, n, [&](Num* other) {  // likewise
    const Num total = sum(s, n), least = configured<Num>(router.renorm_epsilon);
    const Num mean = at_least_slope(total, least) * dot(p, dp, n);
    for (Index k = 0; k < n; ++k) other[k] = (dp[k] - mean) / at_least(total, least);
  });
}

/// The slots of token t that take part in (R3): all, or with renorm_stage AfterDrop those that were kept.
inline std::vector<Index> partners(const Router& router, const Plan& plan, Index t) {
  std::vector<Index> slots;
  for (Index k = 0; k < plan.kept.cols(); ++k)
    if (shares_what_is_left(router) || !shares_what_is_kept(router) || plan.kept(t, k) != 0)
      slots.push_back(k);
  return slots;
}

/// The elements of row t of m at the experts of `slots`.
template <typename Num>
std::vector<Num> picked(const Matrix<Num>& m, Index t, const IdMatrix& expert,
                        const std::vector<Index>& slots) {
  std::vector<Num> values;
  values.reserve(slots.size());
  for (const Index k : slots) values.push_back(m(t, expert(t, k)));
  return values;
}

/// (R2) for every token.   z (T, E) -> logits, capped, scores, logsumexp
template <typename Num>
Routing<Num> scores_forward(const Router& router, Matrix<Num> z) {
  const Index T = z.rows(), E = z.cols();
  Routing<Num> r;
  r.logits = std::move(z);
  if (caps_logits(router)) {
    const StageScope<Num> stage(Tensor::router_scores);
    r.capped.resize(T, E);
    const std::vector<Num> all = capped(router, r.logits.data(), r.logits.size());
    std::copy(all.begin(), all.end(), r.capped.data());
  }
  r.scores = stored(Tensor::router_scores, [&] {
    Matrix<Num> s(T, E);
    for (Index t = 0; t < T; ++t) {
      score_forward(router.score_function, row(scored(r), t), E, row(s, t));
      add_offset(router, row(s, t), E);
    }
    return s;
  });
  r.logsumexp = stored(Tensor::router_logsumexp, [&] {
    Matrix<Num> l(T, 1);
    for (Index t = 0; t < T; ++t) l(t, 0) = log_sum_exp(row(scored(r), t), E);
    return l;
  });
  return r;
}

/// (R3) and (R5) of the logits and scores in r, for every token.
///   b (1, E) or absent, expert (T, K), c (1, E) or absent -> the rest of r
template <typename Num>
void weights_forward(const Router& router, const Matrix<Num>& b, const IdMatrix& expert, const Plan& plan,
                     Routing<Num>& r, Loop loop = in_one_piece, const Matrix<Num>& c = {}) {
  const Index T = r.logits.rows(), E = r.logits.cols(), K = expert.cols(), G = router.n_group;
  r.expert = expert;
  r.denominator.resize(T, 1), r.shares = zeros<Num>(T, K);
  if (G > 1) r.group_scores.resize(T, G);
  r.weights = stored(Tensor::router_topk_weights, [&] {
    Matrix<Num> w(T, K);
    const Num factor = configured<Num>(router.routed_scaling_factor);
    loop(T, [&](Index first, Index last) {
      for (Index t = first; t < last; ++t) {
        const std::vector<Index> slots = partners(router, plan, t);
        const auto n = static_cast<Index>(slots.size());
        const std::vector<Num> s = picked(r.scores, t, expert, slots);
        std::vector<Num> p = buffer<Num>(n);
        if (shares_what_is_left(router))
          remaining_forward(router, row(scored(r), t), row(r.scores, t), E, row(expert, t), K, p.data());
        else
          share_forward(router, picked(scored(r), t, expert, slots).data(), s.data(), n, p.data());
        for (Index i = 0; i < n; ++i) r.shares(t, at(slots, i)) = at(p, i);
        for (Index k = 0; k < K; ++k) {
          w(t, k) = factor * r.shares(t, k);
          if (c.size() > 0) w(t, k) = w(t, k) * c(0, expert(t, k));
        }
        r.denominator(t, 0) = shares_squares(router) ? norm_of(s.data(), n) : sum(s.data(), n);
        const Num epsilon = configured<Num>(router.renorm_epsilon);
        if (adds_to_sum(router)) r.denominator(t, 0) += epsilon;
        if (clamps_sum(router)) r.denominator(t, 0) = at_least(r.denominator(t, 0), epsilon);
        for (Index g = 0; G > 1 && g < G; ++g)
          r.group_scores(t, g) = group_key(router, row(r.logits, t), row(r.scores, t), b.data(), E, g).score;
      }
    });
    return w;
  });
}

/// (R2), (R3) and (R5) for every token.
/// Source: Switch Transformer eq. 1; Mixtral sec. 2.1; DeepSeek-V3 eq. 12 to 16.
template <typename Num>
Routing<Num> route_forward(const Router& router, Matrix<Num> z, const Matrix<Num>& b, const IdMatrix& expert,
                           const Plan& plan, const Matrix<Num>& c = {}) {
  Routing<Num> r = scores_forward(router, std::move(z));
  weights_forward(router, b, expert, plan, r, in_one_piece, c);
  return r;
}

template <typename Num>
struct RoutingGrads {
  Matrix<Num> scores;        // (T, E)
  Matrix<Num> logits;        // (T, E) in z~
  Matrix<Num> expert_scale;  // (1, E) where there is one
};

/// score_backward, or what a backend has for it.
template <typename Num>
using ScoreBackward = void (*)(ScoreFunction function, const Num* z, const Num* s, const Num* ds, Index E,
                               Num* dz);

/// The vector-Jacobian product of route_forward.   ds (T, E) from the losses, dw (T, K) from combine -> ds, dz (T, E)
/// Where (R3) is a softmax of the chosen logits, their gradient is taken from there, so that its zeros are exact; the
/// gradient of the scores still says what (R3') says, and programs that go through it have roundings for those zeros.
template <typename Num>
RoutingGrads<Num> route_backward(const Router& router, const Routing<Num>& r, const Plan& plan,
                                 Matrix<Num> ds, const Matrix<Num>& dw, Loop loop = in_one_piece,
                                 ScoreBackward<Num> back = score_backward<Num>, const Matrix<Num>& c = {}) {
  const Index T = r.scores.rows(), E = r.scores.cols();
  const Num factor = configured<Num>(router.routed_scaling_factor);
  Matrix<Num> dz(T, E);
  loop(T, [&](Index first, Index last) {
    for (Index t = first; t < last; ++t) {
      const std::vector<Index> slots = partners(router, plan, t);
      const auto n = static_cast<Index>(slots.size());
      std::vector<Num> p, dp, ds_n = buffer<Num>(n), dz_n = buffer<Num>(n);
      for (const Index k : slots) {
        p.push_back(r.shares(t, k)), dp.push_back(factor * dw(t, k));
        if (c.size() > 0) dp.back() = dp.back() * c(0, r.expert(t, k));
      }
      const std::vector<Num> s = picked(r.scores, t, r.expert, slots);
      const bool through_logits = weights_by_logits(router) && counts_in_full(router, s.data(), n);
      if (!shares_what_is_left(router)) {
        const StageScope<Num> stage(Tensor::grad_router_scores);
        share_backward(router, s.data(), p.data(), dp.data(), n, ds_n.data());
      }
      const auto of_scores = [&] {
        const std::vector<Num> plain = without_offset(router, row(r.scores, t), E);
        back(router.score_function, row(scored(r), t), plain.data(), row(ds, t), E, row(dz, t));
      };
      if (through_logits) of_scores();
      if (shares_what_is_left(router))
        remaining_backward(router, row(scored(r), t), row(r.scores, t), E, row(r.expert, t), n, dp.data(),
                           row(ds, t), row(dz, t));
      else if (through_logits)
        softmax_backward(p.data(), dp.data(), n, dz_n.data());
      for (Index i = 0; i < n; ++i) ds(t, r.expert(t, at(slots, i))) += at(ds_n, i);
      if (!through_logits) of_scores();
      for (Index i = 0; i < n; ++i) dz(t, r.expert(t, at(slots, i))) += at(dz_n, i);
      if (through_logits)
        cover(row(dz, t), E, [&](Num* other) { softmax_backward(row(r.scores, t), row(ds, t), E, other); });
    }
  });
  RoutingGrads<Num> g{std::move(ds), std::move(dz), {}};
  if (c.size() > 0)
    g.expert_scale = stored(Tensor::grad_router_expert_scale, [&] {
      std::vector<std::vector<Num>> terms(static_cast<std::size_t>(E));
      for (Index t = 0; t < T; ++t)
        for (const Index k : partners(router, plan, t))
          at(terms, r.expert(t, k)).push_back(factor * r.shares(t, k) * dw(t, k));
      Matrix<Num> dc(1, E);
      for (Index e = 0; e < E; ++e)
        dc(0, e) = sum(at(terms, e).data(), static_cast<Index>(at(terms, e).size()));
      return dc;
    });
  return g;
}

/// The selection bias after this batch: experts that got too much lose, those that got too little gain.   -> b' (1, E)
///   (U1)  b'_e = b_e + gamma d_e,   d_e = sign(T K / E - c_e),   c_e = #{(t, k) : e_tk = e}, kept ones only if count is post_drop;
///         sign_centred: d_e - 1/E sum_j d_j for d_e
/// Source: pytorch/torchtitan, _update_expert_bias, for sign_centred; Wang et al., Auxiliary-Loss-Free Load Balancing (2024), algorithm 1; DeepSeek-V3 sec. 2.1.2.
template <typename Num>
Matrix<Num> updated_bias(const BiasUpdateRule& rule, const Matrix<Num>& b, const Plan& plan) {
  const Index E = b.cols(), N = !after_drops(rule.count) ? plan.row.size() : plan.N();
  Matrix<Num> next = b;
  std::vector<Index> sign = buffer<Index>(E);
  for (Index e = 0; e < E; ++e) {
    const Index c = !after_drops(rule.count) ? at(plan.counts, e) : plan.count(e);
    at(sign, e) = c * E < N ? 1 : c * E > N ? -1 : 0;
  }
  const Index all = std::accumulate(sign.begin(), sign.end(), Index{0});
  const Num gamma = configured<Num>(rule.gamma), parts = Num(static_cast<double>(E));
  std::vector<Num> step;
  for (Index e = 0; e < E; ++e) step.push_back(Num(static_cast<double>(at(sign, e))) * gamma);
  for (Index e = 0; e < E; ++e) {
    const Index whole = at(sign, e) * E - all;
    if (!centres_update(rule)) {
      if (at(sign, e) != 0) next(0, e) += configured<Num>(static_cast<double>(at(sign, e)) * rule.gamma);
      continue;
    }
    if (whole != 0) next(0, e) += gamma * (Num(static_cast<double>(whole)) / parts);
    cover(&next(0, e), 1, [&](Num* other) {  // steps whose mean is taken off
      *other = b(0, e) + (at(step, e) - sum(step.data(), E) / parts);
    });
  }
  return next;
}

}  // namespace moe
