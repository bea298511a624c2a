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
  CHECK(error_with(kDeepSeek, divided) == "c.json: norm_topk_prob = true must be false");
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
  CHECK(error_with(kDeepSeek, {{"n_group", nullptr}}) == "c.json: must have n_group");
  CHECK(error_with(kDeepSeek, {{"routed_scaling_factor", 0}}) ==
        "c.json: routed_scaling_factor = 0 must be positive and finite");
}

TEST_CASE("huggingface: what would be another layer is refused") {
  CHECK(error_with(kMixtral, {{"model_type", "llama"}}) ==
        "c.json: model_type = \"llama\" must be one of mixtral, granitemoe, jamba, olmoe, qwen2_moe, "
        "qwen3_moe, qwen3_next, deepseek_v2, deepseek_v3, kimi_k2, glm4_moe, dots1");
  CHECK(error_with(kMixtral, {{"model_type", nullptr}}) == "c.json: must have model_type");
  CHECK(error_with(kMixtral, {{"hidden_act", "quick_gelu"}}) ==
        "c.json: hidden_act = \"quick_gelu\" must be one of silu, swish, relu, gelu, gelu_pytorch_tanh");
  CHECK(read(kMixtral, {{"hidden_act", "gelu_pytorch_tanh"}}).experts.activation == Activation::GeluTanh);
  CHECK(error_with(kMixtral, {{"router_jitter_noise", 0.01}}) ==
        "c.json: router_jitter_noise = 0.01 must be 0.0");
  CHECK(error_with(kDeepSeek, {{"mlp_bias", true}}) == "c.json: mlp_bias = true must be false");
  CHECK(error_with(kDeepSeek, {{"scoring_func", "softmax"}}) ==
        "c.json: scoring_func = \"softmax\" must be sigmoid");
  CHECK(error_with(kDeepSeek, {{"topk_method", "greedy"}}) ==
        "c.json: topk_method = \"greedy\" must be noaux_tc");
}
