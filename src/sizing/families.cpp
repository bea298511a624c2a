#include "families.h"

#include "amendments.h"

namespace moe {
namespace {

constexpr auto kPerHead = Gqa::QkNorm::PerHead;
constexpr auto kFull = Gqa::QkNorm::Full;

// From the model classes of huggingface/transformers and the tensors of released checkpoints.
constexpr Family kFamilies[] = {
    {.model_types = "mixtral dbrx switch_transformers nllb-moe jamba deepseek granitemoe granitemoeshared "
                    "granitemoehybrid "
                    "minimax minimax_text_01 aria_text mistral4 llama mistral"},
    {.model_types =
         "deepseek_v2 deepseek_v3 deepseek_v32 glm_moe_dsa kimi_k2 kimi_k25 sarvam_mla glm4_moe_lite",
     .noaux_bias = true,
     .amend = share_indexers},
    {.model_types = "deepseek_v4", .noaux_bias = true, .amend = amend_deepseek_v4},
    {.model_types = "unlimited_ocr_text deepseek_ocr2_text"},
    {.model_types = "axk1", .router_bias = true, .amend = amend_axk1},
    {.model_types = "axk2", .router_bias = true, .amend = amend_axk2},
    {.model_types = "dots3_note_text", .router_bias = true, .head_gate = true, .amend = amend_dots3},
    {.model_types = "glm5_next_text",
     .router_bias = true,
     .low_rank_kimi = true,
     .headless = "glm5_next_text",
     .amend = amend_glm5_next},
    {.model_types = "hy_v4 hy_v4_vl_text",
     .sinks = true,
     .output_gate = true,
     .router_bias = true,
     .headless = "hy_v4_vl_text",
     .amend = amend_hy_v4},
    {.model_types = "mistral_large4_text", .headless = "mistral_large4_text", .amend = amend_mistral_large4},
    {.model_types = "kimi_linear", .router_bias = true, .low_rank_kimi = true},
    {.model_types = "bailing_hybrid", .router_bias = true, .head_gate = true},
    {.model_types = "longcat_flash", .router_bias = true},
    {.model_types = "granitemoe_swa", .sinks = true},
    {.model_types = "minimax_m2", .qk_norm = kFull, .qk_norm_if_asked = true, .router_bias = true},
    {.model_types = "minimax_m3 minimax_m3_vl_text",
     .qk_norm = kPerHead,
     .router_bias = true,
     .amend = amend_minimax_m3},
    {.model_types = "olmoe", .qk_norm = kFull, .output_bias = true},
    {.model_types = "flex_olmo", .qk_norm = kFull, .output_bias = true},
    {.model_types = "qwen2_moe", .qkv_bias = true, .shared_gate = true},
    {.model_types = "qwen3_moe qwen3_vl_moe_text qwen3_omni_moe_text mellum lfm2_moe lara_mini",
     .qk_norm = kPerHead,
     .output_bias = true},
    {.model_types = "qwen3_next",
     .mtp_modules = 1,
     .qk_norm = kPerHead,
     .output_bias = true,
     .output_gate = true,
     .shared_gate = true},
    {.model_types = "qwen3_5_moe_text",
     .qk_norm = kPerHead,
     .output_bias = true,
     .output_gate = true,
     .shared_gate = true},
    {.model_types = "gpt_oss", .output_bias = true, .sinks = true, .router_bias = true, .expert_bias = true},
    {.model_types = "openai_privacy_filter",
     .qkv_bias = true,
     .output_bias = true,
     .sinks = true,
     .router_bias = true,
     .expert_bias = true,
     .headless = "openai_privacy_filter"},
    {.model_types = "llama4_text", .output_bias = true, .llama4 = true},
    {.model_types = "glm4_moe glm4v_moe_text",
     .qk_norm = kPerHead,
     .qk_norm_if_asked = true,
     .router_bias = true,
     .headless = "glm4v_moe_text"},
    {.model_types = "dots1", .qk_norm = kPerHead, .output_bias = true, .noaux_bias = true},
    {.model_types = "bailing_moe bailing_moe_v2", .qk_norm = kPerHead, .qk_norm_if_asked = true},
    {.model_types = "ernie4_5_moe ernie4_5_vl_moe_text",
     .tied = true,
     .output_bias = true,
     .router_bias = true},
    {.model_types = "hunyuan_v1_moe hunyuan",
     .qk_norm = kPerHead,
     .tied = true,
     .qk_norm_if_asked = true,
     .output_bias = true},
    {.model_types = "phimoe", .output_bias = true, .norm_bias = true, .amend = amend_phimoe},
    {.model_types = "nemotron_h", .output_bias = true, .router_bias = true, .ungated = true},
    {.model_types = "afmoe", .qk_norm = kPerHead, .output_gate = true, .router_bias = true, .norms = 2},
    {.model_types = "beam",
     .qk_norm = kPerHead,
     .output_gate = true,
     .router_bias = true,
     .norms = 2,
     .amend = amend_beam},
    {.model_types = "kolibri1", .qk_norm = kPerHead, .router_bias = true, .norms = 2},
    {.model_types = "cohere2_moe", .amend = amend_cohere2},
    {.model_types = "exaone_moe hy_v3 sarvam_moe", .qk_norm = kPerHead, .router_bias = true},
    {.model_types = "solar_open", .qk_norm = kPerHead, .qk_norm_if_asked = true, .router_bias = true},
    {.model_types = "flint", .qk_norm = kPerHead, .sinks = true},
    {.model_types = "laguna", .qk_norm = kPerHead, .router_bias = true, .amend = amend_laguna},
    {.model_types = "step3p5", .qk_norm = kPerHead, .router_bias = true, .head_gate = true},
    {.model_types = "mimo_v2_flash", .router_bias = true, .amend = amend_mimo},
    {.model_types = "muse_spark_text",
     .output_gate = true,
     .router_bias = true,
     .headless = "muse_spark_text",
     .amend = amend_muse_spark},
    {.model_types = "gemma4_text", .qk_norm = kPerHead, .norms = 2, .amend = amend_gemma4},
    {.model_types = "doge", .qk_norm = kPerHead, .amend = amend_doge},
    {.model_types = "jetmoe", .amend = amend_jetmoe},
    {.model_types = "inkling_text", .qk_norm = kPerHead, .router_bias = true, .amend = amend_inkling},
    {.model_types = "inkling2_text inkling2_loop_text",
     .output_gate = true,
     .router_bias = true,
     .amend = amend_inkling2},
    {.model_types = "zaya", .amend = amend_zaya},
};

}  // namespace

const Family* find_family(const std::string& model_type) {
  if (model_type.empty() || model_type.find(' ') != std::string::npos) return nullptr;
  const std::string wanted = ' ' + model_type + ' ';
  for (const Family& family : kFamilies)
    if ((' ' + std::string(family.model_types) + ' ').find(wanted) != std::string::npos) return &family;
  return nullptr;
}

}  // namespace moe
