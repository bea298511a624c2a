#pragma once

#include <cstdint>
#include <functional>

#include "moe/random.h"
#include "moe/tensor.h"

/// How a batch spreads over experts if each token chooses K of E uniformly and by itself: closed forms, and two
/// experiments that need none. Real routers are skewed: they read fewer distinct experts, and drop more.
namespace moe {

/// The experts that T tokens use at least once, expected.
///   (O1)  U(T) = E (1 - (1 - K / E)^T)
/// Throws Error unless 1 <= K <= E and T >= 0, as all of these do.
double unique_experts(double T, double E, double K);

/// The groups that a token's K experts are in, of G equal ones, expected: how many nodes it is sent to.
///   (O2)  G (1 - C(E - E/G, K) / C(E, K)),   C(n, k) the binomial coefficient
/// Throws Error unless G divides E.
double distinct_groups(Index E, Index K, Index G);

/// Does K multiply the slots of an expert? With GShard and Switch Transformer it does; with ST-MoE it does not.
enum class SlotBase { TokensTimesK, Tokens };

/// (P1) as it is usually meant: C = ceil(factor T K / E), or ceil(factor T / E); factor is a decimal. Throws Error for a
/// factor that is not in (0, 10^9].
Index slots_per_expert(Index T, Index E, Index K, double factor, SlotBase base);

/// What becomes of T K assignments where each expert has C slots; the load X of an expert is binomial.
///   (O3)  X ~ Bin(T, K / E)
///   (O4)  dropped = E / (T K) sum_{x > C} (x - C) P(X = x)
///   (O5)  idle = (E C - kept) / (E C),   waste = E C / kept - 1,   kept = (1 - dropped) T K
struct Occupancy {
  double dropped = 0;  // of all assignments
  double idle = 0;     // of all slots
  double waste = 0;    // slots computed for nothing, for each that is used
};
Occupancy expected_occupancy(Index T, Index E, Index K, Index C);

/// The rows that a grouped product of matrices adds where each expert's rows are raised to a multiple of `tile`.
///   (O6)  E sum_x (-x mod tile) P(X = x)
double expected_padding(Index T, Index E, Index K, Index tile);

/// A mean of trials and how far it may be from the expected value.
struct Estimate {
  double mean = 0, standard_error = 0;
};
struct OccupancyTrials {
  Estimate unique, dropped, groups;
  Index trials = 0;
};

/// The same by chance: K distinct experts for each token from Philox words, counted. G as in (O2). Throws Error for fewer
/// than two trials.
OccupancyTrials simulated_occupancy(Index T, Index E, Index K, Index C, Index G, Index trials,
                                    std::uint64_t seed = kDefaultSeed);

/// The same by the layer: its router and its plan (R1), (P2), (P3) on seeded logits, uniform in [0, 1).
OccupancyTrials routed_occupancy(Index T, Index E, Index K, Index C, Index G, Index trials,
                                 std::uint64_t seed = kDefaultSeed);

}  // namespace moe
