#include "moe/validate.h"
#include "support.h"

using namespace moe;

namespace {

/// The error of a preset after an assignment to its config, or "no error".
std::string broken(const std::string& preset, const std::function<void(Config&)>& change) {
  Config config = small(preset);
  change(config);
  return error_of([&] { validate(config); });
}

}  // namespace

TEST_CASE("validate: presets have a meaning") {
  for (const Preset& preset : presets()) CHECK(error_of([&] { validate(preset.config); }) == "no error");
}

TEST_CASE("validate: sizes") {
  CHECK(broken("mixtral", [](Config& c) { c.shape.top_k = 5; }) ==
        "shape.top_k = 5 must not exceed shape.num_experts = 4");
  CHECK(broken("mixtral", [](Config& c) { c.shape.top_k = 0; }) ==
        "shape.top_k = 0 must lie in [1, 2147483647]");
  CHECK(broken("mixtral", [](Config& c) { c.shape.num_tokens = -1; }) ==
        "shape.num_tokens = -1 must lie in [0, 2147483647]");
  CHECK(broken("mixtral", [](Config& c) { c.shape.hidden_size = 0; }) ==
        "shape.hidden_size = 0 must lie in [1, 2147483647]");
  CHECK(broken("mixtral", [](Config& c) { c.shape.ffn_size = Index{1} << 31; }) ==
        "shape.ffn_size = 2147483648 must lie in [1, 2147483647]");
  CHECK(broken("mixtral", [](Config& c) { c.shape.hidden_size = c.shape.ffn_size = 1 << 30; }) ==
        "shape.num_experts = 4 makes a tensor of more than 2^50 elements");
  CHECK(broken("mixtral", [](Config& c) { c.shape.num_tokens = c.shape.hidden_size = 1 << 30; }) ==
        "shape.num_tokens = 1073741824 makes a tensor of more than 2^50 elements");
  CHECK(broken("mixtral", [](Config& c) { c.shape.num_tokens = 1 << 30, c.shape.ffn_size = 1 << 21; }) ==
        "shape.num_tokens = 1073741824 makes a tensor of more than 2^50 elements");
}

TEST_CASE("validate: capacities") {
  CHECK(broken("switch", [](Config& c) { c.capacity.factor = 0; }) ==
        "capacity.factor = 0 must lie in (0, 1e6]");
  CHECK(broken("switch", [](Config& c) { c.capacity.factor = std::nan(""); }) ==
        "capacity.factor = nan must lie in (0, 1e6]");
  CHECK(broken("switch", [](Config& c) { c.capacity.factor = 1.0 / 3; }) ==
        "capacity.factor = 0.3333333333333333 must be a decimal of at most nine places");
  CHECK(broken("switch", [](Config& c) { c.capacity.outer_round = Rounding::None; }) ==
        "capacity.outer_round = none must be floor, ceil or half_even");
  CHECK(broken("switch", [](Config& c) { c.capacity.multiple_of = 0; }) ==
        "capacity.multiple_of = 0 must lie in [1, 2147483647]");
  CHECK(broken("switch", [](Config& c) { c.capacity.min_capacity = -1; }) ==
        "capacity.min_capacity = -1 must lie in [0, 2147483647]");
  const auto fixed = [](Config& c) {
    c.capacity.mode = CapacityMode::Fixed, c.capacity.dropped_output = DroppedOutput::ScaledIdentity;
  };
  CHECK(broken("mixtral", fixed) == "capacity.dropped_output = scaled_identity needs shape.top_k = 1, not 2");
  CHECK(broken("mixtral",
               [&](Config& c) {
                 fixed(c), c.shape.top_k = 1, c.router.renorm_stage = RenormStage::AfterDrop;
               }) ==
        "capacity.dropped_output = scaled_identity needs a weight for dropped choices, so "
        "router.renorm_stage = before_drop");
  CHECK(broken("mixtral", [&](Config& c) { fixed(c), c.shape.top_k = 1, c.capacity.fixed = -1; }) ==
        "capacity.fixed = -1 must lie in [0, 2147483647]");
}

TEST_CASE("validate: a dense layer has one expert, no capacity and no losses") {
  CHECK(broken("dense", [](Config& c) { c.shape.num_experts = 2; }) ==
        "shape.num_experts = 2 must be 1 without a router (router.score_function = none)");
  CHECK(broken("dense", [](Config& c) { c.capacity.mode = CapacityMode::Fixed; }) ==
        "capacity.mode = factor or fixed needs a router (router.score_function = none)");
  CHECK(broken("dense", [](Config& c) {
          c.aux.push_back({"z", AuxKind::Z, 1});
        }) == "aux = 1 losses need a router (router.score_function = none)");
}

TEST_CASE("validate: names and coefficients of losses") {
  const auto named = [](const std::string& name) {
    return broken("switch", [&](Config& c) { c.aux[1].name = name; });
  };
  CHECK(named("load_balance") == "aux.1.name = load_balance must be unique, and not task or total");
  CHECK(named("total") == "aux.1.name = total must be unique, and not task or total");
  CHECK(named("Z") == "aux.1.name = Z must consist of a-z, 0-9 and _");
  CHECK(named("") == "aux.1.name =  must consist of a-z, 0-9 and _");
  CHECK(broken("switch", [](Config& c) { c.aux[0].coefficient = HUGE_VAL; }) ==
        "aux.0.coefficient = inf must be finite");
}
