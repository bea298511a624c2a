#include "families.h"

// Every preset at its default shape, forward and backward.
namespace moe {
namespace {

GoldenCase preset_case(const char* preset, const char* id, const char* comment, const char* catches,
                       std::initializer_list<const char*> sets) {
  CaseBuilder builder(preset, id, comment);
  for (const char* size : {"shape.num_tokens=16", "shape.hidden_size=32", "shape.ffn_size=64"})
    builder.set(size);
  for (const char* assignment : sets) builder.set(assignment);
  return builder.flag("Preset").catches(catches);
}

}  // namespace

std::vector<GoldenFile> presets_family() {
  return {
      {"presets/dense.json",
       {preset_case("dense", "presets/dense", "The dense twin: one gated expert for all tokens.",
                    "any change to the gated expert", {}),
        preset_case("dense", "presets/dense-ungated", "The dense twin without a gate, with ReLU.",
                    "any change to the plain expert", {"experts.glu=false", "experts.activation=relu"})}},
      {"presets/shazeer2017.json",
       {preset_case("shazeer2017", "presets/shazeer2017",
                    "The sparsely-gated mixture: noisy top-4, importance and load losses.",
                    "any change to the noise or its losses", {"shape.num_experts=8"})}},
      {"presets/gshard.json",
       {preset_case("gshard", "presets/gshard",
                    "GShard: top-2 in two groups, the second at random, first choices first.",
                    "any change to the second choice or the capacity of groups", {"shape.num_experts=8"})}},
      {"presets/switch.json",
       {preset_case("switch", "presets/switch", "Switch Transformer: top-1 with overflow and both losses.",
                    "any change to top-1 routing, drops or losses", {"shape.num_experts=8"})}},
      {"presets/mixtral.json",
       {preset_case("mixtral", "presets/mixtral", "Mixtral: top-2 renormalised, SwiGLU, dropless.",
                    "any change to top-2 routing or renormalisation", {"shape.num_experts=8"})}},
      {"presets/deepseek_v3.json",
       {preset_case(
           "deepseek_v3", "presets/deepseek_v3",
           "DeepSeek-V3, with 32 experts in 8 groups: bias, groups, factor, shared expert, two sequences.",
           "any change to the choice by groups, the bias, or the shared expert",
           {"shape.num_experts=32", "shape.num_groups=2", "shared.ffn_size=64", "shape.ffn_size=16"})}},
      {"presets/deepseek_v4.json",
       {preset_case(
           "deepseek_v4", "presets/deepseek_v4",
           "DeepSeek-V4, with 16 experts: square roots of softplus, bias, factor, limits, shared expert.",
           "any change to the scores or the limits",
           {"shape.num_experts=16", "shape.ffn_size=16", "shared.ffn_size=16"})}},
      {"presets/expert_choice.json",
       {preset_case("expert_choice", "presets/expert_choice", "Expert choice: places for the highest scores.",
                    "any change to who is taken", {"shape.num_experts=8", "shape.ffn_size=16"})}},
      {"presets/gpt_oss.json",
       {preset_case("gpt_oss", "presets/gpt_oss",
                    "gpt-oss, with 16 experts: a bias in the router, limits, an offset, biases.",
                    "any change to the expert's form", {"shape.num_experts=16", "shape.ffn_size=16"})}},
      {"presets/llama4.json",
       {preset_case("llama4", "presets/llama4",
                    "Llama 4: the weight multiplies what goes in; a shared expert.",
                    "a weight at another place",
                    {"shape.num_experts=16", "shape.ffn_size=16", "shared.ffn_size=16"})}},
      {"presets/longcat_flash.json",
       {preset_case(
           "longcat_flash", "presets/longcat_flash",
           "LongCat-Flash, with 12 experts and 4 without weights; 6 choices.",
           "any change to experts without weights",
           {"shape.num_experts=16", "shape.top_k=6", "experts.identity_experts=4", "shape.ffn_size=16"})}},
  };
}

}  // namespace moe
