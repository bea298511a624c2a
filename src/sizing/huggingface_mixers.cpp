#include <algorithm>

#include "huggingface.h"

namespace moe {
namespace {

constexpr auto kFullNorm = Gqa::QkNorm::Full;
constexpr std::int64_t kConvolution = 4;  // where a config leaves out the kernel size of Mamba and its kin

std::int64_t head_size(Keys& keys, const Model& m, std::int64_t heads) {
  static constexpr Names kHead = {"head_dim", "kv_channels", "attention_head_dim"};
  return keys.which(kHead) != nullptr ? keys.whole(kHead) : std::max<std::int64_t>(1, m.hidden_size / heads);
}

Gqa read_gqa(Keys& keys, const Family& family, const Model& m) {
  Gqa a;
  static constexpr Names kHeads = {"num_attention_heads", "n_heads"};
  // JetMoE's files may leave it out: so many for each of its experts of attention.
  a.heads = keys.which(kHeads) == nullptr && keys.is("model_type", "jetmoe")
                ? keys.whole({"num_key_value_heads"}) * keys.whole({"num_experts_per_tok"})
                : keys.whole(kHeads);
  a.kv_heads =
      keys.whole_or({"num_key_value_heads", "attn_config.kv_n_heads", "num_attention_groups"}, a.heads, 1);
  a.head_size = head_size(keys, m, a.heads);
  a.value_size = keys.whole_or({"v_head_dim"}, 0, 1);
  if (a.value_size == a.head_size) a.value_size = 0;
  a.qkv_bias = keys.truth_or({"attention_bias", "qkv_bias", "use_qkv_bias", "use_bias"}, family.qkv_bias);
  a.output_bias = family.output_bias && a.qkv_bias;
  a.sinks = family.sinks;
  a.output_gate = keys.truth_or({"attn_output_gate"}, family.output_gate);
  a.head_gate = family.head_gate;
  const bool asked = keys.truth_or({"use_qk_norm"}, !family.qk_norm_if_asked || family.qk_norm == kFullNorm);
  if (asked) a.qk_norm = family.qk_norm;
  return a;
}

Mla read_mla(Keys& keys, const Family& family) {
  Mla a;
  a.heads = keys.whole({"num_attention_heads"});
  a.q_rank = keys.whole_or({"q_lora_rank"}, 0, 0);
  a.kv_rank = keys.whole({"kv_lora_rank"});
  a.nope_size = keys.whole({"qk_nope_head_dim"}, 0);
  a.rope_size = keys.whole({"qk_rope_head_dim"}, 0);
  a.value_size = keys.whole({"v_head_dim"});
  a.index_heads = keys.whole_or({"index_n_heads"}, 0, 0);
  if (a.index_heads > 0) a.index_size = keys.whole({"index_head_dim"});
  a.sinks = family.sinks, a.output_gate = family.output_gate, a.head_gate = family.head_gate;
  a.bias = keys.truth_or({"attention_bias"}, false);
  // These repeat the rest, or cost nothing.
  keys.known({"num_key_value_heads", "head_dim", "qk_head_dim", "index_topk"});
  return a;
}

KimiDelta read_kimi_delta(Keys& keys, const Family& family) {
  KimiDelta a;
  a.convolution = keys.whole_or({"linear_conv_kernel_dim", "short_conv_kernel_size"}, kConvolution, 1);
  if (keys.has("linear_attn_config")) {
    const Json& inner = keys.at("linear_attn_config");
    Keys linear(inner, keys.file() + ": linear_attn_config");
    a.heads = linear.whole({"num_heads"});
    a.head_size = linear.whole({"head_dim"});
    a.convolution = linear.whole_or({"short_conv_kernel_size"}, a.convolution, 1);
  } else {
    a.heads = keys.whole({"linear_num_heads"});
    a.head_size = keys.whole({"linear_head_dim"});
  }
  if (family.low_rank_kimi) a.decay_rank = a.gate_rank = a.head_size;
  return a;
}

DeltaNet read_delta_net(Keys& keys) {
  return {keys.whole({"linear_num_key_heads"}), keys.whole({"linear_num_value_heads"}),
          keys.whole({"linear_key_head_dim"}), keys.whole({"linear_value_head_dim"}),
          keys.whole_or({"linear_conv_kernel_dim"}, kConvolution, 1)};
}

Mamba1 read_mamba1(Keys& keys, const Model& m) {
  const std::int64_t expand = keys.whole_or({"mamba_expand"}, 2, 1), D = m.hidden_size;
  Mamba1 a{expand * D, keys.whole_or({"mamba_d_state"}, 16, 1),
           keys.whole_or({"mamba_d_conv"}, kConvolution, 1), (D + 15) / 16};
  if (!keys.is("mamba_dt_rank", "auto")) a.step_rank = keys.whole_or({"mamba_dt_rank"}, a.step_rank, 1);
  a.convolution_bias = keys.truth_or({"mamba_conv_bias"}, true);
  a.projection_bias = keys.truth_or({"mamba_proj_bias"}, false);
  return a;
}

Mamba2 read_mamba2(Keys& keys) {
  Mamba2 a{keys.whole({"mamba_num_heads", "mamba_n_heads"}), keys.whole({"mamba_head_dim", "mamba_d_head"}),
           keys.whole({"ssm_state_size", "mamba_d_state"}),
           keys.whole_or({"n_groups", "mamba_n_groups"}, 1, 1),
           keys.whole_or({"conv_kernel", "mamba_d_conv"}, kConvolution, 1)};
  keys.known({"mamba_expand", "expand"});
  a.convolution_bias = keys.truth_or({"use_conv_bias", "mamba_conv_bias"}, true);
  a.projection_bias = keys.truth_or({"mamba_proj_bias", "use_bias"}, false);
  return a;
}

ShortConvolution read_short_convolution(Keys& keys) {
  return {keys.whole({"conv_L_cache"}), keys.truth_or({"conv_bias"}, false)};
}

/// The index of this mixer among those of the model, which it joins if it is new.
int index_of(Model& m, const Mixer& mixer) {
  const auto at = std::find(m.mixers.begin(), m.mixers.end(), mixer);
  if (at != m.mixers.end()) return static_cast<int>(at - m.mixers.begin());
  m.mixers.push_back(mixer);
  return static_cast<int>(m.mixers.size()) - 1;
}

/// What the i-th layer mixes with: a word, of which every family has its own way to say it.
enum class Kind { Softmax, Latent, Lightning, DeltaNet, KimiDelta, Mamba1, Mamba2, Convolution, None };
struct Mixing {
  Kind kind = Kind::Softmax;
  bool window = false;  // of attention that sees only the last tokens
};

Kind hybrid_kind(Keys& keys, char c) {
  switch (c) {
    case 'M':
      return Kind::Mamba2;
    case '*':
      return Kind::Softmax;
    case 'E':
    case '-':
      return Kind::None;
    default:
      keys.refuse("hybrid_override_pattern", "must consist of M, *, E and -");
  }
}

/// linear_attention is a name that every family has given to its own.
Kind linear_kind(Keys& keys) {
  if (keys.has("linear_num_key_heads")) return Kind::DeltaNet;
  if (keys.has("linear_num_heads") || keys.has("linear_attn_config")) return Kind::KimiDelta;
  if (keys.which({"mamba_num_heads", "mamba_n_heads"}) != nullptr) return Kind::Mamba2;
  return Kind::Lightning;
}

Mixing named_mixing(Keys& keys, const char* key, const Json& name, bool latent) {
  const Kind attention = latent ? Kind::Latent : Kind::Softmax;
  for (const char* all : {"full_attention", "attention", "indexed_attention", "hybrid", "minimax_m3_sparse"})
    if (is_text(name, all)) return {attention, false};
  for (const char* window :
       {"sliding_attention", "chunked_attention", "hybrid_sliding", "reference_sliding_attention"})
    if (is_text(name, window)) return {attention, true};
  if (is_text(name, "linear_attention")) return {linear_kind(keys), false};
  if (is_text(name, "mamba")) return {Kind::Mamba2, false};
  if (is_text(name, "conv")) return {Kind::Convolution, false};
  if (is_text(name, "moe") || is_text(name, "mlp")) return {Kind::None, false};
  for (const char* compressed : {"compressed_sparse_attention", "heavily_compressed_attention"})
    if (is_text(name, compressed) && keys.is("model_type", "deepseek_v4")) return {};
  keys.refuse(
      key,
      "must consist of full_attention, sliding_attention, chunked_attention, indexed_attention, attention, "
      "hybrid, hybrid_sliding, reference_sliding_attention, linear_attention, mamba, conv, moe and mlp; " +
          shown(name) + " is none of them");
}

/// Kimi's own files number the layers of both kinds from 1.
bool lists_layer(Keys& keys, const char* name, std::int64_t i) {
  const Json& config = keys.at("linear_attn_config");
  if (!config.is_object() || !config.contains(name) || !config[name].is_array())
    keys.refuse("linear_attn_config", "must have " + std::string(name) + ", a list of numbers of layers");
  return std::find(config[name].begin(), config[name].end(), Json(i + 1)) != config[name].end();
}

std::vector<Mixing> mixing_of_layers(Keys& keys, const Family& family, std::int64_t L) {
  const bool latent = family.latent && keys.has("kv_lora_rank");
  const bool slides = keys.has("sliding_window") && keys.truth_or({"use_sliding_window"}, true);
  std::vector<Mixing> all(static_cast<std::size_t>(L),
                          Mixing{latent ? Kind::Latent : Kind::Softmax, slides && !latent});
  const auto fill = [&](auto at) {
    for (std::int64_t i = 0; i < L; ++i) all[static_cast<std::size_t>(i)] = at(i);
  };
  const auto kind = [](Kind k) { return Mixing{k, false}; };
  if (has_hybrid_pattern(keys)) {
    const std::string pattern = keys.text_or("hybrid_override_pattern", "");
    fill([&](std::int64_t i) { return kind(hybrid_kind(keys, pattern[static_cast<std::size_t>(i)])); });
  } else if (const char* types = keys.has("layers_block_type") ? "layers_block_type"
                                 : keys.has("layer_types")     ? "layer_types"
                                                               : nullptr;
             types != nullptr) {
    const Json& names = keys.list(types, L);
    fill([&](std::int64_t i) {
      return named_mixing(keys, types, names[static_cast<std::size_t>(i)], latent);
    });
  } else if (keys.has("linear_attn_config")) {
    fill([&](std::int64_t i) {
      const bool full = lists_layer(keys, "full_attn_layers", i);
      if (full == lists_layer(keys, "kda_layers", i))
        keys.refuse("linear_attn_config", "must list layer " + std::to_string(i + 1) + " once");
      return kind(!full ? Kind::KimiDelta : latent ? Kind::Latent : Kind::Softmax);
    });
  } else if (keys.has("attn_type_list")) {
    const Json& list = keys.list("attn_type_list", L);
    fill([&](std::int64_t i) {
      return kind(list[static_cast<std::size_t>(i)] == 1 ? Kind::Softmax : Kind::Lightning);
    });
  } else if (keys.has("full_attention_interval")) {
    const std::int64_t step = keys.whole({"full_attention_interval"});
    fill([&](std::int64_t i) { return kind((i + 1) % step == 0 ? Kind::Softmax : Kind::DeltaNet); });
  } else if (keys.has("attn_layer_period")) {
    const std::int64_t period = keys.whole({"attn_layer_period"}),
                       offset = keys.whole({"attn_layer_offset"}, 0);
    fill([&](std::int64_t i) { return kind(i % period == offset ? Kind::Softmax : Kind::Mamba1); });
  }
  return all;
}

std::int64_t window_of(Keys& keys) {
  for (const char* name : {"sliding_window", "sliding_window_size", "attention_chunk_size"})
    if (keys.has(name)) return keys.whole({name}, 0);
  return 0;
}

/// Step's attention with a window may have another number of heads.
Gqa with_heads(Gqa a, Keys& keys, bool window) {
  const std::int64_t heads = keys.whole_or({"num_sliding_attention_heads"}, a.heads, 1);
  if (window) a.heads = heads;
  return a;
}

template <typename Attention>
Attention with_window(Attention a, Keys& keys, bool window) {
  if (window) a.window = window_of(keys);
  return a;
}

int mixer_index(Keys& keys, const Family& family, Model& m, const Mixing& mixing) {
  switch (mixing.kind) {
    case Kind::Softmax:
      return index_of(
          m, with_window(with_heads(read_gqa(keys, family, m), keys, mixing.window), keys, mixing.window));
    case Kind::Latent:
      return index_of(m, with_window(read_mla(keys, family), keys, mixing.window));
    case Kind::DeltaNet:
      return index_of(m, read_delta_net(keys));
    case Kind::KimiDelta:
      return index_of(m, read_kimi_delta(keys, family));
    case Kind::Mamba1:
      return index_of(m, read_mamba1(keys, m));
    case Kind::Mamba2:
      return index_of(m, read_mamba2(keys));
    case Kind::Convolution:
      return index_of(m, read_short_convolution(keys));
    case Kind::Lightning: {
      const std::int64_t heads = keys.whole({"num_attention_heads"});
      return index_of(m, Lightning{heads, head_size(keys, m, heads)});
    }
    case Kind::None:
      break;
  }
  return -1;
}

/// The fields of layer i where it has some of its own, as "03" or "3" of per_layer_config.
const Json* fields_of_layer(Keys& keys, std::size_t i) {
  if (!keys.has("per_layer_config")) return nullptr;
  const Json& all = keys.at("per_layer_config");
  if (!all.is_object()) keys.refuse("per_layer_config", "must be an object");
  const std::string plain = std::to_string(i);
  for (const std::string& name : {plain, '0' + plain, "00" + plain})
    if (all.contains(name) && all[name].is_object()) return &all[name];
  return nullptr;
}

/// Layers that take keys and values from the one before, of Hunyuan: in each group of some only the first has its own.
void share_keys(Keys& keys, Model& m) {
  if (!keys.truth_or({"use_cla"}, false)) return;
  const std::int64_t group = keys.whole({"cla_share_factor"});
  const auto* own = m.mixers.empty() ? nullptr : std::get_if<Gqa>(&m.mixers.front());
  if (own == nullptr || m.mixers.size() > 1) keys.refuse("use_cla", "needs softmax attention in every layer");
  Gqa shared = *own;
  shared.kv_heads = 0;
  m.mixers.emplace_back(shared);
  for (std::size_t i = 0; i < m.layers.size(); ++i)
    if (static_cast<std::int64_t>(i) % group != 0) m.layers[i].mixer = 1;
}

/// MiMo's layers with a window (1 in the pattern), whose heads are of another number and size.
void window_heads(Keys& keys, Model& m) {
  if (!keys.has("hybrid_layer_pattern")) return;
  const Json& pattern = keys.list("hybrid_layer_pattern", static_cast<std::int64_t>(m.layers.size()));
  auto* full = m.mixers.empty() ? nullptr : std::get_if<Gqa>(&m.mixers.front());
  if (full == nullptr || m.mixers.size() > 1)
    keys.refuse("hybrid_layer_pattern", "needs softmax attention in every layer");
  Gqa window = *full;
  window.window = window_of(keys), full->window = 0;
  window.heads = keys.whole_or({"swa_num_attention_heads"}, window.heads, 1);
  window.kv_heads = keys.whole_or({"swa_num_key_value_heads"}, window.kv_heads, 1);
  window.head_size = keys.whole_or({"swa_head_dim"}, window.head_size, 1);
  window.value_size = keys.whole_or({"swa_v_head_dim"}, window.value_size, 1);
  m.mixers.emplace_back(window);
  for (std::size_t i = 0; i < m.layers.size(); ++i)
    if (pattern[i] == 1) m.layers[i].mixer = 1;
}

}  // namespace

bool has_hybrid_pattern(Keys& keys) { return keys.has("hybrid_override_pattern"); }

void read_mixers(Keys& keys, const Family& family, Model& m) {
  // Of mixers that no layer has.
  keys.known({"num_attention_heads", "num_key_value_heads", "head_dim", "attention_bias"});
  const auto L = static_cast<std::int64_t>(m.layers.size());
  if (has_hybrid_pattern(keys) && keys.text_or("hybrid_override_pattern", "").size() != m.layers.size())
    keys.refuse("hybrid_override_pattern", "must have a letter for each of " + std::to_string(L) + " layers");
  const std::vector<Mixing> mixing = mixing_of_layers(keys, family, L);
  for (std::size_t i = 0; i < mixing.size(); ++i) {
    if (const Json* own = fields_of_layer(keys, i)) {
      Keys changed(keys.with(*own), keys.file());
      m.layers[i].mixer = mixer_index(changed, family, m, mixing[i]);
    } else {
      m.layers[i].mixer = mixer_index(keys, family, m, mixing[i]);
    }
  }
  share_keys(keys, m);
  window_heads(keys, m);
}

}  // namespace moe
