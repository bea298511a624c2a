#include "families.h"

#include <cmath>

namespace moe::huggingface {
namespace {

constexpr const char* kFactor = "routed_scaling_factor";
// clang-format off
constexpr Kind kSoftmax{.score = ScoreFunction::Softmax, .sum = Sum::Always, .loss = Loss::Softmax};
constexpr Kind kSilent{.score = ScoreFunction::Softmax, .sum = Sum::Always};  // no loss, whatever its config says
constexpr Kind kScored{.score = ScoreFunction::Softmax, .sum = Sum::Never, .loss = Loss::Softmax};
constexpr Kind kAsked{.score = ScoreFunction::Softmax, .sum = Sum::AsAsked, .loss = Loss::Softmax};
constexpr Kind kAskedGated{.score = ScoreFunction::Softmax, .sum = Sum::AsAsked,
        .shared = SharedExpert::Gated, .loss = Loss::Softmax};
constexpr Kind kSoftmaxGated{.score = ScoreFunction::Softmax, .sum = Sum::Always,
        .shared = SharedExpert::Gated, .loss = Loss::Softmax};
constexpr Kind kSoftmaxPlain{.score = ScoreFunction::Softmax, .sum = Sum::Always,
        .shared = SharedExpert::Plain, .loss = Loss::Softmax};
constexpr Kind kAskedPlain{.score = ScoreFunction::Softmax, .sum = Sum::AsAsked,
        .shared = SharedExpert::Plain, .loss = Loss::Softmax};
constexpr Kind kSoftmaxSeveral{.score = ScoreFunction::Softmax, .sum = Sum::Always,
        .shared = SharedExpert::Several};
constexpr Kind kErnie{.score = ScoreFunction::Softmax, .biased = true, .sum = Sum::Always,
        .shared = SharedExpert::Several, .loss = Loss::Softmax};
constexpr Kind kDeepSeekV2{.score = ScoreFunction::Softmax, .sum = Sum::Never,
        .shared = SharedExpert::Several, .loss = Loss::DeepSeek, .groups = Groups::DeepSeek, .factor = kFactor};
constexpr Kind kDeepSeekV3{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::AsAsked,
        .shared = SharedExpert::Several, .loss = Loss::DeepSeek, .groups = Groups::DeepSeek, .factor = kFactor,
        .adds_epsilon = true};
constexpr Kind kUnshared{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::AsAsked,
        .groups = Groups::DeepSeek, .factor = kFactor, .adds_epsilon = true};
constexpr Kind kMistral4{.score = ScoreFunction::Softmax, .sum = Sum::AsAsked,
        .shared = SharedExpert::Several, .groups = Groups::DeepSeek, .factor = kFactor, .adds_epsilon = true};
constexpr Kind kDeepSeekV4{.score = ScoreFunction::SqrtSoftplus, .biased = true, .sum = Sum::Always,
        .shared = SharedExpert::Several, .factor = kFactor, .adds_epsilon = true};
constexpr Kind kLongcat{.score = ScoreFunction::Softmax, .biased = true, .sum = Sum::Never, .factor = kFactor};
constexpr Kind kLlama4{.score = ScoreFunction::Sigmoid, .sum = Sum::Never};
constexpr Kind kMiniMax2{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always};
constexpr Kind kFlint{.score = ScoreFunction::Sigmoid, .sum = Sum::AsAsked, .shared = SharedExpert::Plain};
constexpr Kind kAfMoe{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always,
        .shared = SharedExpert::Several, .factor = "route_scale", .adds_epsilon = true};
constexpr Kind kHunYuan3{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always,
        .shared = SharedExpert::Several, .factor = "router_scaling_factor", .adds_epsilon = true};
constexpr Kind kDots3Vision{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always,
        .factor = "router_scaling_factor", .adds_epsilon = true};
constexpr Kind kLaguna{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always,
        .shared = SharedExpert::Plain, .factor = "moe_routed_scaling_factor"};
constexpr Kind kLfm2{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::AsAsked, .factor = kFactor};
constexpr Kind kKolibri{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::AsAsked,
        .shared = SharedExpert::Plain};
constexpr Kind kMistralLarge{.score = ScoreFunction::Softmax, .sum = Sum::Always, .shared = SharedExpert::Several,
        .groups = Groups::DeepSeek, .factor = kFactor, .adds_epsilon = true};
constexpr Kind kMiniMax3{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always,
        .shared = SharedExpert::Plain, .factor = kFactor};
constexpr Kind kStep3{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always,
        .shared = SharedExpert::Plain, .factor = "moe_router_scaling_factor"};
constexpr Kind kMuse{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always, .factor = kFactor};
constexpr Kind kInkling{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always, .factor = "route_scale"};
constexpr Kind kInkling2{.score = ScoreFunction::Sigmoid, .biased = true, .sum = Sum::Always, .factor = "route_scale",
        .adds_epsilon = true};
// clang-format on

/// load_balancing_loss_func of huggingface/transformers where scores are no softmax: of that of the logits, and its largest.
void loss_of_logits(const Fields& json, Config& c) {
  if (!json.has("router_aux_loss_coef")) return;
  c.aux = {{.name = "load_balance",
            .coefficient = json.real("router_aux_loss_coef"),
            .f_source = LoadSource::AllK,
            .f_from = LoadFrom::RetopkOfAuxScores,
            .p_source = PSource::Softmax}};
}
// What is written over the softmax's loss: by the largest scores, whatever the bias says.
void count_by_scores(const Fields&, Config& c) {
  for (Aux& aux : c.aux) aux.f_from = LoadFrom::RetopkOfAuxScores;
}
double limit_of(const Fields& json) {
  if (!json.has("swiglu_limit")) return 0;
  const double limit = json.real("swiglu_limit");
  if (!(limit > 0) || !std::isfinite(limit)) json.refuse("swiglu_limit", "must be positive and finite");
  return limit;
}
void limit_all(const Fields& json, Config& c) {
  c.experts.clamp_gate_max = c.experts.clamp_up_abs = limit_of(json);
  if (has_shared(c)) c.shared.clamp_gate_max = c.shared.clamp_up_abs = limit_of(json);
}
void limit_routed(const Fields& json, Config& c) {
  c.experts.clamp_gate_max = c.experts.clamp_up_abs = limit_of(json);
}
void scores_of_v4(const Fields& json, Config& c) {
  json.only("scoring_func", "sqrtsoftplus");
  json.only("norm_topk_prob", true);
  loss_of_logits(json, c);
  limit_all(json, c);
}
void form_of_gpt_oss(const Fields& json, Config& c) {
  limit_routed(json, c);
  c.router.logit_bias = true;
  c.experts.bias = ExpertBias::PerExpert;
  c.experts.activation = Activation::QuickGelu;  // whatever hidden_act says
  if (json.has("swiglu_alpha")) c.experts.act_alpha = json.real("swiglu_alpha");
  if (!json.has("swiglu_limit")) c.experts.clamp_gate_max = c.experts.clamp_up_abs = 7;
  c.experts.up_offset = 1;
}
void form_of_minimax3(const Fields& json, Config& c) {
  loss_of_logits(json, c);
  limit_all(json, c);
  c.experts.activation = Activation::QuickGelu;  // whatever hidden_act says
  if (json.has("swiglu_alpha")) c.experts.act_alpha = json.real("swiglu_alpha");
  c.experts.up_offset = 1;
}
/// The limit of all layers, where a list has one for each: 0 and null are none.
double limit_of_layers(const Fields& json, const char* key) {
  if (!json.has(key)) return 0;
  const Json& list = json.at(key);
  if (!list.is_array() || list.empty()) json.refuse(key, "must be a list of limits, one for each layer");
  for (const Json& limit : list) {
    if (limit != list.front())
      json.refuse(key,
                  "must be one limit for all layers: without it, --set experts.clamp_act_max and its like");
    if (!limit.is_null() && !(limit.is_number() && limit.get<double>() >= 0))
      json.refuse(key, "must hold limits that are positive, or null or 0 for none");
  }
  return list.front().is_null() ? 0 : list.front().get<double>();
}
void limit_activated(const Fields& json, Config& c) {
  c.experts.clamp_act_max = c.experts.clamp_up_abs = limit_of_layers(json, "swiglu_limits");
  if (has_shared(c))
    c.shared.clamp_act_max = c.shared.clamp_up_abs = limit_of_layers(json, "swiglu_limits_shared");
}
void norm_output(const Fields& json, Config& c) {
  c.combine.norm = Norm::Rms;
  c.combine.norm_epsilon = json.real("rms_norm_eps");
}
void close_with_zero(const Fields&, Config& c) {
  if (has_groups(c)) c.router.closed_groups = ClosedGroups::Zero;
}
void bias_sum(const Fields&, Config& c) { c.experts.bias = ExpertBias::AfterCombine; }
void route_by_other_input(const Fields& json, Config& c) {
  json.only("enable_moe_block", true);
  c.router.input = RouterInput::Own;
  c.router.expert_scale = true;
}
void limit_places(const Fields& json, Config& c) {
  c.experts.glu = false;
  c.router.logit_bias = json.truth("router_bias");
  c.capacity.mode = CapacityMode::Fixed;
  c.capacity.fixed = json.whole("expert_capacity");
  c.capacity.scope = Scope::Group;  // a sequence: shape.num_groups of them
  for (Aux& aux : c.aux) aux.f_source = LoadSource::Top1, aux.scope = Scope::Group;
  if (json.has("router_z_loss_coef"))
    c.aux.push_back({.name = "z", .kind = AuxKind::Z, .coefficient = json.real("router_z_loss_coef")});
}
void width_of_dots3(const Fields& json, Config& c) {
  if (has_shared(c))
    c.shared.ffn_size = c.shared.ffn_size / c.shape.ffn_size * json.whole("shared_experts_intermediate_size");
}
void share_squares(const Fields& json, Config& c) {
  if (json.has("norm_power") && json.at("norm_power") == 2) c.router.renorm = Renorm::L2;
}
void of_one_size(const Fields& json, Config&) { json.only("per_layer_config", Json()); }
void weigh_input(const Fields&, Config& c) {
  c.combine.weight_location = WeightLocation::Input;
  c.shared = {SharedMode::Add, c.shape.ffn_size};
}
void add_identity(const Fields& json, Config& c) {
  const Index zero = json.has("zero_expert_num") ? json.whole("zero_expert_num", 0) : 0;
  json.only("zero_expert_type", "identity");
  c.shape.num_experts += zero, c.experts.identity_experts = zero;
}
void form_of_nemotron(const Fields& json, Config& c) {
  if (json.has("moe_latent_size")) c.experts.latent_size = json.whole("moe_latent_size");
  c.experts.glu = false;
  if (has_shared(c)) c.shared.ffn_size = json.whole("moe_shared_expert_intermediate_size");
}
void choices_of_cohere(const Fields& json, Config& c) {
  if (json.has("expert_selection_fn") && json.at("expert_selection_fn") == "sigmoid") {
    c.router.score_function = ScoreFunction::Sigmoid;
    if (json.has("norm_topk_prob") && !json.truth("norm_topk_prob")) c.router.renorm = Renorm::None;
  } else {
    json.only("expert_selection_fn", "softmax");
  }
  if (!has_shared(c)) return;
  if (!json.has("shared_expert_combination_strategy") ||
      json.at("shared_expert_combination_strategy") == "average")
    c.shared.mode = SharedMode::Average;
  else
    json.only("shared_expert_combination_strategy", "sum");
}
void epsilon_of_lfm2(const Fields& json, Config& c) {
  if (has_denominator(c)) c.router.renorm_epsilon = 1e-6;
  if (json.has("use_expert_bias")) c.router.selection_bias = json.truth("use_expert_bias");
}
void bias_logits(const Fields&, Config& c) { c.router.selection_bias_on = BiasOn::Logits; }
void form_of_glm5(const Fields& json, Config& c) {
  loss_of_logits(json, c);
  limit_all(json, c);
}
void weights_of_laguna(const Fields& json, Config& c) {
  loss_of_logits(json, c);
  if (json.has("moe_router_logit_softcapping"))
    c.router.logit_softcap = json.real("moe_router_logit_softcapping");
  if (json.has("moe_apply_router_weight_on_input") && json.truth("moe_apply_router_weight_on_input"))
    c.combine.weight_location = WeightLocation::Input;
}

void form_of_muse(const Fields& json, Config& c) {
  c.experts.latent_size = json.whole("moe_hidden_size");
  c.experts.latent_norm = c.experts.output_norm = Norm::Rms;
  c.experts.latent_norm_epsilon = json.real("rms_norm_eps");
  c.experts.output_norm_epsilon = json.real("post_norm_eps");
  c.router.logit_scale = json.real("output_multiplier");
  c.router.renorm_epsilon = 1e-15;
}
void mix_sparsely(const Fields& json, Config& c) {
  json.only("num_experts_per_tok", 2);  // so many its router takes, whatever this says
  c.router.renorm = Renorm::Sparsemixer;
  if (!json.has("router_jitter_noise")) return;
  const double jitter = json.real("router_jitter_noise");
  if (!(jitter > 0) || !std::isfinite(jitter))
    json.refuse("router_jitter_noise", "must be positive and finite");
  c.router.sparsemixer_jitter = jitter;
}
void sink_shared(const Fields& json, Config& c) {
  json.only("shared_expert_sink", true);
  c.router.sinks = json.whole("n_shared_experts");
  c.shape.num_experts += c.router.sinks, c.shape.top_k += c.router.sinks;
  c.router.expert_scale = true;  // one for all
}
void cap_halves(const Fields& json, Config& c) {
  json.only("scoring_func", "sigmoid");
  c.experts.softcap_gate = json.real("mlp_gate_softcap");
  c.experts.softcap_up = json.real("mlp_up_softcap");
}

constexpr const char* kFfn = "intermediate_size";
constexpr const char* kMoeFfn = "moe_intermediate_size";
constexpr const char* kQwen = "Qwen2MoeSparseMoeBlock at commit 001f85b38fb4";
constexpr const char* kDeepSeek = "DeepseekV3MoE at commit 000c33fdfde1";
// clang-format off
const Family kFamilies[] = {
    {"mixtral", kFfn, kSoftmax, "MixtralSparseMoeBlock at commit 008f5c8c29be"},
    {"granitemoe", kFfn, kSoftmax, "GraniteMoeMoE at commit 013458c1caaa"},
    {"granitemoeshared", kFfn, kSoftmaxPlain, "GraniteMoeSharedMoE in 5.24"},
    {"granitemoehybrid", kFfn, kSoftmaxPlain, "GraniteMoeHybridMoE in 5.24"},
    {"granitemoe_swa", kFfn, kSoftmaxPlain, "GraniteMoeSWAMoE in 5.24"},
    {"jamba", kFfn, kScored, "JambaSparseMoeBlock at commit 0159620269de"},
    {"minimax", kFfn, kSoftmax, "MiniMaxSparseMoeBlock in 5.24"},
    {"olmoe", kFfn, kAsked, "OlmoeSparseMoeBlock at commit 052b1dcdbe75"},
    {"flex_olmo", kFfn, kAsked, "FlexOlmoSparseMoeBlock in 5.24"},
    {"mellum", kMoeFfn, kAsked, "MellumSparseMoeBlock in 5.24"},
    {"lara_mini", kMoeFfn, kAskedPlain, "LaraMiniSparseMoeBlock in 5.24"},
    {"qwen2_moe", kMoeFfn, kAskedGated, kQwen},
    {"qwen3_moe", kMoeFfn, kAsked, "Qwen3MoeSparseMoeBlock at commit 00eb11666852"},
    {"qwen3_next", kMoeFfn, kAskedGated, kQwen},
    {"qwen3_vl_moe_text", kMoeFfn, kSoftmax, "Qwen3VLMoeTextSparseMoeBlock in 5.24"},
    {"qwen3_omni_moe_text", kMoeFfn, kAsked, "Qwen3OmniMoeThinkerTextSparseMoeBlock in 5.24"},
    {"qwen3_5_moe_text", kMoeFfn, kSoftmaxGated, "Qwen3_5MoeSparseMoeBlock in 5.24"},
    {"qwen4_exp_text", kMoeFfn, kAskedGated, "Qwen4ExpTextSparseMoeBlock in 5.24"},
    {"hunyuan_v1_moe", kFfn, kSoftmaxSeveral, "HunYuanMoEV1Moe in 5.24",
     [](const Fields&, Config& c) { c.shared = {SharedMode::Add, c.shape.ffn_size}; }},
    {"aria_text", kFfn, kSoftmaxSeveral, "AriaTextMoELayer in 5.24"},
    {"cohere2_moe", kFfn, kSoftmaxSeveral, "Cohere2MoeSparseMoeBlock in 5.24", choices_of_cohere},
    {"ernie4_5_moe", kMoeFfn, kErnie, "Ernie4_5_MoeSparseMoeBlock in 5.24", count_by_scores},
    {"deepseek_v2", kMoeFfn, kDeepSeekV2, "DeepseekV2MoE at commit ecd75d532efe"},
    {"deepseek_v3", kMoeFfn, kDeepSeekV3, kDeepSeek},
    {"deepseek_v32", kMoeFfn, kDeepSeekV3, "DeepseekV32MoE in 5.24"},
    {"deepseek_v4", kMoeFfn, kDeepSeekV4, "DeepseekV4SparseMoeBlock in 5.24, but for layers that choose by token ids",
     scores_of_v4},
    {"kimi_k2", kMoeFfn, kDeepSeekV3, kDeepSeek},
    {"kimi_linear", kMoeFfn, kDeepSeekV3, "KimiLinearMoE in 5.24"},
    {"bailing_hybrid", kMoeFfn, kDeepSeekV3, "BailingHybridMoE in 5.24"},
    {"glm4_moe", kMoeFfn, kDeepSeekV3, "Glm4MoeMoE in 5.24"},
    {"glm4_moe_lite", kMoeFfn, kDeepSeekV3, "Glm4MoeLiteMoE in 5.24"},
    {"glm4v_moe_text", kMoeFfn, kDeepSeekV3, "Glm4vMoeTextMoE in 5.24", loss_of_logits},
    {"glm_moe_dsa", kMoeFfn, kDeepSeekV3, "GlmMoeDsaMoE in 5.24"},
    {"glm5_next_text", kMoeFfn, kDeepSeekV3, "Glm5NextTextMoE in 5.24", form_of_glm5},
    {"dots1", kMoeFfn, kDeepSeekV3, kDeepSeek},
    {"exaone_moe", kMoeFfn, kDeepSeekV3, "ExaoneMoeSparseMoEBlock in 5.24"},
    {"solar_open", kMoeFfn, kDeepSeekV3, "SolarOpenMoE in 5.24"},
    {"sarvam_moe", kMoeFfn, kDeepSeekV3, "Glm4MoeMoE in 5.24"},
    {"dots3_note_text", kMoeFfn, kDeepSeekV3, "Dots3NoteTextMoE in 5.24", width_of_dots3},
    {"dots3_note_vision_encoder", kMoeFfn, kDots3Vision, "Dots3NoteVisionMoE in 5.24, of layers of one size",
     of_one_size},
    {"beam", kMoeFfn, kUnshared, "BeamSparseMoeBlock in 5.24"},
    {"deepseek_ocr2_text", kMoeFfn, kDeepSeekV2, "DeepseekOcr2TextMoe in 5.24"},
    {"unlimited_ocr_text", kMoeFfn, kDeepSeekV2, "UnlimitedOcrTextMoe in 5.24"},
    {"mistral_large4_text", kMoeFfn, kMistralLarge, "MistralLarge4TextMoE in 5.24"},
    {"qwen3_omni_moe_talker_text", kMoeFfn, kAskedGated, "Qwen3OmniMoeTalkerTextSparseMoeBlock in 5.24"},
    {"hy_v4_vl_text", kMoeFfn, kDeepSeekV3, "HYV4VLTextMoE in 5.24", limit_routed},
    {"minimax_m3_vl_text", kFfn, kMiniMax3, "MiniMaxM3VLTextSparseMoeBlock in 5.24", form_of_minimax3},
    {"step3p5", kMoeFfn, kStep3, "Step3p7SparseMoeBlock in 5.24", limit_activated},
    {"dbrx", kFfn, kAsked, "DbrxFFN in 5.24", share_squares},
    {"phimoe", kFfn, kSoftmax, "PhimoeSparseMoeBlock in 5.24, at evaluation", mix_sparsely},
    {"jetmoe", kFfn, kSoftmax, "JetMoeMoE in 5.24", bias_sum},
    {"axk1", kMoeFfn, kDeepSeekV3, "AXK1MoE in 5.24", norm_output},
    {"axk2", kMoeFfn, kDeepSeekV3, "AXK2MoE in 5.24", close_with_zero},
    {"gemma4_text", kMoeFfn, kSoftmax, "Gemma4TextRouter and Gemma4TextExperts in 5.24", route_by_other_input},
    {"diffusion_gemma_text", kMoeFfn, kSoftmax, "DiffusionGemmaTextRouter and its experts in 5.24",
     route_by_other_input},
    {"openai_privacy_filter", kFfn, kSilent, "OpenAIPrivacyFilterMLP in 5.24", form_of_gpt_oss, Fused::Halves},
    {"switch_transformers", "d_ff", kScored, "SwitchTransformersSparseMLP in 5.24", limit_places},
    {"muse_spark_text", kMoeFfn, kMuse, "MuseSparkMoE in 5.24", form_of_muse},
    {"inkling_text", kMoeFfn, kInkling, "InklingMoE in 5.24, whose shared experts are sinks", sink_shared},
    {"inkling2_text", kMoeFfn, kInkling2, "Inkling2SparseMoeBlock in 5.24", cap_halves},
    {"inkling2_loop_text", kMoeFfn, kInkling2, "Inkling2LoopSparseMoeBlock in 5.24", cap_halves},
    {"ernie4_5_vl_moe_text", kMoeFfn, kErnie, "Ernie4_5_VLMoeMoeBlock in 5.24, of tokens of text", count_by_scores},
    {"mimo_v2_flash", kMoeFfn, kUnshared, "MiMoV2FlashMoE in 5.24"},
    {"hy_v4", kMoeFfn, kDeepSeekV3, "HYV4MoE in 5.24", limit_routed},
    {"mistral4", kMoeFfn, kMistral4, "Mistral4MoE in 5.24"},
    {"nemotron_h", kMoeFfn, kDeepSeekV3, "NemotronHMoE in 5.24", form_of_nemotron},
    {"longcat_flash", "expert_ffn_hidden_size", kLongcat, "LongcatFlashMoE in 5.24", add_identity},
    {"llama4_text", kFfn, kLlama4, "Llama4TextMoe at commit 000c33fdfde1", weigh_input},
    {"gpt_oss", kFfn, kSoftmax, "GptOssMLP in 5.24", form_of_gpt_oss},
    {"afmoe", kMoeFfn, kAfMoe, "AfmoeMoE in 5.24"},
    {"hy_v3", kMoeFfn, kHunYuan3, "HYV3MoE in 5.24"},
    {"minimax_m2", kFfn, kMiniMax2, "MiniMaxM2SparseMoeBlock in 5.24", loss_of_logits},
    {"flint", kMoeFfn, kFlint, "FlintSparseMoeBlock in 5.24", loss_of_logits},
    {"laguna", kMoeFfn, kLaguna, "LagunaSparseMoeBlock in 5.24", weights_of_laguna},
    {"lfm2_moe", kMoeFfn, kLfm2, "Lfm2MoeSparseMoeBlock in 5.24", epsilon_of_lfm2},
    {"kolibri1", kMoeFfn, kKolibri, "Kolibri1SparseMoeBlock in 5.24",
     bias_logits},
};
const std::pair<std::string, Activation> kActivations[] = {
    {"silu", Activation::Silu}, {"swish", Activation::Silu}, {"relu", Activation::Relu},
    {"gelu", Activation::GeluErf}, {"gelu_pytorch_tanh", Activation::GeluTanh}, {"gelu_new", Activation::GeluTanh},
    {"gelu_fast", Activation::GeluTanh}, {"quick_gelu", Activation::QuickGelu}, {"relu2", Activation::Relu2},
    {"linear", Activation::Identity}};
// clang-format on

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all(std::begin(kFamilies), std::end(kFamilies));
  return all;
}
const std::vector<std::pair<std::string, Activation>>& activations() {
  static const std::vector<std::pair<std::string, Activation>> all(std::begin(kActivations),
                                                                   std::end(kActivations));
  return all;
}

}  // namespace moe::huggingface
