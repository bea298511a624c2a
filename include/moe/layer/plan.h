#pragma once

#include <numeric>

#include "moe/tensor.h"

namespace moe {

/// Where every assignment (t, k) goes: integers only. Rows are numbered expert by expert, in each by token, then slot.
struct Plan {
  std::vector<std::int64_t> counts;   // E: assignments per expert, before any drop
  std::vector<std::int64_t> offsets;  // E + 1: expert e owns rows [offsets[e], offsets[e + 1])
  std::vector<std::int64_t> order;    // N: t K + k of the assignment in each row
  Matrix<std::uint8_t> kept;          // (T, K): 0 where the expert was already full, or (R6)
  Matrix<Index> row;                  // (T, K): the row of an assignment, -1 where it was dropped

  Index N() const { return static_cast<Index>(order.size()); }
  Index first(Index e) const { return at(offsets, e); }
  /// The rows of all experts before e; all there are, in a plan of which only their number is known.
  Index rows_before(Index e) const { return offsets.empty() ? N() : first(e); }
  Index count(Index e) const { return at(offsets, e + 1) - at(offsets, e); }
  Index token(Index n) const { return at(order, n) / row.cols(); }
};

/// Has a token no kept choice?
inline bool all_dropped(const Plan& plan, Index t) {
  for (Index k = 0; k < plan.row.cols(); ++k)
    if (plan.row(t, k) >= 0) return false;
  return true;
}

/// Each expert keeps the C of its assignments that rank first, in each of `scopes` equal parts of the tokens, of those
/// that are taken up.   expert, rank, taken_up (T, K) or absent -> plan
///   (P3)  kept_tk = [ #{(t', k') : e_t'k' = e_tk, rank_t'k' < rank_tk, t' in the scope of t} < C and (t, k) is taken up ];
///         with `frees` only those are counted that are taken up
inline Plan make_plan(const IdMatrix& expert, const Matrix<Index>& rank, Index E, Index C, Index scopes,
                      const Matrix<std::uint8_t>& taken_up, bool frees = false) {
  const Index T = expert.rows(), K = expert.cols();
  Matrix<Index> taken = zeros<Index>(scopes, E);
  Plan plan{buffer<std::int64_t>(E),
            buffer<std::int64_t>(E + 1),
            {},
            zeros<std::uint8_t>(T, K),
            Matrix<Index>::Constant(T, K, -1)};
  // The inverse of rank, which is a permutation of 0 ... T K - 1.
  std::vector<Index> by_rank = buffer<Index>(T * K);
  for (Index i = 0; i < T * K; ++i) at(by_rank, rank.data()[i]) = i;
  for (const Index i : by_rank) {
    const Index e = expert.data()[i];
    const bool wanted = taken_up.size() == 0 || taken_up.data()[i] != 0;
    at(plan.counts, e) += 1;
    if (!wanted && frees) continue;
    const bool fits = taken(i / K * scopes / T, e)++ < C;
    if (!fits || !wanted) continue;
    plan.kept.data()[i] = 1;
    at(plan.offsets, e + 1) += 1;
  }
  std::partial_sum(plan.offsets.begin(), plan.offsets.end(), plan.offsets.begin());
  plan.order.resize(static_cast<std::size_t>(plan.offsets.back()));
  std::vector<std::int64_t> next = plan.offsets;
  for (Index i = 0; i < T * K; ++i) {
    if (plan.kept.data()[i] == 0) continue;
    Index& n = at(next, expert.data()[i]);
    plan.row.data()[i] = n;
    at(plan.order, n) = i;
    n += 1;
  }
  return plan;
}

}  // namespace moe
