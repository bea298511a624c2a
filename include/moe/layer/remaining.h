#pragma once

#include <algorithm>

#include "moe/layer/conventions.h"
#include "moe/scalar/doubt.h"
#include "moe/tensor.h"

/// Weights that do not know of each other: each is a share of what was left when its expert was chosen.
/// Source: Liu et al., GRIN, arXiv 2409.12136, sec. 2.2, as PhimoeTopKRouter of huggingface/transformers has it at evaluation.
namespace moe {

/// Who shares in a choice: the experts themselves, and the same where those are on the other side that rounding may put there.
using Members = std::vector<Index>;
struct Near {
  Members members;
  std::vector<Members> perhaps;
};

/// |z|, which distances are compared with.
template <typename Num>
Num size_of(const Num& z) {
  return approx(z) < 0 ? Num(-z) : z;
}

/// The experts that share in choice k of one token.   z~ (E), ids of the choices (K), the best first
///   (R8)  N_k = {j not among e_1, ..., e_k-1 : z~_m - z~_j <= 2 sparsemixer_jitter max(|z~_j|, z~_m)},   m = e_k, the best that is left
template <typename Num>
Near near_choice(const Router& router, const Num* z, Index E, const std::int32_t* chosen, Index k) {
  const Index m = chosen[k];
  const Num most = configured<Num>(2 * router.sparsemixer_jitter);
  Near near;
  Members doubtful;
  for (Index j = 0; j < E; ++j) {
    if (j == m) {
      near.members.push_back(j);
      continue;
    }
    if (std::find(chosen, chosen + k, j) != chosen + k) continue;
    const Num off = z[m] - z[j], size = size_of(z[j]);
    const bool far = greater(off, most * size) && greater(off, most * z[m]);  // equal sizes are not compared
    if (!far) near.members.push_back(j);
    if (exceeds_in_doubt(off, most, size, z[m])) doubtful.push_back(j);
  }
  near.perhaps = other_sides(near.members, doubtful, E);
  return near;
}

/// The share of expert m among others, by their logits or by their scores, and what a gradient of it is in theirs.   -> dz or ds (E)
template <typename Num>
struct ShareOf {
  const Members& members;
  Index m;

  std::vector<Num> of(const Num* all) const {
    std::vector<Num> some;
    for (const Index j : members) some.push_back(all[j]);
    return some;
  }
  Index n() const { return static_cast<Index>(members.size()); }
  Index place() const { return std::distance(members.begin(), std::find(members.begin(), members.end(), m)); }
  std::vector<Num> shares(const Num* z) const {
    std::vector<Num> q = buffer<Num>(n());
    softmax(of(z).data(), n(), q.data());
    return q;
  }
  Num by_logits(const Num* z) const { return at(shares(z), place()); }
  Num by_scores(const Num* s) const {
    std::vector<Num> q = of(s);
    normalize(of(s).data(), n(), q.data());
    return at(q, place());
  }
  template <typename Back>
  void backward(const Num& dp, Index E, Num* to, Back back) const {
    std::vector<Num> dq(members.size(), Num(0)), some = dq;
    at(dq, place()) = dp;
    back(dq.data(), some.data());
    std::fill_n(to, E, Num(0));
    for (Index i = 0; i < n(); ++i) to[at(members, i)] = at(some, i);
  }
};

/// The shares of the choices of one token.   z~, s (E), ids (K) -> p (K)
///   (R8)  p_k = s_m / sum over N_k of s_j for m = e_k: the softmax of z~ over N_k
template <typename Num>
void remaining_forward(const Router& router, const Num* z, const Num* s, Index E, const std::int32_t* chosen,
                       Index K, Num* p) {
  for (Index k = 0; k < K; ++k) {
    const Near near = near_choice(router, z, E, chosen, k);
    const ShareOf<Num> share{near.members, chosen[k]};
    p[k] = share.by_logits(z);
    cover(p + k, 1, [&](Num* other) { *other = share.by_scores(s); });  // as they were stored
    for (const Members& perhaps : near.perhaps)
      cover(p + k, 1, [&](Num* other) { *other = ShareOf<Num>{perhaps, chosen[k]}.by_logits(z); });
  }
}

/// From the gradient of the shares to those of scores and logits, added to both.   dp (K) -> ds, dz (E)
///   (R8')  ds_j += dp_k ([j = m] - p_k) / sum over N_k of s_i,   dz_j += dp_k p_k ([j = m] - q_j)   for j in N_k, q the softmax over N_k
template <typename Num>
void remaining_backward(const Router& router, const Num* z, const Num* s, Index E, const std::int32_t* chosen,
                        Index K, const Num* dp, Num* ds, Num* dz) {
  std::vector<Num> one = buffer<Num>(E);
  for (Index k = 0; k < K; ++k) {
    const Near near = near_choice(router, z, E, chosen, k);
    const auto add = [&](Num* to, auto back) {
      const auto run = [&](const Members& members, Num* into) {
        const ShareOf<Num> share{members, chosen[k]};
        share.backward(dp[k], E, into, [&](const Num* dq, Num* some) { back(share, dq, some); });
      };
      run(near.members, one.data());
      for (const Members& perhaps : near.perhaps)
        cover(one.data(), E, [&](Num* other) { run(perhaps, other); });
      for (Index j = 0; j < E; ++j) to[j] += at(one, j);
    };
    add(dz, [&](const ShareOf<Num>& share, const Num* dq, Num* some) {
      softmax_backward(share.shares(z).data(), dq, share.n(), some);
    });
    const StageScope<Num> stage(Tensor::grad_router_scores);
    add(ds, [&](const ShareOf<Num>& share, const Num* dq, Num* some) {
      normalize_backward(share.of(s).data(), share.shares(z).data(), dq, share.n(), some);
    });
  }
}

/// The experts of token t that choices 0 ... k leave.
inline Members left_after(const IdMatrix& expert, Index t, Index k, Index E) {
  const std::int32_t* chosen = row(expert, t);
  Members left;
  for (Index j = 0; j < E; ++j)
    if (std::count(chosen, chosen + k + 1, j) == 0) left.push_back(j);
  return left;
}

/// visit(z, bend) for every number whose place above or below `bend` decides who shares in a choice.   z~ (T, E), ids (T, K)
template <typename Num, typename Visit>
void each_bend_of_choices(const Router& router, const Matrix<Num>& z, const IdMatrix& expert, Visit visit) {
  const Num most = configured<Num>(2 * router.sparsemixer_jitter);
  for (Index t = 0; t < z.rows(); ++t)
    for (Index k = 0; k < expert.cols(); ++k)
      for (const Index j : left_after(expert, t, k, z.cols())) {
        const Num &best = z(t, expert(t, k)), size = size_of(z(t, j));
        visit(Num(best - z(t, j) - most * (approx(size) > approx(best) ? size : best)), 0.0);
      }
}

}  // namespace moe
