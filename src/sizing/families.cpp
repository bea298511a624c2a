#include "families.h"

namespace moe {
namespace {

constexpr auto kPerHead = Gqa::QkNorm::PerHead;
constexpr auto kFull = Gqa::QkNorm::Full;

// From the model classes of huggingface/transformers and the tensors of released checkpoints.
constexpr Family kFamilies[] = {
    {.model_type = "mixtral"},
    {.model_type = "dbrx"},
    {.model_type = "switch_transformers"},
    {.model_type = "nllb-moe"},
    {.model_type = "jamba"},
    {.model_type = "deepseek"},
    {.model_type = "deepseek_v2"},
    {.model_type = "deepseek_v3"},
    {.model_type = "deepseek_v32"},
    {.model_type = "glm_moe_dsa"},
    {.model_type = "kimi_k2"},
    {.model_type = "longcat_flash", .router_bias = true},
    {.model_type = "granitemoe"},
    {.model_type = "granitemoeshared"},
    {.model_type = "granitemoehybrid"},
    {.model_type = "minimax"},
    {.model_type = "minimax_text_01"},
    {.model_type = "minimax_m2", .qk_norm = kFull, .qk_norm_if_asked = true},
    {.model_type = "olmoe", .qk_norm = kFull, .output_bias = true},
    {.model_type = "qwen2_moe", .qkv_bias = true, .shared_gate = true},
    {.model_type = "qwen3_moe", .qk_norm = kPerHead, .output_bias = true},
    {.model_type = "qwen3_next",
     .mtp_modules = 1,
     .qk_norm = kPerHead,
     .output_bias = true,
     .output_gate = true,
     .shared_gate = true},
    {.model_type = "gpt_oss", .output_bias = true, .sinks = true, .router_bias = true, .expert_bias = true},
    {.model_type = "llama4_text", .output_bias = true, .llama4 = true},
    {.model_type = "glm4_moe", .qk_norm = kPerHead, .qk_norm_if_asked = true, .router_bias = true},
    {.model_type = "dots1", .qk_norm = kPerHead, .output_bias = true},
    {.model_type = "bailing_moe", .qk_norm = kPerHead, .qk_norm_if_asked = true},
    {.model_type = "bailing_moe_v2", .qk_norm = kPerHead, .qk_norm_if_asked = true},
    {.model_type = "ernie4_5_moe", .tied = true, .output_bias = true, .router_bias = true},
    {.model_type = "hunyuan_v1_moe",
     .qk_norm = kPerHead,
     .tied = true,
     .qk_norm_if_asked = true,
     .output_bias = true},
    {.model_type = "hunyuan",
     .qk_norm = kPerHead,
     .tied = true,
     .qk_norm_if_asked = true,
     .output_bias = true},
    {.model_type = "phimoe", .output_bias = true, .norm_bias = true},
    {.model_type = "nemotron_h", .output_bias = true, .router_bias = true, .ungated = true},
};

}  // namespace

const Family* find_family(const std::string& model_type) {
  for (const Family& family : kFamilies)
    if (model_type == family.model_type) return &family;
  return nullptr;
}

}  // namespace moe
