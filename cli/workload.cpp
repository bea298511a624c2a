#include "workload.h"

#include <cmath>

#include "moe/presets.h"
#include "moe/sizing_layer.h"

namespace moe::cli {
namespace {

/// Random numbers in [0, 1).
double uniform(const Stream& stream, std::uint64_t i) {
  return static_cast<double>(stream.word(i)) * 0x1p-32;
}

/// K different experts for token t.
std::vector<Index> experts_of(const Config& config, Load load, std::uint32_t number, Index t) {
  const Index E = config.shape.num_experts, K = config.shape.top_k;
  std::vector<Index> chosen;
  if (load != Load::Zipf) {
    const Index first = load == Load::Balanced ? t * K + number * config.shape.num_tokens * K : number * K;
    for (Index k = 0; k < K; ++k) chosen.push_back((first + k) % E);
    return chosen;
  }
  const Stream stream{kDefaultSeed, 64, number};
  std::vector<double> odds;
  for (Index e = 0; e < E; ++e) odds.push_back(1 / static_cast<double>(e + 1));
  for (Index k = 0; k < K; ++k) {
    double all = 0;
    for (const double x : odds) all += x;
    double left = all * uniform(stream, static_cast<std::uint64_t>(t * K + k));
    Index e = 0;
    while (e + 1 < E && (at(odds, e) == 0 || left >= at(odds, e))) left -= at(odds, e), ++e;
    while (at(odds, e) == 0) --e;  // what rounding left of the last
    at(odds, e) = 0;
    chosen.push_back(e);
  }
  return chosen;
}

void set(Array& a, Index i, double value) {
  const Eigen::bfloat16 x(static_cast<float>(value));
  std::memcpy(a.bytes.data() + 2 * i, &x, 2);
}

}  // namespace

Config layer_of(const Mixture& x, std::int64_t D, Index T, std::int64_t s) {
  const auto smaller = [&](std::int64_t n) { return std::max<std::int64_t>(1, n / s); };
  Config c;
  c.shape = {T, smaller(D), smaller(x.ffn_size), x.num_experts, x.top_k};
  c.router.renorm = Renorm::Sum;
  c.experts = {x.glu, x.glu ? Activation::Silu : Activation::Relu,
               x.bias ? ExpertBias::PerExpert : ExpertBias::None};
  if (x.shared_size > 0)
    c.shared = {x.shared_gate ? SharedMode::SigmoidGate : SharedMode::Add, smaller(x.shared_size)};
  return c;
}

double expert_weights(const Config& config) {
  const auto [T, D, F, E, K] = Letters(config);
  return static_cast<double>(E) * (config.experts.glu ? 3 : 2) * static_cast<double>(D) *
         static_cast<double>(F);
}

Config dense_twin(const Config& config) {
  Config twin = find_preset("dense")->config;
  const Index T = config.shape.num_tokens, K = config.shape.top_k;
  twin.experts = config.experts;
  twin.experts.bias = ExpertBias::None;
  twin.shape.num_tokens = T, twin.shape.hidden_size = config.shape.hidden_size;
  const double wanted = static_cast<double>(layer_multiply_adds(config, T * K));
  const auto with_width = [&](Index width) {
    twin.shape.ffn_size = width;
    return static_cast<double>(layer_multiply_adds(twin, T));
  };
  const double first = with_width(1), slope = with_width(2) - first;
  with_width(std::max<Index>(1, std::llround((wanted - first) / slope) + 1));
  return twin;
}

Inputs weights_for(const Config& config) {
  const auto [T, D, F, E, K] = Letters(config);
  Inputs inputs = seeded_inputs(config);
  for (const Tensor id : {Tensor::x, Tensor::dy}) inputs.erase(id);
  for (auto& [id, a] : inputs) a = materialized(std::move(a));
  if (!has_router(config)) return inputs;
  require(E <= D, "shape.num_experts", E, "must be at most shape.hidden_size = ", D, " for a chosen load");
  Array& router = inputs[Tensor::router_weight];
  std::fill(router.bytes.begin(), router.bytes.end(), std::byte{0});
  for (Index e = 0; e < E; ++e) set(router, e * D + e, 1);
  return inputs;
}

Inputs batch_for(const Config& config, Load load, std::uint32_t number) {
  const auto [T, D, F, E, K] = Letters(config);
  const Inputs all = seeded_inputs(config, kDefaultSeed, number);
  Inputs batch{{Tensor::x, materialized(all.at(Tensor::x))}, {Tensor::dy, materialized(all.at(Tensor::dy))}};
  if (!has_router(config)) return batch;
  Array& x = batch[Tensor::x];
  for (Index t = 0; t < T; ++t) {
    for (Index e = 0; e < E; ++e) set(x, t * D + e, -4);
    const std::vector<Index> chosen = experts_of(config, load, number, t);
    for (Index k = 0; k < K; ++k) set(x, t * D + at(chosen, k), 4 - 0.125 * static_cast<double>(k));
  }
  return batch;
}

}  // namespace moe::cli
