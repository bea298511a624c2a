#include "moe/config_json.h"
#include "support.h"

using namespace moe;

namespace {

std::string error_with(const std::string& preset, const std::string& assignment) {
  return error_of([&] {
    Json json = config_to_json(small(preset));
    set_field(json, assignment);
    config_from_json(json);
  });
}

}  // namespace

TEST_CASE("config_json: what is written reads back, for every preset") {
  for (const Preset& preset : presets()) {
    const Json json = config_to_json(preset.config);
    CHECK(config_to_json(config_from_json(json)) == json);
    CHECK(config_to_json(config_from_json(parse_json(print_json(json), "f"))) == json);
  }
}

TEST_CASE("config_json: only fields with a meaning are written") {
  const Json json = config_to_json(small("mixtral"));
  CHECK(json["capacity"] == Json({{"mode", "none"}}));
  CHECK(config_to_json(small("dense"))["router"] == Json({{"score_function", "none"}}));
  CHECK(!json["aux"][0].contains("reduce"));
}

TEST_CASE("config_json: unknown fields and values are errors that list what there is") {
  CHECK(error_with("mixtral", "router.temperature=2") ==
        "router.temperature = 2 is not a field; router has score_function, score_offset, choice, input, "
        "logit_bias, logit_scale, "
        "logit_softcap, "
        "selection_bias, selection_bias_on, sinks, n_group, topk_group, group_score, group_score_n, "
        "closed_groups, "
        "renorm, sparsemixer_jitter, renorm_stage, renorm_epsilon, renorm_epsilon_mode, "
        "routed_scaling_factor, expert_scale, "
        "second_policy, "
        "second_threshold, second_place");
  CHECK(error_with("mixtral", "groups=2") ==
        "groups = 2 is not a field; a config has shape, router, noise, capacity, combine, "
        "experts, shared, aux, bias_update");
  CHECK(error_with("mixtral", "router.score_function=softplus") ==
        "router.score_function = \"softplus\" must be one of none, softmax, sigmoid, sqrtsoftplus, identity");
  CHECK(error_with("mixtral", "aux.load_balance.weight=1") ==
        "aux.0.weight = 1 is not a field; aux.0 has name, kind, coefficient, f_source, "
        "f_divide_by_k, f_from, f_stage, divisor, p_source, multiply, scope, earlier_tokens, p_of_batch, "
        "masked, z_of, epsilon, "
        "variance, "
        "importance_of, load_against");
}

TEST_CASE("config_json: types are strict") {
  CHECK(error_with("mixtral", "shape.top_k=2.0") == "shape.top_k = 2.0 must be an integer of 64 bits");
  CHECK(error_with("mixtral", "shape.top_k=\"2\"") == "shape.top_k = \"2\" must be an integer of 64 bits");
  CHECK(error_with("mixtral", "shape.top_k=18446744073709551615") ==
        "shape.top_k = 18446744073709551615 must be an integer of 64 bits");
  CHECK(error_with("mixtral", "shape.top_k=99999999999999999999") ==
        "shape.top_k = 1e+20 must be an integer of 64 bits");
  CHECK(error_with("mixtral", "experts.glu=1") == "experts.glu = 1 must be true or false");
  CHECK(error_with("switch", "capacity.factor=NaN") == "capacity.factor = \"NaN\" must be a number");
  CHECK(error_with("switch", "capacity.factor=1e400") == "capacity.factor = \"1e400\" must be a number");
  CHECK(error_with("mixtral", "aux=3") == "aux = 3 must be an array");
  CHECK(error_with("mixtral", "shape=3") == "shape = 3 must be an object");
  CHECK(error_with("mixtral", "aux.0=3") == "aux.0 = 3 must be an object");
  CHECK(error_of([] { config_from_json(Json(3)); }) == "config = 3 must be an object");
}

TEST_CASE(
    "config_json: a field without a meaning is an error where it was given, and forgotten where it was not") {
  CHECK(error_with("mixtral", "capacity.factor=1.25") ==
        "capacity.factor = 1.25 has no meaning under the config's other choices");
  CHECK(small("switch", {"capacity.mode=none"}).capacity.mode == CapacityMode::None);
  CHECK(error_of([] {
          small("switch", {"capacity.mode=none", "capacity.factor=2"});
        }) == "capacity.factor = 2 has no meaning under the config's other choices");
}

TEST_CASE("config_json: set_field follows dots, names and numbers") {
  Json json = config_to_json(small("switch"));
  CHECK(set_field(json, "aux.z.coefficient=0.5") == "aux.1.coefficient");
  CHECK(set_field(json, "aux.0.coefficient=0.25") == "aux.0.coefficient");
  CHECK(config_from_json(json).aux[1].coefficient == 0.5);
  CHECK(config_from_json(json).aux[0].coefficient == 0.25);
  for (const char* bad :
       {"", "=1", "shape.top_k", "aux.nothing.coefficient=1", "shape.top_k.more=1", "shape..x=1", ".=1"})
    CHECK(error_of([&] { set_field(json, bad); }).starts_with("--set = "));
}
