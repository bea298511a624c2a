#include "harmless.h"

#include <algorithm>

namespace moe {
namespace {

// Numbers, switches and lists that say how a model computes, learns or runs, and add no parameter whatever they are.
constexpr std::string_view kHarmless[] = {
    "add_cross_attention",
    "add_router_probs",
    "attention_chunk_size",
    "attn_temperature_tuning",
    "batch_prioritized_routing",
    "block_size",
    "chunk_size",
    "chunk_size_feed_forward",
    "clip_qkv",
    "enable_moe_fp32_combine",
    "ep_size",
    "expert_capacity",
    "expert_parallel",
    "ffn_act_fn",
    "floor_scale",
    "full_attn_alpha_factor",
    "full_attn_beta_factor",
    "global_attn_every_n_layers",
    "hc_sinkhorn_iters",
    "index_block_size",
    "index_kpool_always_select_tail",
    "index_local_blocks",
    "index_share_for_mtp_iteration",
    "index_skip_topk_offset",
    "index_topk",
    "index_topk_blocks",
    "index_topk_freq",
    "indexer_rope_interleave",
    "initial_context_length",
    "is_decoder",
    "kda_safe_gate",
    "keep_window_size",
    "kv_source_layers",
    "layer_group_size",
    "layer_rope_theta",
    "linear_attn_alpha_factor",
    "linear_attn_beta_factor",
    "log_scaling_n_floor",
    "mamba_chunk_size",
    "max_length",
    "max_seq_len",
    "max_window_layers",
    "min_length",
    "mlp_alpha_factor",
    "mlp_beta_factor",
    "model_max_length",
    "moe_apply_router_weight_on_input",
    "moe_capacity",
    "moe_drop_tokens",
    "moe_gate",
    "moe_group_experts",
    "moe_multimodal_mask",
    "moe_random_routing_dropped_token",
    "moe_renormalize",
    "moe_shared_expert_overlap",
    "moe_use_aux_free",
    "mtp_hidden_states_first",
    "mtp_layers_block_type",
    "mtp_use_dedicated_embeddings",
    "mup_enabled",
    "n_group",
    "no_repeat_ngram_size",
    "no_rope_layer_interval",
    "no_rope_layers",
    "norm_topk_prob",
    "normalize_router_prob_before_dropping",
    "num_beam_groups",
    "num_beams",
    "num_expert_group",
    "num_logits_to_keep",
    "num_return_sequences",
    "number_of_conv_states",
    "position_embedding_type",
    "prefix_dense_sliding_window_pattern",
    "pretraining_tp",
    "query_pre_attn_scalar",
    "relative_attention_max_distance",
    "rescale_prenorm_residual",
    "residual_in_fp32",
    "rope_interleave",
    "rope_scaling",
    "route_scale",
    "routed_scaling_factor",
    "router_ignore_padding_tokens",
    "scale_embedding",
    "seq_aux",
    "shared_expert_sink",
    "sliding_window",
    "sliding_window_pattern",
    "sliding_window_size",
    "swa_rope_theta",
    "time_step_limit",
    "topk_group",
    "transformers_version",
    "use_associative_scan",
    "use_cache",
    "use_gemma_norm",
    "use_mamba_kernels",
    "use_mambapy",
    "use_sliding_window",
};
constexpr std::string_view kEndings[] = {
    "_token",      "_token_id",      "_token_ids",
    "_coef",       "_loss",          "_loss_weight",
    "_dropout",    "_pdrop",         "_prob",
    "_eps",        "_epsilon",       "_std",
    "_theta",      "_factor",        "_range",
    "_scale",      "_scaling",       "_multiplier",
    "_noise",      "_limit",         "_limits",
    "_softcap",    "_softcapping",   "_logits",
    "_attentions", "_hidden_states", "_position_embeddings",
    "_rope",       "_interleave",    "_dtype",
    "_penalty",    "_layerdrop",     "_cache",
};
constexpr std::string_view kBeginnings[] = {
    "rope_",        "rotary_",      "initializer_",  "output_",   "return_", "quantization_config",
    "id2label",     "label2id",     "architectures", "auto_map",  "dtype",   "torch_",
    "token_",       "num_labels",   "bos_",          "eos_",      "pad_",    "max_position",
    "max_sequence", "pruned_heads", "task_specific", "suppress_", "_",
};

}  // namespace

bool is_harmless(const std::string& name, const Json& value) {
  // Sizes are whole numbers, and what adds a norm or a bias is a switch that is on.
  if (value.is_null() || value.is_string() || value.is_number_float() || value == false || value == 0)
    return true;
  if (value.is_structured() && value.empty()) return true;
  const std::string key = name.substr(name.find('.') + 1);  // whatever it is in
  const auto ends = [&](std::string_view ending) { return key.ends_with(ending); };
  const auto begins = [&](std::string_view beginning) { return key.starts_with(beginning); };
  return std::find(std::begin(kHarmless), std::end(kHarmless), key) != std::end(kHarmless) ||
         std::any_of(std::begin(kEndings), std::end(kEndings), ends) ||
         std::any_of(std::begin(kBeginnings), std::end(kBeginnings), begins);
}

}  // namespace moe
