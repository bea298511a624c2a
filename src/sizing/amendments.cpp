#include <cmath>

#include "amend.h"

namespace moe {

void share_indexers(Keys& keys, Model& m) {
  const std::size_t L = m.layers.size();
  each<Mla>(m, [&](Mla& a, std::size_t i) {
    if (says(keys, "indexer_types", i, L, "shared", false)) a.index_heads = a.index_size = 0;
  });
}

void amend_axk1(Keys&, Model& m) {
  for (Layer& layer : m.layers)
    if (layer.moe) layer.extra.rest += m.hidden_size;  // a norm after the mixture
}

void amend_axk2(Keys& keys, Model& m) {
  // Norms with a gate of low rank before each mixer and each mixture.
  const Whole gate = 2 * Whole(keys.whole({"gated_norm_rank"}, 0)) * m.hidden_size;
  for (Layer& layer : m.layers) layer.extra.matmul += (layer.moe ? 2 : 1) * gate;
  // Queries and an output gate come of the compressed query and one more input of that width.
  each<Mla>(m, [&](Mla& a, std::size_t) {
    const Whole H = a.heads, queries = H * (Whole(a.nope_size) + a.rope_size);
    a.extra.matmul += (queries + H * a.value_size) * 2 * a.q_rank - queries * a.q_rank;
  });
}

void amend_dots3(Keys& keys, Model& m) {
  const std::size_t L = m.layers.size();
  each<Mla>(m, [&](Mla& a, std::size_t i) {
    a.extra.rest += a.rope_size;  // a norm of the keys' rotated part
    if (!says(keys, "layer_types", i, L, "indexed_attention", true)) a.index_heads = a.index_size = 0;
  });
}

void amend_glm5_next(Keys& keys, Model& m) {
  // The indexer pools keys: a position and a gate for each.
  const Whole D = m.hidden_size, pool = keys.whole({"index_kpool"}, 0), n = keys.whole({"hc_mult"});
  share_indexers(keys, m);
  m.caveat = "keys of the indexer are counted as if they were not pooled";
  each<Mla>(m, [&](Mla& a, std::size_t) {
    if (a.index_heads == 0) return;
    a.extra.rest += pool * a.index_size, a.extra.matmul += D * a.index_size;
  });
  add_hyper_connections(m, n, (2 + n) * n, 3, false);
}

void amend_hy_v4(Keys& keys, Model& m) {
  share_indexers(keys, m);
  const Whole n = keys.whole({"hc_mult"});
  add_hyper_connections(m, n, 2 * n, 2, true);
}

void amend_mistral_large4(Keys& keys, Model& m) {
  // Queries are not compressed, and so the indexer's come of a norm of the input; scores have a scale and a bias a head.
  const auto L = static_cast<std::int64_t>(m.layers.size());
  const Whole D = m.hidden_size;
  share_indexers(keys, m);
  std::int64_t rope = 0;
  each<Mla>(m, [&](Mla& a, std::size_t i) {
    rope = std::max(rope, a.rope_size);
    a.extra.rest += 2 * Whole(a.heads);
    if (a.index_heads > 0) a.extra.rest += 2 * D + 2 * Whole(a.index_heads);
    if (keys.has("no_rope_layers") && keys.list("no_rope_layers", L)[i] == 0)
      a.nope_size += a.rope_size, a.rope_size = 0;
  });
  m.extra.rest += rope / 2;  // learned frequencies
}

void amend_deepseek_ocr(Keys&, Model& m) {
  each<Gqa>(m,
            [&](Gqa& a, std::size_t) { a.head_size = std::max<std::int64_t>(1, m.hidden_size / a.heads); });
}

void amend_beam(Keys&, Model& m) {
  each<Gqa>(m, [](Gqa& a, std::size_t) { a.extra.rest += a.heads; });  // a bias of the gate
}

void amend_cohere2(Keys&, Model& m) {
  for (Layer& layer : m.layers)
    layer.extra.rest += Whole(0) - m.hidden_size;  // attention and experts side by side: one norm
}

void amend_laguna(Keys& keys, Model& m) {
  const bool full = keys.is("gating", "per-element");
  const bool gate = full || keys.is("gating", "per-head") || !keys.has("gating") || keys.at("gating") == true;
  const auto L = static_cast<std::int64_t>(m.layers.size());
  each<Gqa>(m, [&](Gqa& a, std::size_t i) {
    a.head_gate = gate && !full, a.output_gate = full;
    if (!keys.has("num_attention_heads_per_layer")) return;
    const Json& heads = keys.list("num_attention_heads_per_layer", L)[i];
    a.heads = heads.is_number_integer() ? heads.get<std::int64_t>() : 0;
  });
}

void amend_mimo(Keys& keys, Model& m) {
  // Attention with a window has sinks, and twice the heads for keys and values.
  const std::size_t L = m.layers.size();
  each<Gqa>(m, [&](Gqa& a, std::size_t i) {
    if (says(keys, "layer_types", i, L, "sliding_attention", false)) a.sinks = true, a.kv_heads *= 2;
  });
}

void amend_muse_spark(Keys& keys, Model& m) {
  require_experts(keys, m);
  // Experts work at a width of their own between two norms. One norm more than usual, and two gates of the residual.
  m.moe->latent_size = keys.whole({"moe_hidden_size"});
  m.moe->extra.rest += 2 * Whole(m.moe->latent_size);
  for (Layer& layer : m.layers) layer.extra.rest += 3 * Whole(m.hidden_size);
}

void amend_gemma4(Keys& keys, Model& m) {
  const std::size_t L = m.layers.size();
  if (keys.whole_or({"hidden_size_per_layer_input"}, 0) > 0)
    keys.refuse("hidden_size_per_layer_input", "must be 0: inputs for each layer are not counted");
  if (keys.whole_or({"num_kv_shared_layers"}, 0) > 0)
    keys.refuse("num_kv_shared_layers", "must be 0: shared keys and values are not counted");
  keys.known({"vocab_size_per_layer_input", "use_double_wide_mlp"});
  const bool same = keys.truth_or({"attention_k_eq_v"}, false);
  const std::int64_t head = keys.whole_or({"global_head_dim"}, 0, 0),
                     kv = keys.whole_or({"num_global_key_value_heads"}, 0, 0);
  each<Gqa>(m, [&](Gqa& a, std::size_t i) {
    if (says(keys, "layer_types", i, L, "sliding_attention", false)) return;
    if (head > 0) a.head_size = head;
    if (same && kv > 0) a.kv_heads = kv;
    a.value_is_key = same;
  });
  if (!m.moe) return;
  // Each layer has a dense block beside its mixture, three norms more, a scale of the router's input and one an expert.
  for (Layer& layer : m.layers) layer.dense = layer.moe, layer.extra.rest += 3 * Whole(m.hidden_size);
  m.moe->extra.rest += Whole(m.hidden_size) + m.moe->num_experts;
  m.dense_size = keys.whole({"intermediate_size"});
}

void amend_doge(Keys&, Model& m) {
  // A step for each number of the values makes a mask; a scale of the residual for each block.
  each<Gqa>(m, [](Gqa& a, std::size_t) {
    a.extra.rest += a.kv_heads, a.extra.matmul += Whole(a.kv_heads) * a.kv_heads * a.head_size;
  });
  for (Layer& layer : m.layers) layer.extra.rest += 2 * Whole(m.hidden_size);
  if (!m.moe) return;
  // An expert is two vectors, and a token has the products of two rankings to choose from. A dense block stands beside.
  const auto side = static_cast<std::int64_t>(std::sqrt(static_cast<double>(m.moe->num_experts)));
  m.dense_size = m.moe->ffn_size;
  m.moe->ffn_size = 1, m.moe->glu = false, m.moe->router_matrices = 0;
  m.moe->extra.matmul += Whole(m.hidden_size) * 2 * side;
  for (Layer& layer : m.layers) layer.dense = layer.moe;
}

void amend_jetmoe(Keys& keys, Model& m) {
  require_experts(keys, m);
  // Queries and outputs come of K of E experts, chosen anew; keys and values are shared. Both mixtures add a bias.
  const std::int64_t D = m.hidden_size, E = m.moe->num_experts, K = m.moe->top_k;
  const std::int64_t kv = keys.whole({"num_key_value_heads"}), h = keys.whole({"kv_channels"});
  each<Gqa>(m, [&](Gqa& a, std::size_t) {
    a = Gqa{.heads = kv * K, .kv_heads = kv, .head_size = h};
    // Of the matrices of all heads K experts have their parts, which are counted; the others rest.
    a.extra = {Whole(D) * E, D, Whole(E - K) * 2 * D * kv * h};
  });
  m.moe->extra.rest += D;
}

}  // namespace moe
