#pragma once

#include "moe/certify.h"
#include "moe/scalar/ball.h"

namespace moe {

/// What other rules for ties decide, ours excluded: which of the tied groups, which of the tied experts, in which of the
/// slots that they share, and which of the assignments whose priorities tie comes first. Only what changes a result counts: what is kept where, and
/// the first choices where a loss counts those. `ties` and `group_ties` are those of the choice.
OtherDecisions other_decisions(const Config& config, const Matrix<Ball>& z, const Lots<Ball>& lots,
                               const Decisions& ours, const std::vector<Tie>& ties,
                               const std::vector<Tie>& group_ties);

}  // namespace moe
