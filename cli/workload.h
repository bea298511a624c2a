#pragma once

#include "moe/inputs.h"
#include "moe/sizing.h"

/// Layers of published shapes at a size that fits this machine, and batches that load their experts in a chosen way.
namespace moe::cli {

/// The layer of a model at T tokens: E and K as they are, D and F divided by s.
Config layer_of(const Mixture& x, std::int64_t D, Index T, std::int64_t s);

/// How many weights its experts have.
double expert_weights(const Config& config);

/// Router, experts and shared experts of the layer in one dense block: as many multiply-adds, to the nearest width.
Config dense_twin(const Config& config);

/// Balanced: every expert gets the same; Zipf: expert e is drawn with odds 1 / (e + 1); AllToOne: all tokens choose the
/// same K experts.
enum class Load { Balanced, Zipf, AllToOne };
inline constexpr std::array<const char*, 3> kLoads{"balanced", "zipf", "all-to-one"};

/// Weights with bytes, and a router that passes the first E coordinates of x on as its logits.
Inputs weights_for(const Config& config);

/// x, whose first coordinates say which experts each token gets, and dy. Numbers n of a workload load other experts.
Inputs batch_for(const Config& config, Load load, std::uint32_t number);

}  // namespace moe::cli
