#include "moe/twins.h"

#include <cmath>

#include "moe/error.h"

namespace moe {
namespace {

constexpr double kMostWidth = 0x1p31 - 1;

Model twin_with(const Model& model, const TwinShape& shape, std::int64_t F) {
  if (!shape.dense()) return with_mixture(model, shape.num_experts, shape.top_k, F, model.moe->shared_size);
  Model twin = with_mixture(model, 1, 1, F, 0);
  Mixture& x = *twin.moe;
  x.router_matrices = 0, x.router_bias = x.shared_gate = false;
  x.zero_experts = x.latent_size = x.branches = x.run_branches = 0;
  return twin;
}

double measure(const Model& model, Match match, double weight_bytes, double expert_bytes) {
  if (match == Match::Memory) return weight_bytes_of(model, weight_bytes, expert_bytes);
  const ModelCount counted = count(model);
  return static_cast<double>(match == Match::Flops ? counted.matmul : counted.total);
}

}  // namespace

const char* name_of(Match match) {
  return match == Match::Flops ? "flops" : match == Match::Total ? "total" : "memory";
}

Match match_called(const std::string& name) {
  for (const Match match : {Match::Flops, Match::Total, Match::Memory})
    if (name == name_of(match)) return match;
  throw Error("--match", "--match = \"" + name + "\" must be one of flops, total, memory");
}

double weight_bytes_of(const Model& model, double weight_bytes, double expert_bytes) {
  const ModelCount counted = count(model);
  const auto routed = static_cast<double>(counted[Component::Routed].params);
  return routed * expert_bytes + (static_cast<double>(counted.total) - routed) * weight_bytes;
}

Model with_mixture(const Model& model, std::int64_t E, std::int64_t K, std::int64_t F, std::int64_t S) {
  if (!model.moe || count(model).moe_layers == 0)
    throw Error("MODEL", "MODEL = " + model.name + " must have experts");
  Model other = model;
  Mixture& x = *other.moe;
  x.num_experts = E, x.top_k = K, x.ffn_size = F, x.shared_size = S;
  if (S == 0) x.shared_gate = false;
  return other;
}

Twin twin_of(const Model& model, Match match, const TwinShape& shape, double weight_bytes,
             double expert_bytes) {
  const double target = measure(model, match, weight_bytes, expert_bytes);
  const double routed_bytes = shape.dense() ? weight_bytes : expert_bytes;
  const auto at = [&](std::int64_t F) {
    return measure(twin_with(model, shape, F), match, weight_bytes, routed_bytes);
  };
  const double slope = at(2) - at(1), width = std::max(1.0, std::round((target - at(1)) / slope + 1));
  require(width <= kMostWidth, "ffn_size", width, "of a twin must be below 2^31");
  const auto F = static_cast<std::int64_t>(width);
  return {twin_with(model, shape, F), F, at(F) / target - 1};
}

}  // namespace moe
