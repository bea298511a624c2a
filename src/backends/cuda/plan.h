#pragma once

#include "device.h"

namespace moe::cuda {

/// What decides where assignments go; layer/plan.h.
struct PlanRequest {
  Index T, K, E;
  const std::int32_t* expert;  // (T, K)
  bool may_drop;               // is there a capacity, or a policy? As far as it is:
  Index C, scopes;             // (P1), and in how many equal parts of the tokens it holds
  bool choice_major;           // (P2)
  const std::uint8_t* taken;   // (T, K) by (R6), or null
};

/// The plan of a batch on the device, as in Plan, and what it takes to make it.
struct PlanMemory {
  Memory<Index> counts, offsets, order, row;  // (E), (E + 1), (T, K) of which the first N are used, (T, K)
  Memory<std::uint8_t> kept;                  // (T, K)
  Memory<Index> table, totals;
};

/// (P3), by counting: the assignments in the order of their rank are cut into chunks, a warp each; it is counted how many
/// of a chunk go to each expert; a sum over the chunks before says where those of a chunk start; and within a chunk they
/// keep their order. So rows are in the order of (P2) whatever the device does first. Only integers, all 64-bit.
void make_plan(cudaStream_t stream, const PlanRequest& request, PlanMemory& plan);

}  // namespace moe::cuda
