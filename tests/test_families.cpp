#include "moe/huggingface.h"
#include "scratch.h"

// What the config.json of some model types says that no older type has.
using namespace moe;

namespace {

Config read(const Json& json) { return config_from_huggingface(json, "c.json").config; }

Json sized(const char* type) {
  return {{"model_type", type}, {"hidden_act", "silu"}, {"hidden_size", 32}, {"moe_intermediate_size", 24}};
}

}  // namespace

TEST_CASE("families: Muse Spark has norms in a latent space, and a factor of its logits") {
  Json json = sized("muse_spark_text");
  json.update({{"num_local_experts", 8},
               {"num_experts_per_tok", 2},
               {"routed_scaling_factor", 1.5},
               {"moe_hidden_size", 12},
               {"rms_norm_eps", 1e-5},
               {"post_norm_eps", 1e-8},
               {"output_multiplier", 0.25}});
  const Config c = read(json);
  CHECK((norms_latent(c) && norms_experts(c) && c.experts.latent_size == 12));
  CHECK((c.experts.latent_norm_epsilon == 1e-5 && c.experts.output_norm_epsilon == 1e-8));
  CHECK((c.router.logit_scale == 0.25 && c.router.routed_scaling_factor == 1.5));
  CHECK((c.router.renorm_epsilon == 1e-15 && adds_to_sum(c.router)));
  json.erase("moe_hidden_size");
  CHECK(error_of([&] { read(json); }) == "c.json: must have moe_hidden_size");
}

TEST_CASE("families: the shared experts of Inkling are sinks") {
  Json json = sized("inkling_text");
  json.update(
      {{"n_routed_experts", 6}, {"num_experts_per_tok", 2}, {"n_shared_experts", 2}, {"route_scale", 8.0}});
  const Config c = read(json);
  CHECK((c.router.sinks == 2 && c.shape.num_experts == 8 && c.shape.top_k == 4));
  CHECK((c.router.expert_scale && c.router.routed_scaling_factor == 8 && !has_shared(c)));
  json["shared_expert_sink"] = false;
  CHECK(error_of([&] { read(json); }) == "c.json: shared_expert_sink = false must be true");
}

TEST_CASE("families: Inkling 2 draws gates and ups together") {
  for (const char* type : {"inkling2_text", "inkling2_loop_text"}) {
    Json json = sized(type);
    json.update({{"n_routed_experts", 6},
                 {"num_experts_per_tok", 2},
                 {"route_scale", 8.0},
                 {"mlp_gate_softcap", 4.0},
                 {"mlp_up_softcap", 25.0}});
    const Config c = read(json);
    CHECK((c.experts.softcap_gate == 4 && c.experts.softcap_up == 25));
    json["scoring_func"] = "softmax";
    CHECK(error_of([&] { read(json); }) == "c.json: scoring_func = \"softmax\" must be sigmoid");
  }
}

TEST_CASE("families: ERNIE 4.5 VL has experts of two widths, of which those for text come first") {
  Json json = sized("ernie4_5_vl_moe_text");
  json.update({{"moe_num_experts", 8},
               {"moe_k", 2},
               {"moe_num_shared_experts", 2},
               {"moe_intermediate_size", {24, 20}}});
  const Config c = read(json);
  CHECK((c.shape.ffn_size == 24 && c.shared.ffn_size == 48 && c.router.selection_bias));
  json["moe_intermediate_size"] = 24;
  CHECK(error_of([&] { read(json); }) ==
        "c.json: moe_intermediate_size = 24 must be a list of widths: of text, and of images");
}
