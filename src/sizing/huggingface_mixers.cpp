#include "huggingface.h"

namespace moe {
namespace {

constexpr std::int64_t kConvolution = 4;  // where a config leaves out the kernel size of Mamba and its kin

std::int64_t head_size(Keys& keys, const Model& m, std::int64_t heads) {
  if (keys.which({"head_dim", "kv_channels", "attention_head_dim"}) != nullptr)
    return keys.whole({"head_dim", "kv_channels", "attention_head_dim"});
  if (m.hidden_size % heads != 0)
    keys.refuse(keys.which({"num_attention_heads", "n_heads"}),
                "must divide the width, as there is no head_dim");
  return m.hidden_size / heads;
}

Gqa read_gqa(Keys& keys, const Family& family, const Model& m) {
  Gqa a;
  a.heads = keys.whole({"num_attention_heads", "n_heads"});
  a.kv_heads =
      keys.whole_or({"num_key_value_heads", "attn_config.kv_n_heads", "num_attention_groups"}, a.heads, 1);
  a.head_size = head_size(keys, m, a.heads);
  a.value_size = keys.whole_or({"v_head_dim"}, 0, 1);
  if (a.value_size == a.head_size) a.value_size = 0;
  a.qkv_bias = keys.truth_or({"attention_bias", "qkv_bias", "use_qkv_bias", "use_bias"}, family.qkv_bias);
  a.output_bias = family.output_bias && a.qkv_bias;
  a.sinks = family.sinks;
  a.output_gate = keys.truth_or({"attn_output_gate"}, family.output_gate);
  const bool asked = keys.truth_or({"use_qk_norm"}, !family.qk_norm_if_asked);
  if (!family.qk_norm_if_asked || asked) a.qk_norm = family.qk_norm;
  return a;
}

Mla read_mla(Keys& keys) {
  Mla a;
  a.heads = keys.whole({"num_attention_heads"});
  a.q_rank = keys.whole_or({"q_lora_rank"}, 0, 1);
  a.kv_rank = keys.whole({"kv_lora_rank"});
  a.nope_size = keys.whole({"qk_nope_head_dim"});
  a.rope_size = keys.whole({"qk_rope_head_dim"});
  a.value_size = keys.whole({"v_head_dim"});
  a.index_heads = keys.whole_or({"index_n_heads"}, 0, 1);
  if (a.index_heads > 0) a.index_size = keys.whole({"index_head_dim"});
  if (a.index_heads > 0 && a.q_rank == 0) keys.refuse("index_n_heads", "needs q_lora_rank");
  if (keys.truth_or({"attention_bias"}, false))
    keys.refuse("attention_bias", "must be false beside kv_lora_rank");
  keys.which(
      {"num_key_value_heads", "head_dim", "qk_head_dim", "index_topk"});  // repeat the rest, or cost nothing
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
  return a;
}

Mamba2 read_mamba2(Keys& keys) {
  return {keys.whole({"mamba_num_heads", "mamba_n_heads"}), keys.whole({"mamba_head_dim", "mamba_d_head"}),
          keys.whole({"ssm_state_size", "mamba_d_state"}),
          keys.whole_or({"n_groups", "mamba_n_groups"}, 1, 1),
          keys.whole_or({"conv_kernel", "mamba_d_conv"}, kConvolution, 1)};
}

/// The index of a mixer of this kind, which `read` makes where there is none.
template <typename Kind, typename Read>
int mixer_of(Model& m, Read read) {
  for (std::size_t i = 0; i < m.mixers.size(); ++i)
    if (std::holds_alternative<Kind>(m.mixers[i])) return static_cast<int>(i);
  m.mixers.emplace_back(read());
  return static_cast<int>(m.mixers.size()) - 1;
}

/// What the i-th layer mixes with: a word, of which every family has its own way to say it.
enum class Kind { Softmax, Latent, Lightning, DeltaNet, Mamba1, Mamba2, None };

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

Kind named_kind(Keys& keys, const Json& name) {
  for (const char* softmax : {"full_attention", "sliding_attention", "chunked_attention", "attention"})
    if (is_text(name, softmax)) return Kind::Softmax;
  if (is_text(name, "linear_attention"))
    return keys.has("linear_num_key_heads") ? Kind::DeltaNet : Kind::Lightning;
  if (is_text(name, "mamba")) return Kind::Mamba2;
  keys.refuse("layer_types",
              "must consist of full_attention, sliding_attention, chunked_attention, attention, "
              "linear_attention and mamba");
}

std::vector<Kind> kinds_of_layers(Keys& keys, std::int64_t L) {
  const bool latent = keys.has("kv_lora_rank");
  std::vector<Kind> kinds(static_cast<std::size_t>(L), latent ? Kind::Latent : Kind::Softmax);
  const auto fill = [&](auto kind_at) {
    for (std::int64_t i = 0; i < L; ++i) kinds[static_cast<std::size_t>(i)] = kind_at(i);
  };
  if (has_hybrid_pattern(keys)) {
    const std::string pattern = keys.text_or("hybrid_override_pattern", "");
    fill([&](std::int64_t i) { return hybrid_kind(keys, pattern[static_cast<std::size_t>(i)]); });
  } else if (!latent && keys.has("layer_types")) {
    const Json& types = keys.list("layer_types", L);
    fill([&](std::int64_t i) { return named_kind(keys, types[static_cast<std::size_t>(i)]); });
  } else if (keys.has("attn_type_list")) {
    const Json& types = keys.list("attn_type_list", L);
    fill([&](std::int64_t i) {
      return types[static_cast<std::size_t>(i)] == 1 ? Kind::Softmax : Kind::Lightning;
    });
  } else if (keys.has("full_attention_interval")) {
    const std::int64_t step = keys.whole({"full_attention_interval"});
    fill([&](std::int64_t i) { return (i + 1) % step == 0 ? Kind::Softmax : Kind::DeltaNet; });
  } else if (keys.has("attn_layer_period")) {
    const std::int64_t period = keys.whole({"attn_layer_period"}),
                       offset = keys.whole({"attn_layer_offset"}, 0);
    fill([&](std::int64_t i) { return i % period == offset ? Kind::Softmax : Kind::Mamba1; });
  }
  return kinds;
}

int mixer_index(Keys& keys, const Family& family, Model& m, Kind kind) {
  switch (kind) {
    case Kind::Softmax:
      return mixer_of<Gqa>(m, [&] { return read_gqa(keys, family, m); });
    case Kind::Latent:
      return mixer_of<Mla>(m, [&] { return read_mla(keys); });
    case Kind::DeltaNet:
      return mixer_of<DeltaNet>(m, [&] { return read_delta_net(keys); });
    case Kind::Mamba1:
      return mixer_of<Mamba1>(m, [&] { return read_mamba1(keys, m); });
    case Kind::Mamba2:
      return mixer_of<Mamba2>(m, [&] { return read_mamba2(keys); });
    case Kind::Lightning:
      return mixer_of<Lightning>(m, [&] {
        const std::int64_t heads = keys.whole({"num_attention_heads"});
        return Lightning{heads, head_size(keys, m, heads)};
      });
    case Kind::None:
      break;
  }
  return -1;
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
  const auto* full = m.mixers.empty() ? nullptr : std::get_if<Gqa>(&m.mixers.front());
  if (full == nullptr || m.mixers.size() > 1)
    keys.refuse("hybrid_layer_pattern", "needs softmax attention in every layer");
  Gqa window = *full;
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
  const auto L = static_cast<std::int64_t>(m.layers.size());
  if (has_hybrid_pattern(keys) && keys.text_or("hybrid_override_pattern", "").size() != m.layers.size())
    keys.refuse("hybrid_override_pattern", "must have a letter for each of " + std::to_string(L) + " layers");
  const std::vector<Kind> kinds = kinds_of_layers(keys, L);
  for (std::size_t i = 0; i < kinds.size(); ++i) m.layers[i].mixer = mixer_index(keys, family, m, kinds[i]);
  share_keys(keys, m);
  window_heads(keys, m);
}

}  // namespace moe
