#include "huggingface.h"

namespace moe {
namespace {

/// One side of the model: L layers, of which every step-th has experts in place of its dense block; Switch begins with the second.
void add_side(Keys& keys, Model& m, Names layers, Names sparse, const char* step, bool cross) {
  const std::int64_t L = keys.whole(layers);
  std::int64_t every = keys.whole_or({step}, 0, 1);
  if (const char* count = keys.which(sparse); count != nullptr && every == 0) {
    const std::int64_t n = keys.whole(sparse, 0);
    if (n > L) keys.refuse(count, "must not exceed the number of layers = " + std::to_string(L));
    every = n == 0 ? 0 : L / n;
  }
  if (L > kMostLayers)
    keys.refuse(keys.which(layers), "must lie in [1, " + std::to_string(kMostLayers) + ']');
  for (std::int64_t i = 0; i < L; ++i) {
    const bool second = keys.is("model_type", "switch_transformers");
    const bool moe = every > 0 && (second ? i % every == 1 % every : (i + 1) % every == 0);
    m.layers.push_back({0, cross, !moe, moe});
  }
}

/// Attention with as many heads for keys as for queries; T5's has a size of its own.
Gqa read_heads(Keys& keys, const Model& m, bool bias) {
  Gqa a;
  a.heads = a.kv_heads = keys.whole({"num_heads", "encoder_attention_heads"});
  if (keys.has("decoder_attention_heads") && keys.whole({"decoder_attention_heads"}) != a.heads)
    keys.refuse("decoder_attention_heads", "must equal that of the encoder");
  if (!keys.has("d_kv") && m.hidden_size % a.heads != 0)
    keys.refuse(keys.which({"num_heads", "encoder_attention_heads"}),
                "must divide the width, as there is no d_kv");
  a.head_size = keys.whole_or({"d_kv"}, m.hidden_size / a.heads, 1);
  a.qkv_bias = a.output_bias = bias;
  return a;
}

}  // namespace

bool is_encoder_decoder(Keys& keys) {
  return keys.is("model_type", "switch_transformers") || keys.is("model_type", "nllb-moe");
}

void read_encoder_decoder(Keys& keys, Model& m) {
  static constexpr Names kEncoder = {"num_layers"}, kDecoder = {"num_decoder_layers"};
  const bool t5 = keys.is("model_type", "switch_transformers");
  m.tied = keys.truth_or({"tie_word_embeddings"}, true);
  m.mixers = {read_heads(keys, m, !t5)};
  if (t5) m.relative_buckets = keys.whole_or({"relative_attention_num_buckets"}, 32, 1);
  m.norm_bias = m.dense_bias = !t5;
  if (t5) {
    add_side(keys, m, kEncoder, {"num_sparse_encoder_layers"}, "encoder_sparse_step", false);
    m.encoder_layers = static_cast<std::int64_t>(m.layers.size());
    add_side(keys, m, keys.has("num_decoder_layers") ? kDecoder : kEncoder, {"num_sparse_decoder_layers"},
             "decoder_sparse_step", true);
  } else {
    add_side(keys, m, {"encoder_layers"}, {}, "encoder_sparse_step", false);
    m.encoder_layers = static_cast<std::int64_t>(m.layers.size());
    add_side(keys, m, {"decoder_layers"}, {}, "decoder_sparse_step", true);
    if (keys.whole({"encoder_ffn_dim"}) != keys.whole({"decoder_ffn_dim"}))
      keys.refuse("decoder_ffn_dim", "must equal that of the encoder");
  }
  m.dense_glu = t5 && (keys.truth_or({"is_gated_act"}, false) ||
                       keys.text_or("feed_forward_proj", "relu").starts_with("gated-"));
  m.dense_size = keys.whole({"d_ff", "encoder_ffn_dim"});
  Mixture x;
  x.num_experts = keys.whole({"num_experts"});
  x.top_k = t5 ? 1 : 2;  // by the model's design, not a key
  x.ffn_size = m.dense_size, x.glu = m.dense_glu, x.bias = m.dense_bias;
  if (keys.truth_or({"router_bias"}, false)) x.router_bias = true;
  m.moe = x;
}

}  // namespace moe
