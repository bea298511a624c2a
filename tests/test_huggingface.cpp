#include <fstream>

#include "moe/huggingface.h"
#include "scratch.h"

using namespace moe;

namespace {

// The fields that concern the layers in the config.json of Mixtral-8x7B, DeepSeek-V3, Kimi-K2, Qwen3-30B-A3B and
// Qwen3-Next-80B-A3B as released.
const char* const kMixtral = R"({"model_type": "mixtral", "hidden_act": "silu", "hidden_size": 4096,
  "intermediate_size": 14336, "num_experts_per_tok": 2, "num_hidden_layers": 32, "num_local_experts": 8,
  "router_aux_loss_coef": 0.02, "sliding_window": null})";
const char* const kDeepSeek =
    R"({"model_type": "deepseek_v3", "first_k_dense_replace": 3, "hidden_act": "silu",
  "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 8,
  "n_routed_experts": 256, "n_shared_experts": 1, "norm_topk_prob": true, "num_experts_per_tok": 8,
  "routed_scaling_factor": 2.5, "scoring_func": "sigmoid", "topk_group": 4, "topk_method": "noaux_tc"})";
const char* const kKimi = R"({"model_type": "kimi_k2", "aux_loss_alpha": 0.001, "hidden_act": "silu",
  "hidden_size": 7168, "moe_intermediate_size": 2048, "n_group": 1, "n_routed_experts": 384, "n_shared_experts": 1,
  "norm_topk_prob": true, "num_experts_per_tok": 8, "routed_scaling_factor": 2.827, "scoring_func": "sigmoid",
  "seq_aux": true, "topk_group": 1, "topk_method": "noaux_tc"})";
const char* const kQwen3 = R"({"model_type": "qwen3_moe", "decoder_sparse_step": 1, "hidden_act": "silu",
  "hidden_size": 2048, "intermediate_size": 6144, "mlp_only_layers": [], "moe_intermediate_size": 768,
  "norm_topk_prob": true, "num_experts": 128, "num_experts_per_tok": 8, "router_aux_loss_coef": 0.001})";
const char* const kQwen3Next = R"({"model_type": "qwen3_next", "hidden_act": "silu", "hidden_size": 2048,
  "intermediate_size": 5120, "moe_intermediate_size": 512, "norm_topk_prob": true, "num_experts": 512,
  "num_experts_per_tok": 10, "router_aux_loss_coef": 0.001, "shared_expert_intermediate_size": 512})";

// What concerns the layers in the default configs of transformers 5.24, made small where it does not matter.
const char* const kGptOss = R"({"model_type": "gpt_oss", "hidden_act": "silu", "hidden_size": 2880,
  "intermediate_size": 2880, "num_experts_per_tok": 4, "num_local_experts": 128, "swiglu_alpha": 1.702,
  "swiglu_limit": 7.0})";
const char* const kLlama4 = R"({"model_type": "llama4_text", "hidden_act": "silu", "hidden_size": 5120,
  "intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_experts_per_tok": 1, "num_local_experts": 16})";
const char* const kLongcat = R"({"model_type": "longcat_flash", "hidden_act": "silu", "hidden_size": 6144,
  "expert_ffn_hidden_size": 2048, "moe_topk": 12, "n_routed_experts": 512, "zero_expert_num": 256,
  "routed_scaling_factor": 6.0})";
const char* const kDeepSeekV4 = R"({"model_type": "deepseek_v4", "hidden_act": "silu", "hidden_size": 4096,
  "moe_intermediate_size": 2048, "num_experts_per_tok": 6, "n_routed_experts": 256, "n_shared_experts": 1,
  "scoring_func": "sqrtsoftplus", "norm_topk_prob": true, "routed_scaling_factor": 1.5, "swiglu_limit": 10.0,
  "router_jitter_noise": 0.0})";
const char* const kNemotron = R"({"model_type": "nemotron_h", "mlp_hidden_act": "relu2", "hidden_size": 32,
  "moe_intermediate_size": 24, "moe_shared_expert_intermediate_size": 20, "moe_latent_size": null,
  "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
  "norm_topk_prob": true, "routed_scaling_factor": 1.0})";
const char* const kCohere = R"({"model_type": "cohere2_moe", "hidden_act": "silu", "hidden_size": 32,
  "intermediate_size": 24, "num_experts": 8, "num_experts_per_tok": 2, "num_shared_experts": 1,
  "shared_expert_combination_strategy": "sum", "expert_selection_fn": "softmax"})";
const char* const kLaguna = R"({"model_type": "laguna", "hidden_act": "silu", "hidden_size": 32,
  "moe_intermediate_size": 24, "num_experts": 8, "num_experts_per_tok": 2, "shared_expert_intermediate_size": 20,
  "moe_routed_scaling_factor": 1.0, "moe_router_logit_softcapping": 0.0})";

/// The document with some fields replaced; null takes one away.
Json changed(const char* text, const Json& fields) {
  Json json = parse_json(text, "test");
  json.update(fields);
  return json;
}
Config read(const char* text, const Json& fields = Json::object()) {
  return config_from_huggingface(changed(text, fields), "c.json").config;
}
std::string error_with(const char* text, const Json& fields) {
  return error_of([&] { read(text, fields); });
}

/// The preset in the size of another config, without what concerns training.
Json untrained(const char* preset, const Config& size) {
  Config c = find_preset(preset)->config;
  c.shape = size.shape;
  c.shared.ffn_size = size.shared.ffn_size;
  c.aux = {};
  c.bias_update = {};
  return config_to_json(c);
}

Json untrained_of(Config c) {
  c.aux = {};
  c.bias_update = {};
  return config_to_json(c);
}

}  // namespace

TEST_CASE("huggingface: Mixtral's config is the preset in Mixtral's size") {
  const Config c = read(kMixtral);
  Config want = find_preset("mixtral")->config;
  want.shape = {16, 4096, 14336, 8, 2};
  CHECK(config_to_json(c) == config_to_json(want));
}

TEST_CASE("huggingface: DeepSeek-V3's config is the preset in its size, less the training") {
  const ForeignConfig v3 = config_from_huggingface(parse_json(kDeepSeek, "v3"), "v3");
  CHECK(config_to_json(v3.config) == untrained("deepseek_v3", v3.config));
  const Letters letters(v3.config);
  CHECK(letters.D == 7168);
  CHECK(letters.F == 2048);
  CHECK(letters.E == 256);
  CHECK(letters.K == 8);
  CHECK(v3.config.shared.ffn_size == 2048);
  CHECK(v3.source ==
        "huggingface/transformers, DeepseekV3MoE at commit 000c33fdfde1, which adds 1e-20 to the sum of the "
        "weights; this layer does not");
}

TEST_CASE("huggingface: Kimi-K2 has one group, its own factor, and the loss of DeepSeek-V3") {
  const ForeignConfig kimi = config_from_huggingface(parse_json(kKimi, "k2"), "k2");
  CHECK(kimi.config.shape.num_experts == 384);
  CHECK(kimi.config.router.selection_bias);
  CHECK(kimi.config.router.n_group == 1);
  CHECK(kimi.config.router.routed_scaling_factor == 2.827);
  CHECK(kimi.source.ends_with(", which adds 1e-20 to the sum of the weights; this layer does not"));
  Config loss = find_preset("deepseek_v3")->config;
  loss.aux.at(0).coefficient = 0.001;
  CHECK(config_to_json(kimi.config)["aux"] == config_to_json(loss)["aux"]);
  CHECK(read(kKimi, {{"seq_aux", false}}).aux.at(0).scope == Scope::Batch);
  CHECK(read(kKimi, {{"aux_loss_alpha", nullptr}}).aux.empty());
}

TEST_CASE("huggingface: Qwen divides by the sum where it says so, and may have a gated expert") {
  const Config qwen3 = read(kQwen3);
  CHECK(qwen3.shape.ffn_size == 768);
  CHECK(qwen3.shape.num_experts == 128);
  CHECK(qwen3.router.renorm == Renorm::Sum);
  CHECK(qwen3.aux.at(0).coefficient == 0.001);
  CHECK(qwen3.shared.mode == SharedMode::None);
  CHECK(read(kQwen3, {{"norm_topk_prob", false}}).router.renorm == Renorm::None);
  CHECK(read(kQwen3, {{"num_experts", nullptr}, {"num_local_experts", 64}}).shape.num_experts == 64);
  const Config next = read(kQwen3Next), qwen2 = read(kQwen3Next, {{"model_type", "qwen2_moe"}});
  CHECK(next.shared.mode == SharedMode::SigmoidGate);
  CHECK(next.shared.ffn_size == 512);
  CHECK(next.shape.top_k == 10);
  CHECK(config_to_json(next) == config_to_json(qwen2));
  CHECK(read(kQwen3Next, {{"shared_expert_intermediate_size", 0}}).shared.mode == SharedMode::None);
}

TEST_CASE("huggingface: the others of the table differ from these in one thing each") {
  const auto same = [](const Config& a, const Config& b) { return config_to_json(a) == config_to_json(b); };
  CHECK(same(read(kMixtral, {{"model_type", "granitemoe"}}), read(kMixtral)));
  Config jamba = read(kMixtral);
  jamba.router.renorm = Renorm::None;
  CHECK(same(read(kMixtral, {{"model_type", "jamba"}}), jamba));
  CHECK(same(read(kMixtral, {{"model_type", "olmoe"}, {"norm_topk_prob", false}}), jamba));
  CHECK(same(read(kDeepSeek, {{"model_type", "glm4_moe"}}), read(kDeepSeek)));
  CHECK(same(read(kDeepSeek, {{"model_type", "dots1"}, {"topk_method", nullptr}}), read(kDeepSeek)));
}

TEST_CASE("huggingface: DeepSeek-V2 ranks groups by their best, and does not divide") {
  const Json v2{{"model_type", "deepseek_v2"},
                {"scoring_func", "softmax"},
                {"norm_topk_prob", false},
                {"n_shared_experts", 2},
                {"aux_loss_alpha", 0.001}};
  Json limited = v2;
  limited["topk_method"] = "group_limited_greedy";
  const Config c = read(kDeepSeek, limited);
  CHECK(c.router.score_function == ScoreFunction::Softmax);
  CHECK(!c.router.selection_bias);
  CHECK(c.router.renorm == Renorm::None);
  CHECK(c.router.n_group == 8);
  CHECK(c.router.topk_group == 4);
  CHECK(c.router.group_score == GroupScore::Max);
  CHECK(c.shared.ffn_size == 4096);
  CHECK(c.aux.at(0).f_from == LoadFrom::Selected);
  CHECK(c.aux.at(0).f_divide_by_k);
  CHECK(config_from_huggingface(changed(kDeepSeek, limited), "").source ==
        "huggingface/transformers, DeepseekV2MoE at commit ecd75d532efe, which lets experts of closed groups "
        "compete with a score of 0; "
        "this layer does not");
  Json greedy = v2;
  greedy["topk_method"] = "greedy";
  CHECK(read(kDeepSeek, greedy).router.n_group == 1);
  Json divided = greedy;
  divided["norm_topk_prob"] = true;
  CHECK(read(kDeepSeek, divided).router.renorm == Renorm::None);
  CHECK(config_from_huggingface(changed(kDeepSeek, divided), "")
            .source.ends_with(", which does not look at norm_topk_prob"));
}

TEST_CASE("huggingface: what is missing, of another kind, or contradictory is an error that names its key") {
  CHECK(error_with(kMixtral, {{"num_local_experts", nullptr}}) == "c.json: must have num_experts");
  CHECK(error_with(kMixtral, {{"num_experts", 9}}) ==
        "c.json: num_local_experts = 8 must equal num_experts = 9");
  CHECK(error_with(kQwen3, {{"moe_intermediate_size", nullptr}}) ==
        "c.json: must have moe_intermediate_size");
  CHECK(error_with(kQwen3, {{"norm_topk_prob", nullptr}}) == "c.json: must have norm_topk_prob");
  CHECK(error_with(kQwen3, {{"norm_topk_prob", 1}}) == "c.json: norm_topk_prob = 1 must be true or false");
  const std::string whole = " must be a whole number in [1, 2147483647]";
  for (const Json& bad :
       {Json("x"), Json(-1), Json(0), Json(1.5), Json(18446744073709551615ULL), Json::array()})
    CHECK(error_with(kQwen3, {{"hidden_size", bad}}) == "c.json: hidden_size = " + shown(bad) + whole);
  CHECK(error_with(kMixtral, {{"router_aux_loss_coef", "x"}}) ==
        "c.json: router_aux_loss_coef = \"x\" must be a number");
  CHECK(error_with(kDeepSeek, {{"n_shared_experts", -1}}) ==
        "c.json: n_shared_experts = -1 must be a whole number in [0, 2147483647]");
  CHECK(read(kDeepSeek, {{"n_shared_experts", nullptr}}).shared.mode == SharedMode::None);
  CHECK(error_with(kMixtral, {{"num_experts_per_tok", 9}}) ==
        "c.json: num_experts_per_tok = 9 must not exceed num_experts = 8");
  CHECK(error_with(kDeepSeek, {{"n_group", 7}}) == "c.json: n_group = 7 must divide num_experts = 256");
  CHECK(error_with(kDeepSeek, {{"topk_group", 9}}) == "c.json: topk_group = 9 must lie in [1, 8], n_group");
  CHECK(read(kDeepSeek, {{"n_group", nullptr}}).router.n_group == 1);
  CHECK(error_with(kDeepSeek, {{"routed_scaling_factor", 0}}) ==
        "c.json: routed_scaling_factor = 0 must be positive and finite");
}

TEST_CASE("huggingface: what would be another layer is refused") {
  const std::string unknown = error_with(kMixtral, {{"model_type", "llama"}});
  CHECK(unknown.starts_with("c.json: model_type = \"llama\" must be one of mixtral, granitemoe, "));
  CHECK(error_with(kMixtral, {{"model_type", "gpt_os"}}).ends_with("; did you mean gpt_oss?"));
  CHECK(error_with(kMixtral, {{"model_type", nullptr}}) == "c.json: must have model_type");
  CHECK(error_with(kMixtral, {{"hidden_act", "mish"}}) ==
        "c.json: hidden_act = \"mish\" must be one of silu, swish, relu, gelu, gelu_pytorch_tanh, gelu_new, "
        "gelu_fast, quick_gelu, relu2, linear");
  CHECK(read(kMixtral, {{"hidden_act", "gelu_pytorch_tanh"}}).experts.activation == Activation::GeluTanh);
  CHECK(config_from_huggingface(changed(kMixtral, {{"router_jitter_noise", 0.01}}), "")
            .source.ends_with(", which multiplies x by noise in training; this is evaluation"));
  CHECK(error_with(kDeepSeek, {{"mlp_bias", true}}) == "c.json: mlp_bias = true must be false");
  CHECK(error_with(kDeepSeek, {{"scoring_func", "softmax"}}) ==
        "c.json: scoring_func = \"softmax\" must be sigmoid");
  CHECK(error_with(kDeepSeek, {{"topk_method", "greedy"}}) ==
        "c.json: topk_method = \"greedy\" must be noaux_tc");
  CHECK(error_with(kNemotron, {{"moe_latent_size", 0}}) ==
        "c.json: moe_latent_size = 0 must be a whole number in [1, 2147483647]");
  CHECK(error_with(kCohere, {{"shared_expert_combination_strategy", "product"}}) ==
        "c.json: shared_expert_combination_strategy = \"product\" must be sum");
  CHECK(error_with(kGptOss, {{"swiglu_limit", -1}}) ==
        "c.json: swiglu_limit = -1 must be positive and finite");
}

TEST_CASE("huggingface: gpt-oss, Llama 4, LongCat and DeepSeek-V4 are the presets in their sizes") {
  const auto is = [](const char* text, const char* preset) {
    const Config c = read(text);
    return untrained(preset, c) == untrained_of(c);
  };
  CHECK(is(kGptOss, "gpt_oss"));
  CHECK(is(kLlama4, "llama4"));
  CHECK(is(kLongcat, "longcat_flash"));
  CHECK(is(kDeepSeekV4, "deepseek_v4"));
  CHECK(read(kLongcat).shape.num_experts == 768);
  CHECK(read(kGptOss, {{"swiglu_limit", nullptr}}).experts.clamp_up_abs == 7);
  CHECK(read(kGptOss, {{"swiglu_alpha", 1.5}}).experts.act_alpha == 1.5);
  CHECK(read(kDeepSeekV4, {{"swiglu_limit", nullptr}}).experts.clamp_gate_max == 0);
}

TEST_CASE("huggingface: where scores are no softmax, the loss of a softmax is of the logits") {
  const Aux aux = read(kDeepSeekV4, {{"router_aux_loss_coef", 0.5}}).aux.at(0);
  CHECK(aux.coefficient == 0.5);
  CHECK(aux.p_source == PSource::Softmax);
  CHECK(aux.f_from == LoadFrom::RetopkOfAuxScores);
  CHECK(read(kLaguna, {{"router_aux_loss_coef", 0.5}}).aux.at(0).p_source == PSource::Softmax);
  CHECK(read(kDeepSeek, {{"model_type", "glm4v_moe_text"}, {"router_aux_loss_coef", 0.5}}).aux.size() == 1);
}

TEST_CASE("huggingface: of a model with several parts the text's layers are read") {
  const Json inner = parse_json(kQwen3Next, "text");
  const Json outer{{"model_type", "some_vl"}, {"text_config", inner}, {"hidden_size", 1}};
  const auto of = [](const Json& json) {
    return config_to_json(config_from_huggingface(json, "c.json").config);
  };
  CHECK(of(outer) == of(inner));
  CHECK(of({{"model_type", "some_omni"}, {"thinker_config", outer}}) == of(inner));
  CHECK(error_of([&] {
          of({{"model_type", "some_vl"}, {"text_config", {{"model_type", "llama"}}}});
        }).starts_with("c.json: model_type = \"some_vl\" must be one of "));
}

TEST_CASE("huggingface: Nemotron is ungated, Cohere chooses its scores, Laguna may weigh what goes in") {
  const Config nemotron = read(kNemotron);
  CHECK(!nemotron.experts.glu);
  CHECK(nemotron.experts.activation == Activation::Relu2);
  CHECK(nemotron.shared.ffn_size == 20);
  CHECK(nemotron.experts.latent_size == 0);
  CHECK(read(kNemotron, {{"moe_latent_size", 16}}).experts.latent_size == 16);
  CHECK(read(kCohere).router.score_function == ScoreFunction::Softmax);
  CHECK(read(kCohere).shared.mode == SharedMode::Add);
  CHECK(read(kCohere, {{"shared_expert_combination_strategy", "average"}}).shared.mode ==
        SharedMode::Average);
  const Config sigmoid = read(kCohere, {{"expert_selection_fn", "sigmoid"}, {"norm_topk_prob", false}});
  CHECK(sigmoid.router.score_function == ScoreFunction::Sigmoid);
  CHECK(sigmoid.router.renorm == Renorm::None);
  CHECK(read(kLaguna).combine.weight_location == WeightLocation::Output);
  CHECK(read(kLaguna, {{"moe_apply_router_weight_on_input", true}}).combine.weight_location ==
        WeightLocation::Input);
  CHECK(read(kLaguna, {{"moe_router_logit_softcapping", 30.0}}).router.logit_softcap == 30);
}

TEST_CASE("huggingface: what stands around experts, and what limits them") {
  const auto step = [](const Json& routed, const Json& shared) {
    return read(kLaguna, {{"model_type", "step3p5"},
                          {"moe_router_scaling_factor", 1.0},
                          {"share_expert_dim", 20},
                          {"shared_expert_intermediate_size", nullptr},
                          {"swiglu_limits", routed},
                          {"swiglu_limits_shared", shared}});
  };
  const Config limited = step({7, 7}, {16, 16});
  CHECK((limited.experts.clamp_act_max == 7 && limited.experts.clamp_up_abs == 7));
  CHECK((limited.shared.clamp_act_max == 16 && limited.shared.clamp_up_abs == 16));
  CHECK(limited.experts.clamp_gate_max == 0);
  CHECK(step(nullptr, {nullptr, nullptr}).experts.clamp_act_max == 0);
  CHECK(error_of([&] {
          step({0, 7}, nullptr);
        }).starts_with("c.json: swiglu_limits = [0,7] must be one limit for all layers"));
  CHECK(error_of([&] {
          step({-1, -1}, nullptr);
        }).starts_with("c.json: swiglu_limits = [-1,-1] must hold limits"));

  const Config axk1 = read(kDeepSeek, {{"model_type", "axk1"}, {"rms_norm_eps", 1e-5}});
  CHECK((norms_output(axk1) && axk1.combine.norm_epsilon == 1e-5));
  CHECK(closed_compete(read(kDeepSeek, {{"model_type", "axk2"}}).router));
  CHECK(!closed_compete(read(kDeepSeek, {{"model_type", "axk2"}, {"n_group", nullptr}}).router));
  CHECK(!closed_compete(read(kDeepSeek).router));

  const Config jetmoe = read(kMixtral, {{"model_type", "jetmoe"},
                                        {"activation_function", "gelu"},
                                        {"router_aux_loss_coef", nullptr},
                                        {"aux_loss_coef", 0.5}});
  CHECK((biases_sum(jetmoe) && jetmoe.experts.activation == Activation::GeluErf));
  CHECK(jetmoe.aux.at(0).coefficient == 0.5);

  const Json gemma{{"model_type", "gemma4_text"}, {"hidden_size", 32},
                   {"moe_intermediate_size", 24}, {"num_experts", 8},
                   {"top_k_experts", 2},          {"hidden_activation", "gelu_pytorch_tanh"},
                   {"enable_moe_block", true}};
  const Config own = config_from_huggingface(gemma, "c.json").config;
  CHECK((has_router_input(own) && own.router.expert_scale && own.shape.top_k == 2));
  CHECK(own.experts.activation == Activation::GeluTanh);
  Json dense = gemma;
  dense["enable_moe_block"] = false;
  CHECK(error_of([&] { config_from_huggingface(dense, "c.json"); }) ==
        "c.json: enable_moe_block = false must be true");

  const ForeignConfig filter =
      config_from_huggingface(changed(kGptOss, {{"model_type", "openai_privacy_filter"}}), "c.json");
  CHECK(filter.fused == Fused::Halves);
  CHECK(config_to_json(filter.config) == config_to_json(read(kGptOss)));
  CHECK(config_from_huggingface(changed(kGptOss, Json::object()), "c.json").fused == Fused::InTurns);
}

TEST_CASE("huggingface: Switch has places of each sequence, and DBRX divides by powers") {
  const Json json{{"model_type", "switch_transformers"},
                  {"d_model", 32},
                  {"d_ff", 24},
                  {"num_experts", 8},
                  {"router_bias", true},
                  {"expert_capacity", 3},
                  {"dense_act_fn", "relu"},
                  {"router_z_loss_coef", 0.001},
                  {"router_aux_loss_coef", 0.002}};
  const Config c = config_from_huggingface(json, "c.json").config;
  CHECK((c.shape.hidden_size == 32 && c.shape.ffn_size == 24 && c.shape.top_k == 1));
  CHECK((!c.experts.glu && c.experts.activation == Activation::Relu && c.router.logit_bias));
  CHECK((c.capacity.fixed == 3 && c.capacity.scope == Scope::Group && has_fixed(c.capacity)));
  REQUIRE(c.aux.size() == 2);
  CHECK((counts_first_only(c.aux[0]) && c.aux[0].coefficient == 0.002));
  CHECK((is_of_logits(c.aux[1]) && c.aux[1].coefficient == 0.001));

  const auto dbrx = [](const Json& power) {
    return config_from_huggingface({{"model_type", "dbrx"},
                                    {"d_model", 32},
                                    {"ffn_config",
                                     {{"ffn_hidden_size", 24},
                                      {"moe_num_experts", 8},
                                      {"moe_top_k", 2},
                                      {"moe_normalize_expert_weights", power}}}},
                                   "c.json")
        .config.router.renorm;
  };
  CHECK(dbrx(1.0) == Renorm::Sum);
  CHECK(dbrx(2.0) == Renorm::L2);
  CHECK(dbrx(nullptr) == Renorm::None);
  CHECK(error_of([&] { dbrx(3.0); }) == "c.json: moe_normalize_expert_weights = 3.0 must be 1, 2 or null");
}
