#pragma once

#include "moe/inputs.h"

/// Inputs on which a layer in floating point is exact: small integers, and logits that are equal or far apart.
namespace moe {

/// Every input as odd integers in [-most, most], for an odd `most`: element i is 2 (w mod (most + 1)) - most, w being word i
/// of the input's seeded stream. A sum of an odd number of products is odd, then, and meets no kink.
Inputs grid_inputs(const Config& config, std::uint32_t case_number, Index most);

/// Sends token t to the experts chosen[t]: K of them, K a power of two, that share all but log2 K bits of their ids. The
/// first columns of x, as many as an id has bits, hold 1 where those ids have the bit, -1 where they lack it, and 0 where
/// they differ; router.weight holds the same of each id, then zeros. So the K logits are equal, and lead by 2 or more.
void choose_by_code(const Config& config, const std::vector<std::vector<Index>>& chosen, Inputs& inputs);

}  // namespace moe
