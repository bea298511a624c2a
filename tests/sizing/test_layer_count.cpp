#include "../support.h"
#include "moe/check.h"
#include "moe/scalar/count.h"
#include "moe/sizing_layer.h"

using namespace moe;

namespace {

/// Runs the layer's forward pass with the scalar that counts, and compares with the formula.
void compare(const Config& config, const Inputs& inputs) {
  const Decisions decisions = decide(config, params_of<double>(config, inputs));
  Count::multiply_adds = 0;
  layer_forward(config, params_of<Count>(config, inputs), decisions);
  const Plan& plan = decisions.plan;
  std::int64_t without_row = 0;
  for (Index t = 0; t < plan.row.rows(); ++t) without_row += (plan.row.row(t).array() >= 0).any() ? 0 : 1;
  const Index unchanged = plan.N() - plan.rows_before(computed_experts(config));
  CHECK(Count::multiply_adds == layer_multiply_adds(config, plan.N(), without_row, unchanged));
}

}  // namespace

TEST_CASE("layer count: every preset does the multiply-adds of the formula") {
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    compare(preset.config, seeded_inputs(preset.config));
  }
}

TEST_CASE("layer count: 200 random layers do the multiply-adds of the formula") {
  for (Index i = 0; i < 200; ++i) {
    CAPTURE(i);
    const CheckCase c = random_case(i);
    compare(c.config, c.golden.inputs);
  }
}

TEST_CASE("layer count: a gate of the shared expert and a token without experts count") {
  Config c = find_preset("switch")->config;
  c.capacity.mode = CapacityMode::Fixed, c.capacity.fixed = 1;
  c.capacity.dropped_output = DroppedOutput::ScaledIdentity;
  compare(c, seeded_inputs(c));
  Config gated = find_preset("mixtral")->config;
  gated.shared = {SharedMode::SigmoidGate, 7};
  compare(gated, seeded_inputs(gated));
  gated.shared.mode = SharedMode::Average;
  compare(gated, seeded_inputs(gated));
  gated.combine.weight_location = WeightLocation::Input;
  compare(gated, seeded_inputs(gated));
}

TEST_CASE("layer count: a layer's parameters are the elements of its tensors") {
  const auto compare_elements = [](const Config& config) {
    std::int64_t elements = 0;
    for (const auto& [id, array] : seeded_inputs(config)) elements += is_of_batch(id) ? 0 : array.size();
    CHECK(count(model_of(config)).total == elements);
  };
  compare_elements(small("mixtral", {"router.input=own", "router.expert_scale=true", "experts.latent_size=3",
                                     "combine.norm=rms", "experts.bias=after_combine"}));
  compare_elements(small("dense", {"combine.norm=rms", "experts.bias=after_combine"}));
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    compare_elements(preset.config);
  }
}
