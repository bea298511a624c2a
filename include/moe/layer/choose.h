#pragma once

#include <numeric>

#include "moe/layer/noise.h"
#include "moe/layer/score.h"

/// The decisions that real numbers make. They are taken once, by a scalar that can prove them, and are integers to
/// every other. Two keys tie when they are the same real number; ties go to the smaller index.
namespace moe {

/// What decides between two candidates: a score, which is an exact number plus something that other exact numbers fix.
/// Those show when two scores are the same real number, and how far apart they are where only the exact parts differ.
/// (T1)  exp(z_i) / sum_m exp(z_m) is fixed by the multiset {z_m - z_i}, and fixes it (Lindemann-Weierstrass).
/// (T2)  sigmoid(z_i) is fixed by z_i, and fixes it; a share of sigmoids is fixed by z_i and the multiset {z_m}.
/// (T3)  softmax_i(z) + b_i of one token, and sigmoid(z_i) + b_i, are fixed by (z_i, b_i), and fix it.
/// (T4)  a sum of n of (T3) is fixed by the multiset of the z_i, less pairs z, -z if sigmoid, and by the sum of the b_i.
template <typename Num>
struct Key {
  Num score, exact;
  std::vector<Num> fixed_by;  // the rest of the score
};

template <typename Num>
bool same_but_exact(const Key<Num>& a, const Key<Num>& b) {
  return std::equal(a.fixed_by.begin(), a.fixed_by.end(), b.fixed_by.begin(), b.fixed_by.end(),
                    [](const Num& x, const Num& y) { return same(x, y); });
}
template <typename Num>
bool tied(const Key<Num>& a, const Key<Num>& b) {
  return same(a.exact, b.exact) && same_but_exact(a, b);
}
template <typename Num>
bool better(const Key<Num>& a, const Key<Num>& b) {
  return !tied(a, b) && greater(a.score, b.score);
}
template <typename Num>
void sort_downwards(std::vector<Num>& z) {
  std::sort(z.begin(), z.end(), [](const Num& a, const Num& b) { return greater(a, b); });
}

/// The n best of the keys that are open, the best first; ties go to the smaller index.
template <typename Num>
std::vector<Index> best(const std::vector<Key<Num>>& key, Index n, std::vector<char> open) {
  std::vector<Index> chosen;
  for (; n > 0; --n) {
    Index top = -1;
    for (Index i = 0; i < static_cast<Index>(key.size()); ++i)
      if (at(open, i) && (top < 0 || better(at(key, i), at(key, top)))) top = i;
    at(open, top) = 0;
    chosen.push_back(top);
  }
  return chosen;
}
inline std::vector<char> all_open(Index n) { return std::vector<char>(static_cast<std::size_t>(n), 1); }

/// More than any score or logit is.
inline constexpr double kRankOfSink = 0x1p1000;

/// What ranks the experts of one token.   z, s (E), b (E) or null
///   (R4)  q_e = z_e   or, with a selection bias,   s_e + b_e   or, with selection_bias_on logits,   z_e + b_e
/// Softmax and sigmoid increase with the logit, so without a bias the largest scores are the same experts. Sinks rank above all others.
template <typename Num>
Key<Num> expert_key(const Router& router, const Num* z, const Num* s, const Num* b, Index e, Index E) {
  if (is_sink(router, e, E)) return {Num(kRankOfSink), Num(kRankOfSink), {Num(static_cast<double>(e))}};
  if (b == nullptr) return {z[e], z[e], {}};
  if (biases_logits(router) || scores_are_logits(router.score_function)) {
    const Num q = z[e] + b[e];
    return {q, q, {}};
  }
  return {s[e] + b[e], b[e], {z[e]}};
}

/// ... and with noise, by h:
/// (T5)  z + n (softplus(r) + epsilon) is fixed by z + n (max(r, 0) + epsilon), n and |r|, and where n = 0 by z; and
///       fixes them; with a fixed scale it is an exact number itself.
template <typename Num>
Key<Num> noisy_key(const Noise& noise, const NoiseTrace<Num>& a, const Num& h, Index t, Index e) {
  if (!learns_noise(noise)) return {h, h, {}};
  const Num &z = a.clean(t, e), &drawn = a.noise(t, e), &raw = a.raw(t, e);
  if (same(drawn, Num(0))) return {h, z, {}};
  const bool positive = greater(raw, Num(0));
  return {h, z + drawn * ((positive ? raw : Num(0)) + Num(noise.epsilon)), {drawn, positive ? raw : -raw}};
}

/// How good group g is, of E / G neighbouring experts each.
///   (R5)  the sum of s_e + b_e over its n best experts:   n = 1 (max) or group_score_n (sum_topn)
/// Source: DeepSeek-V3 sec. 2.1.2 (n = 2); DeepSeek-V2, arXiv 2405.04434, sec. 2.1.2 (max).
template <typename Num>
Key<Num> group_key(const Router& router, const Num* z, const Num* s, const Num* b, Index E, Index g) {
  const Index size = E / router.n_group, n = counted_in_group(router);
  std::vector<Key<Num>> member;
  std::vector<Num> all, terms, biases, logits;
  for (Index e = g * size; e < (g + 1) * size; ++e) {
    member.push_back(expert_key(router, z, s, b, e, E));
    all.push_back(b == nullptr ? s[e] : s[e] + b[e]);
  }
  for (const Index i : best(member, n, all_open(size))) {
    const Index e = g * size + i;
    terms.push_back(at(all, i));
    if (b != nullptr) biases.push_back(b[e]);
    const auto opposite = std::find_if(logits.begin(), logits.end(), [&](const Num& other) {
      return opposites_cancel(router.score_function) && same(other, -z[e]);
    });
    if (opposite == logits.end())
      logits.push_back(z[e]);
    else
      logits.erase(opposite);
  }
  sort_downwards(logits);
  return {sum_of_largest(terms.data(), n, all.data(), size),
          sum(biases.data(), static_cast<Index>(biases.size())), std::move(logits)};
}

/// The experts of one token by (R4), and its groups by (R5); none where there is but one.
template <typename Num>
struct Ranking {
  std::vector<Key<Num>> expert, group;
};
template <typename Num>
Ranking<Num> ranking_of(const Router& router, const Num* z, const Num* b, Index E) {
  std::vector<Num> s = buffer<Num>(E);
  if (b != nullptr || router.n_group > 1) s = scores_to_rank(router, z, E);
  const StageScope<Num> stage(Tensor::router_group_scores);
  Ranking<Num> ranking;
  for (Index e = 0; e < E; ++e) ranking.expert.push_back(expert_key(router, z, s.data(), b, e, E));
  for (Index g = 0; router.n_group > 1 && g < router.n_group; ++g)
    ranking.group.push_back(group_key(router, z, s.data(), b, E, g));
  return ranking;
}

/// The experts that may be chosen: those of the given groups, or all.
inline std::vector<char> open_experts(const Router& router, Index E, const std::vector<Index>& groups) {
  if (router.n_group == 1) return all_open(E);
  std::vector<char> open(static_cast<std::size_t>(E), 0);
  const Index size = E / router.n_group;
  for (const Index g : groups) std::fill_n(open.begin() + g * size, size, 1);
  return open;
}

/// The experts that compete, and their keys: with closed_groups zero all do, those of closed groups with the score 0.
template <typename Num>
std::vector<char> let_compete(const Router& router, const std::vector<Index>& groups,
                              std::vector<Key<Num>>& expert) {
  const auto E = static_cast<Index>(expert.size());
  std::vector<char> open = open_experts(router, E, groups);
  if (router.n_group == 1 || !closed_compete(router)) return open;
  for (Index e = 0; e < E; ++e)
    if (at(open, e) == 0) at(expert, e) = {Num(0), Num(0), {}};
  return all_open(E);
}

/// The experts of each token, the best first.   z (T, E), b (1, E) or absent -> (T, K)
///   (R1)  e_t1, ..., e_tK = the K best by (R4) among the experts of the topk_group best groups by (R5)
///         with closed_groups zero, among all, and (R4) is 0 for those of other groups;
///         with sinks, the last ones of all, and after them the best of the others
/// Piecewise constant: it passes no gradient, so none reaches the bias.
template <typename Num>
IdMatrix choose_experts(const Router& router, const Matrix<Num>& z, const Matrix<Num>& b, Index K) {
  const Index T = z.rows(), E = z.cols();
  IdMatrix expert(T, K);
  for (Index t = 0; t < T; ++t) {
    Ranking<Num> ranking = ranking_of(router, row(z, t), b.size() > 0 ? b.data() : nullptr, E);
    const Index open_groups = ranking.group.empty() ? 0 : router.topk_group;
    const std::vector<Index> groups =
        best(ranking.group, open_groups, all_open(static_cast<Index>(ranking.group.size())));
    const std::vector<char> open = let_compete(router, groups, ranking.expert);
    const std::vector<Index> ids = best(ranking.expert, K, open);
    std::copy(ids.begin(), ids.end(), row(expert, t));
  }
  return expert;
}
/// The same by the logits alone.
template <typename Num>
IdMatrix choose_experts(const Matrix<Num>& z, Index K) {
  return choose_experts(Router{}, z, Matrix<Num>(), K);
}

/// The experts of each token by noisy logits, and after them the one that would come next.
///   h (T, E) and what they are made of -> (T, K), (T); no runners-up for K = E
struct NoisyChoice {
  IdMatrix expert;
  std::vector<std::int32_t> runner_up;
};
template <typename Num>
std::vector<Key<Num>> noisy_keys(const Noise& noise, const NoiseTrace<Num>& a, const Matrix<Num>& h,
                                 Index t) {
  std::vector<Key<Num>> key;
  for (Index e = 0; e < h.cols(); ++e) key.push_back(noisy_key(noise, a, h(t, e), t, e));
  return key;
}
template <typename Num>
NoisyChoice choose_noisy(const Noise& noise, const NoiseTrace<Num>& a, const Matrix<Num>& h, Index K) {
  const Index T = h.rows(), E = h.cols();
  NoisyChoice choice{IdMatrix(T, K), {}};
  for (Index t = 0; t < T; ++t) {
    const std::vector<Index> ids = best(noisy_keys(noise, a, h, t), std::min(K + 1, E), all_open(E));
    std::copy_n(ids.begin(), K, row(choice.expert, t));
    if (K < E) choice.runner_up.push_back(static_cast<std::int32_t>(ids.back()));
  }
  return choice;
}

/// The experts of one token where they are an input, and so in an order that nothing ranks.   ids (K) -> (E)
///   (R1)  with choice given, e_tk = router.given_ids_tk: as if the first ranked highest, and those that are not among them 0
template <typename Num>
std::vector<Key<Num>> given_keys(const Num* ids, Index K, Index E) {
  std::vector<Key<Num>> key(static_cast<std::size_t>(E), {Num(0), Num(0), {}});
  for (Index k = 0; k < K; ++k) {
    const auto rank = static_cast<Num>(static_cast<double>(K - k));
    at(key, static_cast<Index>(approx(ids[k]))) = {rank, rank, {}};
  }
  return key;
}

/// The keys of one token by logits that noise only ranks: (N2).   z, h (E)
template <typename Num>
std::vector<Key<Num>> gumbel_keys(const Noise& noise, const Num* z, const Num* h, Index E) {
  std::vector<Key<Num>> key, clean;
  for (Index e = 0; e < E; ++e) key.push_back({h[e], h[e], {}}), clean.push_back({z[e], z[e], {}});
  if (ranks_first_clean(noise)) {
    const Index first = best(clean, 1, all_open(E)).front();
    at(key, first) = {Num(kRankOfSink), Num(kRankOfSink), {}};
  }
  return key;
}

/// Which choices are taken up.   p (T, 2) of (R3) before any drop, u (1, T) in [0, 1] or absent -> (T, 2)
///   (R6)  the first, and the second iff p_t2 > second_threshold u_t,   u_t = 1 with second_policy threshold
/// Source: GShard, arXiv 2006.16668, algorithm 1, line 19: 2 g_2 > rnd, which is second_threshold = 1/2; threshold: tensorflow/mesh.
template <typename Num>
Num least_second(const Router& router, const Matrix<Num>& u, Index t) {
  const auto threshold = static_cast<Num>(router.second_threshold);
  return draws_second(router) ? threshold * u(0, t) : threshold;
}
template <typename Num>
Matrix<std::uint8_t> take_up(const Router& router, const Matrix<Num>& w, const Matrix<Num>& u) {
  Matrix<std::uint8_t> taken = Matrix<std::uint8_t>::Constant(w.rows(), 2, 1);
  for (Index t = 0; t < w.rows(); ++t) taken(t, 1) = greater(w(t, 1), least_second(router, u, t)) ? 1 : 0;
  return taken;
}

/// The key of a weight that a capacity ranks by: (T1) or (T2), `among` the logits that share in it.
template <typename Num>
Key<Num> weight_key(ScoreFunction function, const Num& score, const Num& own, std::vector<Num> among) {
  for (Num& z : among)
    if (couples_experts(function)) z = z - own;
  sort_downwards(among);
  if (!couples_experts(function)) among.push_back(own);
  return {score, Num(0), std::move(among)};
}

/// The places 0, 1, ... of the keys from the largest down; ties keep their order.
template <typename Num>
std::vector<Index> places(const std::vector<Key<Num>>& key) {
  std::vector<Index> by_score(key.size()), place(key.size());
  std::iota(by_score.begin(), by_score.end(), 0);
  std::stable_sort(by_score.begin(), by_score.end(),
                   [&](Index a, Index b) { return better(at(key, a), at(key, b)); });
  for (Index i = 0; i < static_cast<Index>(key.size()); ++i) at(place, at(by_score, i)) = i;
  return place;
}

/// The order in which assignments ask their experts for a place, as one rank each; smaller asks first.   -> (T, K)
///   (P2)  fcfs      rank = t K + k (token-major) or k T + t (choice-major)
///         bpr_top1  the same, with t replaced by the place of token t among its peers by first-choice score
///         weight    the place of assignment (t, k) among all by its weight before any drop
///         random    the same by noise.priority_te for e = e_tk
/// Source: Switch Transformer sec. 2.2 (fcfs); Riquelme et al., Scaling Vision with Sparse MoE (2021), sec. 4.1 (bpr).
inline Matrix<Index> rank_assignments(const Capacity& capacity, Index T, Index K,
                                      const std::vector<Index>& place) {
  Matrix<Index> rank(T, K);
  for (Index t = 0; t < T; ++t)
    for (Index k = 0; k < K; ++k) {
      if (ranks_assignments(capacity)) {
        rank(t, k) = at(place, t * K + k);
        continue;
      }
      const Index turn = ranks_tokens(capacity) ? at(place, t) : t;
      rank(t, k) = choices_first(capacity) ? k * T + turn : turn * K + k;
    }
  return rank;
}

}  // namespace moe
