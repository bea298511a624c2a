#pragma once

#include "admissible.h"

namespace moe {

/// The decisions of a layer whose experts, and kept assignments if known, are given.   ids (T, K), kept (T, K) or empty
Decisions decisions_for(const Config& config, const Inputs& inputs, const IdMatrix& ids,
                        const Matrix<std::uint8_t>& kept);

/// What a candidate decided: judged, in our order of slots and rows.
struct CandidateRouting {
  RoutingVerdict verdict;
  Decisions decisions;      // the candidate's own where they are admissible, else what is expected
  std::vector<Index> slot;  // T K: the candidate's slot of each of ours
  std::vector<Index> row;   // N: the candidate's row of each of ours
};

/// Judges the routing of an answer against `expected`: by what it returned itself, as far as it is to be judged from that.
CandidateRouting judge_routing(const Config& config, const Inputs& inputs, const Decisions& expected,
                               const Answer& answer, const Profile& profile, const OwnRanks& own);

/// Does the result depend on which slot an expert stands in?
bool order_matters(const Config& config);

/// Do the assignments a and b, numbered t K + k, ask the same expert for a place, of the same part of the tokens?
bool ask_the_same(const Config& config, const IdMatrix& expert, Index a, Index b);
/// Does a surely ask before b, by the numbers that rank them, each as far off as it may be: (P2)?
bool surely_asks_before(const Capacity& capacity, const std::vector<Key<Bound>>& keys, Index K, Index a,
                        Index b);

/// The tensor `name` of an answer; null where there is none.
const Array* tensor_of(const Arrays& arrays, const std::string& name);

}  // namespace moe
