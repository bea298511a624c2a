#include "families.h"

// The presets of released models and of training libraries, small: each with what no other has.
namespace moe {
namespace {

struct Row {
  const char *preset, *id, *comment, *catches;
  std::vector<const char*> sets;
};

// clang-format off
const std::vector<Row> kRows{
    {"qwen2_moe", "models/qwen2_moe",
     "Scores as weights, and a shared expert behind a gate.", "a gate that is left out",
     {"shared.ffn_size=6"}},
    {"qwen3_next", "models/qwen3_next",
     "Renormalised weights beside a shared expert behind a gate.", "a gate on all experts",
     {"shared.ffn_size=6"}},
    {"olmoe", "models/olmoe", "Scores as weights: their sum is less than 1.", "renormalised weights", {}},
    {"jamba", "models/jamba", "The two best scores as weights.", "a softmax of the chosen", {"shape.top_k=2"}},
    {"phimoe", "models/phimoe", "Two choices with a share each.", "weights that sum to 1",
     {"shape.top_k=2", "router.sparsemixer_jitter=0.25"}},
    {"ernie4_5", "models/ernie4_5",
     "A bias on softmax scores, a clamped sum, a loss of the best scores.", "a loss of the choice",
     {"shared.ffn_size=6"}},
    {"glm4_moe", "models/glm4_moe",
     "Sigmoids over their sum, with a bias in the choice and a shared expert.", "biased weights",
     {"shared.ffn_size=6"}},
    {"lfm2_moe", "models/lfm2_moe", "1e-6 in the sum of sigmoids.", "a sum without it", {}},
    {"minimax_m2", "models/minimax_m2",
     "A loss of the softmax of logits whose sigmoids are weights.", "a loss of normalised sigmoids",
     {}},
    {"nemotron_h", "models/nemotron_h",
     "Squared ReLU without a gate, in a latent space, beside a shared expert that is not.", "a shared expert in it",
     {"experts.latent_size=5", "shared.ffn_size=6"}},
    {"cohere2_moe", "models/cohere2_moe",
     "The mean of the shared expert and the others.", "their sum",
     {"shared.ffn_size=6"}},
    {"jetmoe", "models/jetmoe", "One bias for the sum over experts.", "a bias for each of them", {}},
    {"axk1", "models/axk1",
     "A norm of all that the block gives.", "a norm of the routed part",
     {"router.n_group=4", "router.topk_group=2", "shared.ffn_size=6"}},
    {"gemma4", "models/gemma4",
     "A router that sees something else, and a factor for each expert.", "a router that sees x",
     {}},
    {"kolibri1", "models/kolibri1",
     "A bias of logits where experts are chosen.", "a bias of scores",
     {"shared.ffn_size=6"}},
    {"minimax_m3", "models/minimax_m3",
     "Limits, alpha, an offset, and limits of the shared expert.", "a shared expert without limits",
     {"shared.ffn_size=6", "experts.clamp_gate_max=0.25", "experts.clamp_up_abs=0.25", "shared.clamp_gate_max=0.25",
      "shared.clamp_up_abs=0.25"}},
    {"muse_spark", "models/muse_spark",
     "Norms before and after the experts of a latent space.", "a norm that is left out",
     {"experts.latent_size=5"}},
    {"inkling", "models/inkling",
     "Two sinks, and a factor for each expert.", "sinks with a weight of 1",
     {"shape.top_k=4"}},
    {"inkling2", "models/inkling2",
     "Gates and ups drawn together, far enough to show.", "halves as they are",
     {"experts.softcap_gate=0.5", "experts.softcap_up=0.5"}},
    {"megatron_dsv3", "models/megatron_dsv3",
     "Groups, a loss of each of two sequences, a bias that follows what is kept.", "one loss for both",
     {"router.n_group=4", "router.topk_group=2", "shape.num_groups=2", "shared.ffn_size=6"}},
    {"torchtitan", "models/torchtitan", "Steps of the bias whose mean is 0.", "steps of gamma", {}},
    {"vmoe", "models/vmoe", "Noise of a fixed scale, and places in steps of 4.", "noise that is not scaled", {}},
    {"tutel", "models/tutel",
     "K times the rounded even load, first choices first.", "a capacity that is rounded once",
     {}},
    {"deepspeed_top2", "models/deepspeed_top2",
     "Weights over the sum of what is kept.", "weights over the sum of both choices",
     {"capacity.min_capacity=1", "capacity.factor=1"}},
    {"deepspeed_top1", "models/deepspeed_top1",
     "Two places, which go by lot.", "places by position", {"capacity.min_capacity=1"}},
    {"fairscale", "models/fairscale",
     "The second choice by noise, its weight without.", "the second best score", {}},
    {"fastmoe_switch", "models/fastmoe_switch",
     "A loss over what is kept.", "a loss over all tokens", {"capacity.factor=0.8"}},
    {"base_layers", "models/base_layers",
     "Assignments that are given, and what the sigmoid leaves to x.", "the expert's part alone", {}},
    {"deepseek_v4_hash", "models/deepseek_v4_hash",
     "Experts by a table, limits that show.", "the best experts",
     {"shared.ffn_size=6", "experts.clamp_gate_max=0.25", "experts.clamp_up_abs=0.25", "shared.clamp_gate_max=0.25",
      "shared.clamp_up_abs=0.25"}},
    {"megablocks", "models/megablocks",
     "One choice, its score, and a bias after the combine.", "a bias that the score multiplies",
     {}},
};
// clang-format on

GoldenCase case_of(const Row& row) {
  CaseBuilder builder(row.preset, row.id, row.comment);
  for (const char* size : {"shape.num_tokens=6", "shape.num_experts=8"}) builder.set(size);
  const auto is = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return row.preset == std::string(name); });
  };
  const bool one = is({"megablocks", "deepspeed_top1", "fastmoe_switch", "base_layers"});
  builder.set(one                                            ? "shape.top_k=1"
              : is({"tutel", "deepspeed_top2", "fairscale", "phimoe"}) ? "shape.top_k=2"
                                                             : "shape.top_k=3");
  for (const char* assignment : row.sets) builder.set(assignment);
  return builder.flag("Preset").catches(row.catches);
}

}  // namespace

std::vector<GoldenFile> models_family() {
  std::vector<GoldenFile> files;
  for (const Row& row : kRows) files.push_back({std::string(row.id) + ".json", {case_of(row)}});
  return files;
}

}  // namespace moe
