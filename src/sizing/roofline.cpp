#include "moe/roofline.h"

#include <algorithm>

#include "moe/error.h"
#include "moe/occupancy.h"

namespace moe {

double expert_intensity(double T, double E, double K, double b) {
  require(b > 0, "bytes", b, "must be positive");
  require(T > 0, "batch", T, "must be positive");
  return 2 * K * T / (unique_experts(T, E, K) * b);
}

double crossover_batch(const Machine& machine, double E, double K, double b) {
  return machine.ridge() * b * E / (2 * K);
}

DecodeBound decode_bound(const Model& model, const Machine& machine, const DecodeSetting& s) {
  require(s.batch >= 1 && s.batch <= 0x1p53, "batch", s.batch, "must lie in [1, 2^53]");
  const ModelCount counted = count(model);
  const auto real = [](std::int64_t n) { return static_cast<double>(n); };
  DecodeBound bound;
  bound.other_bytes = real(counted.active.no_embed - counted[Component::Routed].active) * s.weight_bytes;
  if (counted.moe_layers > 0) {
    const Mixture& x = *model.moe;
    const double used = unique_experts(s.batch, real(x.num_experts), real(x.top_k));
    // What leads to and from experts of another width is read once.
    const double every_token =
        real(counted[Component::Routed].active) - real(counted.moe_layers * x.top_k * counted.expert);
    bound.other_bytes += every_token * s.weight_bytes;
    bound.expert_bytes = real(counted.moe_layers) * used * real(counted.expert) * s.expert_bytes;
  }
  bound.cache_bytes = s.batch * real(s.context) *
                      real(kv_numbers_per_token(model) + index_numbers_per_token(model)) * s.cache_bytes;
  bound.flops = s.batch * real(flops(model, s.context, Span::Full).forward_total);
  const double memory = (bound.other_bytes + bound.expert_bytes + bound.cache_bytes) / machine.bandwidth,
               arithmetic = bound.flops / machine.peak;
  bound.memory_bound = memory >= arithmetic;
  bound.tokens_per_second = s.batch / std::max(memory, arithmetic);
  return bound;
}

}  // namespace moe
