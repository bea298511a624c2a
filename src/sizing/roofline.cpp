#include "moe/roofline.h"

#include <algorithm>
#include <cmath>

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

namespace {

double as_real(std::int64_t n) { return static_cast<double>(n); }

std::size_t index_of(Component c) { return static_cast<std::size_t>(c); }

/// How much of a step one device does.
struct Load {
  double tokens, expert_tokens,
      cached_tokens;  // that meet its matrices, that choose among its copy of the experts, in its cache
};

Load load_of(const DecodeSetting& s) {
  const Deployment& d = s.devices;
  const auto shared_by = [&](std::int64_t devices) { return std::max(1.0, s.batch / as_real(devices)); };
  return {shared_by(d.copies()), shared_by(d.expert_copies()),
          shared_by(d.dp) * as_real(s.context) / as_real(d.cp)};
}

/// The numbers of one expert's part on a device, and how many such experts it has in each layer.
struct HeldExperts {
  double numbers = 0, layers = 0, held = 0;
};

HeldExperts experts_of(const DeviceCount& device, const ModelCount& part, const Deployment& d) {
  if (part.moe_layers == 0) return {};
  Model narrow = device.part;
  narrow.moe->ffn_size /= d.etp;
  return {as_real(count(narrow).expert), as_real(part.moe_layers),
          as_real(narrow.moe->num_experts) / as_real(d.ep)};
}

/// Numbers of a component that every token meets on a device; the last norm of the model is on the last one only.
double met(const DeviceCount& device, const ModelCount& part, Component c) {
  if (c == Component::Embedding && !device.part.tied) return 0;  // looked up
  return as_real(part[c].active - (part[c].params - device.params[index_of(c)]));
}

DecodeBound bound_of(const DeviceCount& device, const Machine& machine, const DecodeSetting& s) {
  const Deployment& d = s.devices;
  const Model& part = device.part;
  const ModelCount counted = count(part);
  const ModelFlops f = flops(part, s.context, Span::Full);
  const Load load = load_of(s);
  DecodeBound bound;
  double all_tokens = as_real(f.scores);  // FLOPs of a token but those of routed experts
  for (std::size_t i = 0; i < kComponents; ++i) {
    const Component c = static_cast<Component>(i);
    if (c == Component::Routed) continue;
    bound.other_bytes += met(device, counted, c) * s.weight_bytes[i];
    all_tokens += as_real(f.forward[i]);
  }
  const std::size_t routed = index_of(Component::Routed);
  bound.flops = load.tokens * all_tokens + std::max(s.batch, as_real(d.copies())) *
                                               as_real(f.forward[routed]) / as_real(d.tp * d.copies());
  if (counted.moe_layers > 0) {
    const Mixture& x = *part.moe;
    const HeldExperts experts = experts_of(device, counted, d);
    const double used =
        unique_experts(load.expert_tokens, as_real(x.num_experts), as_real(x.top_k)) / as_real(d.ep);
    // What leads to and from experts of another width is read once.
    bound.other_bytes +=
        (as_real(counted[Component::Routed].active) - experts.layers * as_real(x.top_k * counted.expert)) *
        s.weight_bytes[routed];
    bound.expert_bytes = experts.layers * used * experts.numbers * s.weight_bytes[routed];
    bound.link_bytes = bound.expert_bytes * (as_real(s.offloaded) / as_real(x.num_experts));
  }
  bound.cache_bytes = load.cached_tokens *
                      as_real(kv_numbers_per_token(part) + index_numbers_per_token(part)) * s.cache_bytes;
  const double memory = (bound.other_bytes + bound.expert_bytes + bound.cache_bytes) / machine.bandwidth,
               arithmetic = bound.flops / machine.peak,
               link = s.offloaded > 0 ? bound.link_bytes / s.link : 0;
  const double slowest = std::max({memory, arithmetic, link});
  bound.limit = slowest == link && s.offloaded > 0 ? Limit::Link
                : memory >= arithmetic             ? Limit::Memory
                                                   : Limit::Arithmetic;
  bound.tokens_per_second = s.batch / slowest;
  return bound;
}

void require_sound(const Model& model, const DecodeSetting& s) {
  require(s.batch >= 1 && s.batch <= 0x1p53, "batch", s.batch, "must lie in [1, 2^53]");
  if (s.offloaded == 0) return;
  if (!model.moe) throw Error("--offload", "--offload needs a model with experts");
  require(0 <= s.offloaded && s.offloaded <= model.moe->num_experts, "--offload", s.offloaded,
          "must lie in [0, experts = ", model.moe->num_experts, ']');
}

}  // namespace

const char* name_of(Limit limit) {
  static constexpr const char* kNames[] = {"memory", "arithmetic", "link"};
  return kNames[static_cast<std::size_t>(limit)];
}

DecodeBound decode_bound(const Model& model, const Machine& machine, const DecodeSetting& s) {
  require_sound(model, s);
  if (s.offloaded > 0 && !(s.link > 0)) throw Error("--link", "--link must be given with --offload");
  std::vector<DecodeBound> stages;
  for (const DeviceCount& device : deploy(model, s.devices)) stages.push_back(bound_of(device, machine, s));
  return *std::min_element(stages.begin(), stages.end(), [](const DecodeBound& a, const DecodeBound& b) {
    return a.tokens_per_second < b.tokens_per_second;
  });
}

double decode_memory(const Model& model, const DecodeSetting& s) {
  require_sound(model, s);
  double most = 0;
  for (const DeviceCount& device : deploy(model, s.devices)) {
    double bytes = 0;
    for (std::size_t i = 0; i < kComponents; ++i) bytes += as_real(device.params[i]) * s.weight_bytes[i];
    const ModelCount part = count(device.part);
    const HeldExperts experts = experts_of(device, part, s.devices);
    bytes -= experts.layers * experts.numbers * s.weight_bytes[index_of(Component::Routed)] *
             (as_real(s.offloaded) / as_real(s.devices.ep));
    bytes += load_of(s).cached_tokens * s.cache_bytes *
             as_real(kv_numbers_per_token(device.part) + index_numbers_per_token(device.part));
    most = std::max(most, bytes);
  }
  return most;
}

std::int64_t experts_in(double bytes, const Model& model, double expert_bytes) {
  const ModelCount counted = count(model);
  if (counted.moe_layers == 0) throw Error("--offload", "--offload needs a model with experts");
  const double of_all_layers = as_real(counted.moe_layers) * as_real(counted.expert) * expert_bytes,
               experts = std::ceil(bytes / of_all_layers);
  require(experts <= as_real(model.moe->num_experts), "--offload", bytes, "must not exceed the ",
          as_real(model.moe->num_experts) * of_all_layers, " bytes of all experts");
  return static_cast<std::int64_t>(experts);
}

Offload offload_of(const Model& model, const DecodeSetting& s) {
  require_sound(model, s);
  const ModelCount counted = count(model);
  const double expert =
      as_real(counted.moe_layers) * as_real(counted.expert) * s.weight_bytes[index_of(Component::Routed)];
  const double E = as_real(model.moe->num_experts);
  return {expert * as_real(s.offloaded),
          expert * unique_experts(s.batch, E, as_real(model.moe->top_k)) * (as_real(s.offloaded) / E)};
}

}  // namespace moe
