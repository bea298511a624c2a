#pragma once

#include <numeric>

#include "moe/tensor.h"

namespace moe {

/// Where every assignment (t, k) goes: integers only. Rows are numbered expert by expert, in each by token, then slot.
struct Plan {
  std::vector<std::int64_t> counts;   // E: assignments per expert, before any drop
  std::vector<std::int64_t> offsets;  // E + 1: expert e owns rows [offsets[e], offsets[e + 1])
  std::vector<std::int64_t> order;    // N: t K + k of the assignment in each row
  Matrix<std::uint8_t> kept;          // (T, K): 0 where the expert was already full
  Matrix<Index> row;                  // (T, K): the row of an assignment, -1 where it was dropped

  Index N() const { return static_cast<Index>(order.size()); }
  Index first(Index e) const { return at(offsets, e); }
  Index count(Index e) const { return at(offsets, e + 1) - at(offsets, e); }
  Index token(Index n) const { return at(order, n) / row.cols(); }
};

/// Each expert keeps the C of its assignments that rank first.   expert, rank (T, K) -> plan
///   (P3)  kept_tk = [ #{(t', k') : e_t'k' = e_tk, rank_t'k' < rank_tk} < C ]
inline Plan make_plan(const IdMatrix& expert, const Matrix<Index>& rank, Index E, Index C) {
  const Index T = expert.rows(), K = expert.cols();
  Plan plan{buffer<std::int64_t>(E),
            buffer<std::int64_t>(E + 1),
            {},
            zeros<std::uint8_t>(T, K),
            Matrix<Index>::Constant(T, K, -1)};
  std::vector<Index> by_rank = buffer<Index>(T * K);
  std::iota(by_rank.begin(), by_rank.end(), 0);
  std::sort(by_rank.begin(), by_rank.end(),
            [&](Index a, Index b) { return rank.data()[a] < rank.data()[b]; });
  for (const Index i : by_rank) {
    const Index e = expert.data()[i];
    if (at(plan.counts, e)++ >= C) continue;
    plan.kept.data()[i] = 1;
    ++at(plan.offsets, e + 1);
  }
  std::partial_sum(plan.offsets.begin(), plan.offsets.end(), plan.offsets.begin());
  plan.order.resize(static_cast<std::size_t>(plan.offsets.back()));
  std::vector<std::int64_t> next = plan.offsets;
  for (Index i = 0; i < T * K; ++i) {
    if (plan.kept.data()[i] == 0) continue;
    plan.row.data()[i] = at(next, expert.data()[i])++;
    at(plan.order, plan.row.data()[i]) = i;
  }
  return plan;
}

}  // namespace moe
