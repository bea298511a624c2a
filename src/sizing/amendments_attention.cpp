#include "amend.h"

// Families whose attention is their own. Each is softmax attention with what it has beside, or in place of a part of it.
namespace moe {
namespace {

/// How many tokens a layer of DeepSeek-V4 compresses into one: 0 where it sees a window only.
std::int64_t compression(Keys& keys, std::size_t i, std::size_t L) {
  if (keys.has("compress_ratios")) {
    const Json& ratios = keys.list("compress_ratios");
    if (ratios.size() < L || !ratios[i].is_number_integer() || ratios[i] < 0)
      keys.refuse("compress_ratios", "must hold a whole number for each of " + std::to_string(L) + " layers");
    return ratios[i].get<std::int64_t>();
  }
  for (const char* kind : {"compressed_sparse_attention", "heavily_compressed_attention"}) {
    if (!says(keys, "layer_types", i, L, kind, false)) continue;
    const Json& rates = keys.at("compress_rates");
    if (!rates.is_object() || !rates.contains(kind) || !rates[kind].is_number_integer())
      keys.refuse("compress_rates", "must have a whole number for " + std::string(kind));
    return rates[kind].get<std::int64_t>();
  }
  return 0;
}

/// Attention with a window has heads of its own.
void take_window_heads(Keys& keys, Gqa& a) {
  a.heads = keys.whole({"swa_num_attention_heads"}), a.kv_heads = keys.whole({"swa_num_key_value_heads"});
  a.head_size = keys.whole({"swa_head_dim"});
}

}  // namespace

void amend_deepseek_v4(Keys& keys, Model& m) {
  const std::size_t L = m.layers.size();
  require_experts(keys, m);
  const Whole D = m.hidden_size, q = keys.whole({"q_lora_rank"}), r = keys.whole({"o_lora_rank"}),
              groups = keys.whole({"o_groups"}), n = keys.whole({"hc_mult"}),
              index_heads = keys.whole({"index_n_heads"}), I = keys.whole({"index_head_dim"});
  keys.known({"qk_rope_head_dim", "index_topk", "num_nextn_predict_layers", "compress_rates"});
  m.caveat = "keys and values are counted as if no layer compressed them";
  constexpr std::int64_t kSparse = 4;  // the ratio of the layers that have an indexer
  each<Gqa>(m, [&](Gqa& a, std::size_t i) {
    const std::int64_t ratio = compression(keys, i, L);
    const Whole H = a.heads, h = a.head_size;
    a.sinks = a.value_is_key = true, a.kv_heads = 1;
    // Queries of low rank, outputs of low rank in groups; a norm of each of query and key.
    a.extra.matmul = D * q + q * H * h - D * H * h + r * H * h + D * groups * r - H * h * D;
    a.extra.rest = q + h;
    if (ratio == 0) return;
    // A compressor: positions, keys and gates, twice as wide where an indexer has its own; a norm.
    const Whole twice = ratio == kSparse ? 2 : 1;
    a.extra.matmul += 2 * D * twice * h, a.extra.rest += ratio * twice * h + h;
    if (ratio != kSparse) return;
    a.extra.matmul += 2 * D * 2 * I + q * index_heads * I + D * index_heads;
    a.extra.rest += ratio * 2 * I + I;
  });
  add_hyper_connections(m, n, (2 + n) * n, 3, true);
  if (m.moe->shared_size > 0) m.moe->shared_size = m.moe->ffn_size;  // one, whatever their number
  const std::int64_t hashed = keys.whole_or({"num_hash_layers"}, 0);
  for (std::size_t i = 0; i < L; ++i)
    m.layers[i].by_table =
        static_cast<std::int64_t>(i) < hashed || says(keys, "mlp_layer_types", i, L, "hash_moe", false);
}

void amend_inkling(Keys& keys, Model& m) {
  const std::size_t L = m.layers.size();
  const Whole D = m.hidden_size, taps = keys.whole({"conv_kernel_size"}), d = keys.whole({"d_rel"}),
              extent = keys.whole({"rel_extent"}), window = keys.whole({"sliding_window_size"});
  each<Gqa>(m, [&](Gqa& a, std::size_t i) {
    const bool slides = says(keys, "layer_types", i, L, "hybrid_sliding", false);
    if (slides) take_window_heads(keys, a);
    // Relative positions of d numbers a head; a convolution of keys and one of values.
    a.extra.matmul = D * a.heads * d;
    a.extra.rest = d * (slides ? window : extent) + 2 * taps * a.kv_heads * a.head_size;
  });
  m.caveat = "states of the convolutions of keys and values are not counted";
  keys.known({"unpadded_vocab_size"});  // rows of the head beyond it are there and not used
  for (Layer& layer : m.layers) layer.extra.rest += 2 * taps * D;
  m.extra.rest += D;  // a norm of the embedding
  if (!m.moe) return;
  // The shared experts are sinks: rows of the router without a bias. One scale for all.
  m.moe->extra.matmul += keys.whole_or({"n_shared_experts"}, 0) * D;
  m.moe->extra.rest += 1;
}

void amend_inkling2(Keys& keys, Model& m) {
  const std::size_t L = m.layers.size();
  const Whole D = m.hidden_size, taps = keys.whole({"conv_kernel_size"}), d = keys.whole({"d_rel"}),
              extent = keys.whole({"rel_extent"}), window = keys.whole({"sliding_window_size"});
  each<Gqa>(m, [&](Gqa& a, std::size_t i) {
    const bool slides = says(keys, "layer_types", i, L, "hybrid_sliding", false);
    if (slides) take_window_heads(keys, a);
    // A scale for each number of the queries, sinks, relative positions; convolutions of keys and values, which depend on the token in
    // layers that see all.
    const Whole H = a.heads, h = a.head_size, kv = a.kv_heads;
    a.extra.matmul = D * H + D * H * d + (slides ? Whole(0) : 2 * D * kv * taps);
    a.extra.rest = H * h + d * (slides ? window : extent) + H * d + 2 * taps * kv * h;
  });
  const std::int64_t first = keys.whole_or({"loop_layer_index_start"}, 0),
                     end = keys.whole_or({"loop_layer_index_end"}, 0),
                     rank = keys.whole_or({"loop_gate_rank"}, 0);
  keys.known({"loop_num_passes", "n_layers_per_attn_res_block"});
  for (std::size_t i = 0; i < L; ++i) {
    Extra& extra = m.layers[i].extra;
    // Queries that weigh what earlier blocks of layers gave: one for the mixture; for attention one, or three with three norms.
    const bool slides = says(keys, "layer_types", i, L, "hybrid_sliding", false);
    extra.rest += 2 * taps * D + D + (i == 0 ? Whole(0) : slides ? D : 3 * D) + (slides ? Whole(0) : 2 * D);
    // Four gates of messages in the layers that are passed again.
    if (static_cast<std::int64_t>(i) >= first && static_cast<std::int64_t>(i) < end)
      extra.matmul += 4 * 4 * D * rank;
  }
  m.caveat = "states of the convolutions of keys and values are not counted";
  if (end > first) m.caveat += ", and layers that are passed again count once";
  m.extra.rest += 2 * D + 4 * Whole(end - first) * D;
  m.head_rows = keys.whole_or({"unpadded_vocab_size"}, m.vocabulary, 1);
}

void amend_minimax_m3(Keys& keys, Model& m) {
  // Some layers choose blocks of keys by an indexer: queries, one key, a norm of each.
  const std::size_t L = m.layers.size();
  Json own = Json::object();
  if (keys.has("sparse_attention_config") && keys.at("sparse_attention_config").is_object())
    own = keys.at("sparse_attention_config");
  Keys sparse(own, keys.file() + ": sparse_attention_config");
  keys.known({"index_n_heads", "index_head_dim"});
  each<Gqa>(m, [&](Gqa& a, std::size_t i) {
    const bool listed = sparse.has("sparse_attention_freq") &&
                        sparse.list("sparse_attention_freq", static_cast<std::int64_t>(L))[i] == 1;
    if (!listed && !says(keys, "layer_types", i, L, "minimax_m3_sparse", false)) return;
    m.caveat = "keys of the indexer are not counted, and scores are those of all blocks";
    const std::int64_t heads =
                           listed ? sparse.whole({"sparse_num_index_heads"}) : keys.whole({"index_n_heads"}),
                       size = listed ? sparse.whole({"sparse_index_dim"}) : keys.whole({"index_head_dim"});
    a.extra.matmul += Whole(m.hidden_size) * (Whole(heads) + 1) * size;
    a.extra.rest += 2 * Whole(size);
  });
}

void amend_zaya(Keys& keys, Model& m) {
  require_experts(keys, m);
  const Whole D = m.hidden_size, R = keys.whole({"router_hidden_size"});
  const Whole depthwise = keys.whole({"cca_time0"}), grouped = keys.whole({"cca_time1"});
  m.caveat = "states of the convolutions of queries and keys are not counted";
  // Two convolutions of queries and keys, with biases, and a temperature for each head of keys.
  each<Gqa>(m, [&](Gqa& a, std::size_t) {
    const Whole both = (Whole(a.heads) + a.kv_heads) * a.head_size;
    a.extra.rest = both * depthwise + both + both * a.head_size * grouped + both + a.kv_heads;
  });
  // The router is a network of width R, whose state goes on to the next layer; one of its choices is to do nothing.
  Mixture& x = *m.moe;
  x.zero_experts = 1, x.router_matrices = 0, x.router_bias = true;
  x.extra.matmul += D * R + 2 * R * R + (Whole(x.num_experts) + 1) * R;
  x.extra.rest += R + R + 2 * R;
  for (std::size_t i = 0; i < m.layers.size(); ++i) m.layers[i].extra.rest += 8 * D + (i > 0 ? R : Whole(0));
  m.extra.rest += 2 * D;
}

}  // namespace moe
