#pragma once

#include "moe/config.h"
#include "moe/sizing.h"

namespace moe {

/// One layer of ours as a model: a feed-forward block and nothing around it.
Model model_of(const Config& config);

/// The multiply-adds of a layer's forward pass for T tokens of which N rows reach experts, `unchanged` of them experts without
/// weights, and `without_row` tokens none; (F4). The scalar Count counts the same.
std::int64_t layer_multiply_adds(const Config& config, std::int64_t N, std::int64_t without_row = 0,
                                 std::int64_t unchanged = 0);

}  // namespace moe
