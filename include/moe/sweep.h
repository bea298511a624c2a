#pragma once

#include "moe/occupancy.h"
#include "moe/sizing.h"

/// Variants of one model: what its mixture costs as its parameters are varied, one point for each combination.
namespace moe {

inline constexpr std::int64_t kAsItIs = -1;  // the model's own shared experts, whatever their width

/// The values of each axis; an empty factor list means that nothing is dropped or padded.
struct SweepGrid {
  std::vector<std::int64_t> experts, top_k;   // E and K, before an expert is split
  std::vector<std::int64_t> granularity{1};   // G: each expert is split in G, of which a token uses K G
  std::vector<std::int64_t> shared{kAsItIs};  // further experts, split like the others, that all tokens use
  std::vector<double> factors;
  std::vector<std::int64_t> contexts{4096};
  Index tokens = 4096;  // of a batch, for capacity
};

struct SweepPoint {
  std::int64_t experts = 0, top_k = 0, granularity = 0, shared = kAsItIs, context = 0;
  double factor = 0;  // 0: none
  std::int64_t ffn_size = 0, total = 0, active = 0, forward = 0;
  double padded =
      0;  // forward FLOPs where every slot is computed: forward + (E C / (T K) - 1) those of the routed experts
  double dropped = 0;  // (O4)
};

/// Every combination in which K <= E, the last axis fastest. Throws Error where G does not divide F, and for more than 10^7 points.
std::vector<SweepPoint> sweep(const Model& model, const SweepGrid& grid);

}  // namespace moe
