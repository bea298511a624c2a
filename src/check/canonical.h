#pragma once

#include "moe/check.h"

namespace moe {

/// An answer in our order of slots and rows.   slot (T K): the candidate's slot of each of ours; row (N) likewise
Arrays canonical(const Config& config, const Decisions& decisions, const Arrays& tensors,
                 const std::vector<Index>& slot, const std::vector<Index>& row);

}  // namespace moe
