#pragma once

#include <optional>

#include "moe/sizing.h"

/// Models that are another one but for their experts: equal in one number, to be compared in the others.
namespace moe {

/// What a twin has in common with its model: multiply-adds of one token, parameters, or bytes of weights.
enum class Match { Flops, Total, Memory };
const char* name_of(Match match);
/// Throws Error listing all.
Match match_called(const std::string& name);

/// The feed-forward block of a twin: E experts of which a token uses K, and as many shared experts' width as the model has; or
/// none of it: one dense block, without a router.
struct TwinShape {
  std::int64_t num_experts = 1, top_k = 1;
  bool dense() const { return num_experts == 1; }
};

struct Twin {
  Model model;
  std::int64_t ffn_size = 0;  // of one expert, or of the dense block that takes the place of all
  double deviation = 0;       // of what is matched, for the width is a whole number: 0.01 is 1 % more
};

/// The model with its mixtures replaced, and the width F at which it equals the model: all counts are linear in F.
///   (O9b)  F' = (target - count(0)) / (count(1) - count(0)), to the nearest whole number, at least 1
/// In bytes, experts have `expert_bytes` and all else `weight_bytes` a number; a dense block has weight_bytes. Throws Error for a
/// model without experts, and where no width in [1, 2^31) comes near.
Twin twin_of(const Model& model, Match match, const TwinShape& shape, double weight_bytes = 2,
             double expert_bytes = 2);

/// The bytes of all weights.
double weight_bytes_of(const Model& model, double weight_bytes, double expert_bytes);

/// The same model with another mixture: E experts of width F, of which a token uses K, beside shared ones of width S in all.
/// Throws Error for a model without experts.
Model with_mixture(const Model& model, std::int64_t E, std::int64_t K, std::int64_t F, std::int64_t S);

}  // namespace moe
