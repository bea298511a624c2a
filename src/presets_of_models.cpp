#include "presets_of_models.h"

#include "moe/config_json.h"

namespace moe {
namespace {

/// What a block has that the standard config does not have, as assignments.
struct Block {
  const char *name, *summary, *source;
  std::vector<const char*> sets;
};

const char* const kBalance =
    R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.001,"f_source":"all_k"}])";
const char* const kBalanceOfLogits =
    R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.001,"f_source":"all_k",)"
    R"("f_from":"retopk_of_aux_scores","p_source":"softmax"}])";

// clang-format off
const std::vector<Block> kBlocks{
    {"qwen2_moe", "Qwen2 MoE: softmax, the 4 best as they are scored, a shared expert behind a gate",
     "huggingface/transformers, Qwen2MoeSparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=60", "shape.top_k=4", "shared.mode=sigmoid_gate", "shared.ffn_size=256", kBalance}},
    {"qwen3_next", "Qwen3-Next: softmax, the 10 best of 512 renormalised, a shared expert behind a gate",
     "huggingface/transformers, Qwen3NextSparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=512", "shape.top_k=10", "router.renorm=sum", "shared.mode=sigmoid_gate",
      "shared.ffn_size=64", kBalance}},
    {"olmoe", "OLMoE: softmax, the 8 best of 64 as they are scored",
     "huggingface/transformers, OlmoeSparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=64", "shape.top_k=8",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.01,"f_source":"all_k"}])"}},
    {"jamba", "Jamba: softmax, the 2 best of 16 as they are scored",
     "huggingface/transformers, JambaSparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=16", "shape.top_k=2", kBalance}},
    {"phimoe", "Phi-3.5-MoE: two choices, each with a share of its own among what was left and near",
     "huggingface/transformers, PhimoeTopKRouter at evaluation and the defaults of its config, 5.24; training draws "
     "the choices, and has another gradient",
     {"shape.num_experts=16", "shape.top_k=2", "router.renorm=sparsemixer", kBalance}},
    {"ernie4_5", "ERNIE 4.5: softmax plus a bias in the choice, a sum of at least 1e-12, shared experts",
     "huggingface/transformers, Ernie4_5_MoeTopKRouter and the defaults of its config, 5.24",
     {"shape.num_experts=64", "shape.top_k=6", "router.selection_bias=true", "router.renorm=sum",
      "router.renorm_epsilon=1e-12", "router.renorm_epsilon_mode=clamp", "shared.mode=add", "shared.ffn_size=128",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.001,"f_source":"all_k",)"
      R"("f_from":"retopk_of_aux_scores"}])"}},
    {"glm4_moe", "GLM-4.5: sigmoids, bias in the choice, 1e-20 added to their sum, a shared expert",
     "huggingface/transformers, Glm4MoeMoE and the defaults of its config, 5.24",
     {"shape.num_experts=128", "shape.top_k=8", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.renorm=sum", "router.renorm_epsilon=1e-20", "shared.mode=add", "shared.ffn_size=64"}},
    {"lfm2_moe", "LFM2: sigmoids, bias in the choice, 1e-6 added to their sum",
     "huggingface/transformers, Lfm2MoeSparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=32", "shape.top_k=4", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.renorm=sum", "router.renorm_epsilon=1e-6"}},
    {"minimax_m2", "MiniMax-M2: sigmoids, bias in the choice, a loss of the softmax of the logits",
     "huggingface/transformers, MiniMaxM2SparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=256", "shape.top_k=8", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.renorm=sum", kBalanceOfLogits}},
    {"nemotron_h", "Nemotron-H: sigmoids, bias in the choice, squared ReLU without a gate, in a latent space",
     "huggingface/transformers, NemotronHMoE, 5.24, with a moe_latent_size, which its defaults leave out",
     {"shape.num_experts=8", "shape.top_k=2", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.renorm=sum", "router.renorm_epsilon=1e-20", "experts.glu=false", "experts.activation=relu2",
      "experts.latent_size=16", "shared.mode=add", "shared.ffn_size=64"}},
    {"cohere2_moe", "Cohere 2 MoE: sigmoids over their sum, a mean with the shared experts",
     "huggingface/transformers, Cohere2MoeSparseMoeBlock, 5.24, with the expert_selection_fn and the "
     "shared_expert_combination_strategy that its defaults leave out",
     {"shape.num_experts=8", "shape.top_k=2", "router.score_function=sigmoid", "router.renorm=sum",
      "shared.mode=average", "shared.ffn_size=64"}},
    {"jetmoe", "JetMoE: softmax of the chosen, one bias for the sum over experts",
     "huggingface/transformers, JetMoeMoE and the defaults of its config, 5.24",
     {"shape.num_experts=8", "shape.top_k=2", "router.renorm=sum", "experts.bias=after_combine",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.01,"f_source":"all_k"}])"}},
    {"axk1", "A.X-K1: the choice of DeepSeek-V3, and a norm of the block's result",
     "huggingface/transformers, AXK1MoE and the defaults of its config, 5.24",
     {"shape.num_experts=192", "shape.top_k=8", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.n_group=8", "router.topk_group=4", "router.group_score=sum_topn", "router.group_score_n=2",
      "router.renorm=sum", "router.renorm_epsilon=1e-20", "router.routed_scaling_factor=2.5", "combine.norm=rms",
      "shared.mode=add", "shared.ffn_size=64"}},
    {"gemma4", "Gemma 4: a router with an input of its own, and a factor for each expert",
     "huggingface/transformers, Gemma4TextRouter and Gemma4TextExperts, 5.24, with the sizes that its "
     "defaults leave out",
     {"shape.num_experts=8", "shape.top_k=2", "router.input=own", "router.renorm=sum", "router.expert_scale=true",
      "experts.activation=gelu_tanh"}},
    {"kolibri1", "Kolibri 1: a bias of the logits in the choice, sigmoids as they are scored",
     "huggingface/transformers, Kolibri1SparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=384", "shape.top_k=6", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.selection_bias_on=logits", "shared.mode=add", "shared.ffn_size=64"}},
    {"minimax_m3", "MiniMax-M3: limited quick GELU times up + 1, a factor, a limited shared expert",
     "huggingface/transformers, MiniMaxM3VLTextSparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=128", "shape.top_k=4", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.renorm=sum", "router.routed_scaling_factor=2", "experts.activation=quick_gelu",
      "experts.clamp_gate_max=7", "experts.clamp_up_abs=7", "experts.up_offset=1", "shared.mode=add",
      "shared.ffn_size=64", "shared.clamp_gate_max=7", "shared.clamp_up_abs=7", kBalanceOfLogits}},
    {"muse_spark", "Muse Spark: logits times a factor, experts in a latent space with norms before and after",
     "huggingface/transformers, MuseSparkMoE and the defaults of its config, 5.24",
     {"shape.num_experts=256", "shape.top_k=8", "router.score_function=sigmoid",
      "router.logit_scale=0.1767766952966369", "router.selection_bias=true", "router.renorm=sum",
      "router.renorm_epsilon=1e-15", "experts.latent_size=16", "experts.latent_norm=rms",
      "experts.latent_norm_epsilon=1e-5", "experts.output_norm=rms", "experts.output_norm_epsilon=1e-8"}},
    {"inkling", "Inkling: two experts that every token uses, with shares of the same sum of sigmoids",
     "huggingface/transformers, InklingMoE and the defaults of its config, 5.24: 256 experts and 2 shared ones, its "
     "global_scale as a factor of each",
     {"shape.num_experts=258", "shape.top_k=8", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.sinks=2", "router.renorm=sum", "router.routed_scaling_factor=8", "router.expert_scale=true"}},
    {"inkling2", "Inkling 2: gates and ups drawn together, the sigmoid of SiLU of the gate as it is",
     "huggingface/transformers, Inkling2SparseMoeBlock and the defaults of its config, 5.24",
     {"shape.num_experts=384", "shape.top_k=8", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.renorm=sum", "router.renorm_epsilon=1e-20", "router.routed_scaling_factor=8", "experts.softcap_gate=4",
      "experts.softcap_up=25"}},
    {"megatron_dsv3", "Megatron-LM as for DeepSeek-V3: 1e-20 in the sum, a bias that follows kept assignments",
     "NVIDIA/Megatron-LM, megatron/core/transformer/moe/router.py: sigmoid, expert bias, groups by the sum of K over "
     "topk_group, seq_aux_loss, get_updated_expert_bias. Sizes and coefficient of DeepSeek-V3",
     {"shape.num_experts=256", "shape.top_k=8", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.n_group=8", "router.topk_group=4", "router.group_score=sum_topn", "router.group_score_n=2",
      "router.renorm=sum", "router.renorm_epsilon=1e-20", "router.routed_scaling_factor=2.5", "shared.mode=add",
      "shared.ffn_size=64", "bias_update.kind=sign", "bias_update.count=post_drop",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.0001,"f_source":"all_k","f_divide_by_k":true,)"
      R"("f_from":"retopk_of_aux_scores","scope":"group"}])"}},
    {"torchtitan", "torchtitan: sigmoids over their sum and 1e-20, a bias whose steps have a mean of 0",
     "pytorch/torchtitan, its TokenChoiceTopKRouter and _update_expert_bias; with route_norm. Sizes chosen "
     "here",
     {"shape.num_experts=8", "shape.top_k=2", "router.score_function=sigmoid", "router.selection_bias=true",
      "router.renorm=sum", "router.renorm_epsilon=1e-20", "bias_update.kind=sign_centred"}},
    {"vmoe", "V-MoE: noise of a fixed scale, a capacity in steps of 4, first choices first",
     "google-research/vmoe, NoisyTopExpertsPerItemRouter: noise of 1 / E, compute_capacity in multiples of 4; "
     "Riquelme et al., arXiv 2106.05974, without batch priority; the losses of configs/vmoe_paper, which have no "
     "epsilon. Sizes and capacity factor chosen here",
     {"shape.num_experts=8", "shape.top_k=2", "noise.kind=gaussian_fixed", "noise.scale=0.125", "capacity.mode=factor",
      "capacity.factor=1", "capacity.base=tokens_times_k", "capacity.outer_round=ceil", "capacity.multiple_of=4",
      "capacity.order=choice_major", "experts.glu=false", "experts.activation=gelu_tanh", "experts.bias=per_expert",
      R"(aux=[{"name":"importance","kind":"cv_importance","coefficient":0.005,"epsilon":1e-30,)"
      R"("importance_of":"clean_scores"},)"
      R"({"name":"load","kind":"cv_load","coefficient":0.005,"epsilon":1e-30,"load_against":"last_chosen"}])"}},
    {"tutel", "Tutel: a clamped sum, K times the rounded even load, first choices first",
     "microsoft/tutel, tutel/impls/fast_dispatch.py and losses.py: a factor of 1, gshard_loss, ReLU; without "
     "gate noise. Sizes and coefficient chosen here",
     {"shape.num_experts=8", "shape.top_k=2", "router.renorm=sum", "router.renorm_epsilon=1.1920928955078125e-07",
      "router.renorm_epsilon_mode=clamp", "capacity.mode=factor", "capacity.factor=1", "capacity.base=tokens",
      "capacity.inner_round=ceil", "capacity.outer_round=floor", "capacity.k_outside=true",
      "capacity.order=choice_major", "experts.glu=false", "experts.activation=relu",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.01,"f_source":"top1"}])"}},
    {"deepspeed_top2", "DeepSpeed's top 2: a capacity in fp32, weights over the clamped sum of what is kept",
     "deepspeedai/DeepSpeed, deepspeed/moe/sharded_moe.py, top2gating without second expert sampling; its MoE layer's "
     "defaults: capacity factor 1, at least 4 places. Sizes, experts and coefficient chosen here",
     {"shape.num_experts=8", "shape.top_k=2", "router.renorm=sum", "router.renorm_stage=after_drop",
      "router.renorm_epsilon=1.1920928955078125e-07", "router.renorm_epsilon_mode=clamp", "capacity.mode=factor",
      "capacity.factor=2", "capacity.base=tokens", "capacity.outer_round=ceil", "capacity.arithmetic=f32",
      "capacity.min_capacity=4", "capacity.order=choice_major",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.01,"f_source":"top1"}])"}},
    {"deepspeed_top1", "DeepSpeed's top 1: places by lot, a loss of first choices",
     "deepspeedai/DeepSpeed, deepspeed/moe/sharded_moe.py, top1gating with its random token selection and without "
     "noise; its MoE layer's defaults: capacity factor 1, at least 4 places. Sizes, experts and coefficient chosen "
     "here",
     {"shape.num_experts=8", "shape.top_k=1", "capacity.mode=factor", "capacity.factor=1", "capacity.base=tokens",
      "capacity.outer_round=ceil", "capacity.arithmetic=f32", "capacity.min_capacity=4", "capacity.priority=random",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.01,"f_source":"top1"}])"}},
    {"fairscale", "fairscale's top 2: the second choice by Gumbel noise, a loss without a factor",
     "facebookresearch/fairscale, fairscale/nn/moe/top2gate.py: a capacity of twice the even load. Sizes, experts and "
     "coefficient chosen here",
     {"shape.num_experts=8", "shape.top_k=2", "noise.kind=gumbel", "noise.choices=second", "router.renorm=sum",
      "router.renorm_stage=after_drop", "router.renorm_epsilon=1.1920928955078125e-07",
      "router.renorm_epsilon_mode=clamp", "capacity.mode=factor", "capacity.factor=2", "capacity.base=tokens",
      "capacity.outer_round=floor", "capacity.order=choice_major", "experts.glu=false", "experts.activation=relu",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.01,"f_source":"top1","multiply":"none"}])"}},
    {"fastmoe_switch", "FastMoE's switch gate: a biased router, a loss over kept tokens",
     "laekov/fastmoe, fmoe/gates/switch_gate.py: a capacity factor of 1.2, without its noise; of kept tokens, those "
     "that come first here, of which its kernel leaves open who they are. Sizes and coefficient chosen here",
     {"shape.num_experts=8", "shape.top_k=1", "router.logit_bias=true", "capacity.mode=factor", "capacity.factor=1.2",
      "capacity.base=tokens", "capacity.outer_round=ceil", "experts.glu=false", "experts.activation=gelu_erf",
      "experts.bias=per_expert",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.01,"f_stage":"post_drop","divisor":"kept"}])"}},
    {"base_layers", "BASE layers: an assignment that is given, the sigmoid of its score, the rest to x",
     "facebookresearch/fairseq, fairseq/modules/base_layer.py: the balanced assignment as an input; experts without "
     "their norm and residual. Sizes chosen here",
     {"shape.num_experts=8", "shape.top_k=1", "router.choice=given", "router.score_function=sigmoid", "combine.rest=x",
      "experts.glu=false", "experts.activation=relu", "experts.bias=per_expert"}},
    {"deepseek_v4_hash", "DeepSeek-V4's first layers: experts by a table of token ids, roots of softplus as weights",
     "huggingface/transformers, DeepseekV4HashRouter and the defaults of its config, 5.24",
     {"shape.num_experts=256", "shape.top_k=6", "router.choice=given", "router.score_function=sqrtsoftplus",
      "router.renorm=sum", "router.renorm_epsilon=1e-20", "router.routed_scaling_factor=1.5",
      "experts.clamp_gate_max=10", "experts.clamp_up_abs=10", "shared.mode=add", "shared.ffn_size=64",
      "shared.clamp_gate_max=10", "shared.clamp_up_abs=10"}},
    {"megablocks", "MegaBlocks: weights as they are scored, token by token, one bias after the combine",
     "databricks/megablocks, megablocks/layers/moe.py, router.py and arguments.py: a capacity factor of 1, GELU by "
     "tanh, batched_load_balancing_loss for one layer. Sizes and coefficient chosen here",
     {"shape.num_experts=8", "shape.top_k=1", "capacity.mode=factor", "capacity.factor=1",
      "capacity.base=tokens_times_k", "capacity.outer_round=floor", "experts.glu=false",
      "experts.activation=gelu_tanh", "experts.bias=after_combine",
      R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.01,"f_source":"all_k","f_divide_by_k":true}])"}},
};
// clang-format on

Preset preset_of(const Block& block) {
  Config standard;
  standard.shape = {16, 32, 64, 8, 1};
  Json json = config_to_json(standard);
  std::set<std::string> given;
  for (const char* assignment : block.sets) given.insert(set_field(json, assignment));
  return {block.name, block.summary, block.source, config_from_json(json, &given)};
}

}  // namespace

std::vector<Preset> presets_of_models() {
  std::vector<Preset> all;
  for (const Block& block : kBlocks) all.push_back(preset_of(block));
  return all;
}

}  // namespace moe
