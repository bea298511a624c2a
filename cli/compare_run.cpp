#include "compare_run.h"

#include <cmath>

#include "moe/backend.h"
#include "moe/scalar/count.h"
#include "moe/sizing_layer.h"
#include "moe/validate.h"
#include "workload.h"

namespace moe::cli {
namespace {

constexpr double kMostNumbers = 1 << 23,
                 kMostProducts = 3e8;  // of weights, and multiply-adds: about a second

Config affordable(const Mixture& x, std::int64_t D, Index T) {
  for (std::int64_t s = 1; s <= D; s *= 2) {
    Config c = layer_of(x, D, T, s);
    if (expert_weights(c) <= kMostNumbers &&
        static_cast<double>(layer_multiply_adds(c, T * c.shape.top_k)) <= kMostProducts)
      return c;
  }
  throw CannotRun("--run: " + with_commas(x.num_experts) +
                  " experts are too many for this machine, however small");
}

LayerRun run_one(const std::string& name, const Config& config) {
  validate(config);
  LayerRun run{name, config};
  run.formula = layer_multiply_adds(config, config.shape.num_tokens * config.shape.top_k);
  Inputs inputs = seeded_inputs(config);
  for (auto& [id, a] : inputs) a = materialized(std::move(a));
  const std::unique_ptr<LoadedLayer> layer = load_on(backend_called("cpu"), config, inputs, Format::F32);
  layer->forward(inputs);  // makes what later runs find
  std::vector<double> seconds;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    layer->forward(inputs);
    seconds.push_back(seconds_since(start));
  }
  std::sort(seconds.begin(), seconds.end());
  run.seconds = seconds[1];
  const Decisions decisions = decide(config, params_of<double>(config, inputs));
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
