#pragma once

#include <numeric>

#include "moe/config.h"
#include "moe/scalar/scalar.h"

/// The decisions that real numbers make. They are taken once, by a scalar that can prove them, and are integers to
/// every other. Two keys tie when they are the same real number; ties go to the smaller index.
namespace moe {

/// The ids of the K largest logits of each token, largest first; ties go to the smaller id.   z (T, E) -> (T, K)
///   (R1)  e_t1, ..., e_tK = the K largest of z_t.   Piecewise constant: it passes no gradient.
/// Softmax and sigmoid increase with the logit, so the K largest scores are the same experts.
template <typename Num>
IdMatrix choose_experts(const Matrix<Num>& z, Index K) {
  const Index T = z.rows(), E = z.cols();
  IdMatrix expert(T, K);
  for (Index t = 0; t < T; ++t) {
    std::vector<char> taken(static_cast<std::size_t>(E), 0);
    for (Index k = 0; k < K; ++k) {
      Index best = -1;
      for (Index e = 0; e < E; ++e)
        if (!at(taken, e) && (best < 0 || greater(z(t, e), z(t, best)))) best = e;
      at(taken, best) = 1;
      expert(t, k) = static_cast<std::int32_t>(best);
    }
  }
  return expert;
}

/// What decides between two assignments: a score, and logits that show when two scores are the same real number.
/// (T1)  exp(z_i) / sum_m exp(z_m) is fixed by the multiset {z_m - z_i}, and fixes it (Lindemann-Weierstrass).
/// (T2)  sigmoid(z_i) is fixed by z_i, and fixes it; a share of sigmoids is fixed by z_i and the multiset {z_m}.
template <typename Num>
struct Key {
  Num score;
  std::vector<Num> identity;
};

template <typename Num>
Key<Num> key_of(ScoreFunction function, const Num& score, const Num& own, std::vector<Num> among) {
  for (Num& z : among)
    if (function == ScoreFunction::Softmax) z = z - own;
  std::sort(among.begin(), among.end(), [](const Num& a, const Num& b) { return greater(a, b); });
  if (function == ScoreFunction::Sigmoid) among.push_back(own);
  return {score, std::move(among)};
}

template <typename Num>
bool tied(const Key<Num>& a, const Key<Num>& b) {
  return std::equal(a.identity.begin(), a.identity.end(), b.identity.begin(), b.identity.end(),
                    [](const Num& x, const Num& y) { return same(x, y); });
}

/// The places 0, 1, ... of the keys from the largest down; ties keep their order.
template <typename Num>
std::vector<Index> places(const std::vector<Key<Num>>& key) {
  std::vector<Index> by_score(key.size()), place(key.size());
  std::iota(by_score.begin(), by_score.end(), 0);
  std::stable_sort(by_score.begin(), by_score.end(), [&](Index a, Index b) {
    return !tied(at(key, a), at(key, b)) && greater(at(key, a).score, at(key, b).score);
  });
  for (Index i = 0; i < static_cast<Index>(key.size()); ++i) at(place, at(by_score, i)) = i;
  return place;
}

/// The order in which assignments ask their experts for a place, as one rank each; smaller asks first.   -> (T, K)
///   (P2)  fcfs      rank = t K + k (token-major) or k T + t (choice-major)
///         bpr_top1  the same, with t replaced by the place of token t among its peers by first-choice score
///         weight    the place of assignment (t, k) among all by its weight before any drop
/// Source: Switch Transformer sec. 2.2 (fcfs); Riquelme et al., Scaling Vision with Sparse MoE (2021), sec. 4.1 (bpr).
inline Matrix<Index> rank_assignments(const Capacity& capacity, Index T, Index K,
                                      const std::vector<Index>& place) {
  Matrix<Index> rank(T, K);
  for (Index t = 0; t < T; ++t)
    for (Index k = 0; k < K; ++k) {
      if (capacity.priority == Priority::Weight) {
        rank(t, k) = at(place, t * K + k);
        continue;
      }
      const Index turn = capacity.priority == Priority::BprTop1 ? at(place, t) : t;
      rank(t, k) = capacity.order == DropOrder::TokenMajor ? turn * K + k : k * T + turn;
    }
  return rank;
}

}  // namespace moe
