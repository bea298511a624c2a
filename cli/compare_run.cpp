#include "compare_run.h"

#include <cmath>

#include "moe/evaluate.h"
#include "moe/presets.h"
#include "moe/scalar/count.h"
#include "moe/sizing_layer.h"
#include "moe/validate.h"

namespace moe::cli {
namespace {

constexpr double kMostNumbers = 1 << 23,
                 kMostProducts = 3e8;  // of weights, and multiply-adds: about a second

/// The layer at D / s and F / s.
Config scaled_down(const Mixture& x, std::int64_t D, Index T, std::int64_t s) {
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

double weights_of(const Config& c) {
  const auto [T, D, F, E, K] = Letters(c);
  return static_cast<double>(D) *
         (static_cast<double>(E) * 3 * static_cast<double>(F) + static_cast<double>(E));
}

Config affordable(const Mixture& x, std::int64_t D, Index T) {
  for (std::int64_t s = 1; s <= D; s *= 2) {
    const Config c = scaled_down(x, D, T, s);
    if (weights_of(c) <= kMostNumbers &&
        static_cast<double>(layer_multiply_adds(c, T * c.shape.top_k)) <= kMostProducts)
      return c;
  }
  throw CannotRun("--run: " + with_commas(x.num_experts) +
                  " experts are too many for this machine, however small");
}

/// Router, experts and shared experts of the layer in one block: as many multiply-adds, to the nearest width.
Config dense_twin(const Config& c) {
  Config twin = find_preset("dense")->config;
  const Index T = c.shape.num_tokens, K = c.shape.top_k;
  twin.experts = c.experts;
  twin.experts.bias = ExpertBias::None;
  twin.shape.num_tokens = T, twin.shape.hidden_size = c.shape.hidden_size;
  const double wanted = static_cast<double>(layer_multiply_adds(c, T * K));
  const auto at = [&](Index width) {
    twin.shape.ffn_size = width;
    return static_cast<double>(layer_multiply_adds(twin, T));
  };
  const double first = at(1), slope = at(2) - first;
  at(std::max<Index>(1, std::llround((wanted - first) / slope) + 1));
  return twin;
}

LayerRun run_one(const std::string& name, const Config& config) {
  validate(config);
  LayerRun run{name, config};
  run.formula = layer_multiply_adds(config, config.shape.num_tokens * config.shape.top_k);
  Inputs inputs = seeded_inputs(config);
  for (auto& [id, a] : inputs) a = materialized(std::move(a));
  // Without decisions evaluate would compute the logits twice: to decide, and to go on from.
  const Decisions decisions = decide(config, params_of<double>(config, inputs));
  std::vector<double> seconds;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    evaluate<double>(config, inputs, &decisions, false);
    seconds.push_back(seconds_since(start));
  }
  std::sort(seconds.begin(), seconds.end());
  run.seconds = seconds[1];
  Count::multiply_adds = 0;
  evaluate<Count>(config, inputs, &decisions, false);
  run.counted = Count::multiply_adds;
  return run;
}

}  // namespace

std::vector<LayerRun> run_layer_and_twin(const Model& model, Index T) {
  if (!model.moe || count(model).moe_layers == 0)
    throw Error("MODEL", "MODEL = " + model.name + " must have experts");
  if (model.moe->branches > 0 || model.moe->latent_size > 0 || model.moe->zero_experts > 0)
    throw CannotRun("--run: the layer of " + model.name + " is none that this program computes");
  const Config layer = affordable(*model.moe, model.hidden_size, T);
  return {run_one(model.name, layer), run_one("dense twin", dense_twin(layer))};
}

}  // namespace moe::cli
