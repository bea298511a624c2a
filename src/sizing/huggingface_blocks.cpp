#include <algorithm>

#include "huggingface.h"

namespace moe {
namespace {

constexpr Names kExperts = {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts",
                            "ffn_config.moe_num_experts"};
constexpr Names kTopK = {
    "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts", "moe_topk", "moe_k",
    "moe_top_k",           "ffn_config.moe_top_k"};
constexpr Names kExpertWidth = {"moe_intermediate_size", "expert_ffn_hidden_size",
                                "ffn_config.ffn_hidden_size", "moe_ffn_hidden_size"};
constexpr Names kShared = {"n_shared_experts", "num_shared_experts", "num_shared_expert",
                           "moe_num_shared_experts"};
constexpr Names kSharedWidth = {"shared_expert_intermediate_size", "shared_intermediate_size",
                                "moe_shared_expert_intermediate_size", "share_expert_dim",
                                "shared_experts_intermediate_size"};

/// The hidden width of all shared experts together: their number times a width of their own or that of a routed one.
std::int64_t shared_size(Keys& keys, const Family& family, const Mixture& x) {
  if (family.llama4) return x.ffn_size;
  const bool counted = keys.which(kShared) != nullptr, sized = keys.which(kSharedWidth) != nullptr;
  const std::int64_t shared = counted ? keys.whole(kShared, 0) : sized ? 1 : family.shared;
  return shared == 0 ? 0 : shared * keys.whole_or(kSharedWidth, x.ffn_size);
}

Mixture read_mixture(Keys& keys, const Family& family) {
  Mixture x;
  x.num_experts = keys.whole(kExperts);
  x.top_k = keys.whole(kTopK);
  if (x.top_k > x.num_experts)
    keys.refuse(keys.which(kTopK), "must not exceed " + std::string(keys.which(kExperts)) + " = " +
                                       std::to_string(x.num_experts));
  // Of the two numbers the first is that of text.
  if (keys.is("model_type", "ernie4_5_vl_moe_text") && keys.is_list("moe_intermediate_size")) {
    const Json& sizes = keys.list("moe_intermediate_size", 2);
    x.ffn_size = sizes[0].is_number_integer() ? sizes[0].get<std::int64_t>() : 0;
  } else {
    x.ffn_size = family.llama4 || (family.one_width && keys.has("intermediate_size")) ||
                         keys.which(kExpertWidth) == nullptr
                     ? keys.whole({"intermediate_size"})
                     : keys.whole(kExpertWidth);
  }
  x.glu = !family.ungated;
  x.bias = family.expert_bias;
  x.shared_size = shared_size(keys, family, x);
  x.shared_gate = family.shared_gate && x.shared_size > 0;
  keys.known({"use_routing_bias"});
  x.router_bias = family.router_bias || keys.is("topk_method", "noaux_tc") ||
                  keys.truth_or({"use_routing_bias"}, false) ||
                  keys.truth_or({"moe_router_enable_expert_bias", "use_expert_bias"}, false);
  if (family.noaux_bias) x.router_bias = !keys.has("topk_method") || keys.is("topk_method", "noaux_tc");
  x.zero_experts = keys.whole_or({"zero_expert_num"}, 0);
  x.latent_size = keys.whole_or({"moe_latent_size", "routed_expert_hidden_size"}, 0);
  return x;
}

/// Of numbers of layers: is this one among them?
bool lists(Keys& keys, const char* name, std::int64_t layer) {
  if (!keys.has(name)) return false;
  const Json& all = keys.list(name);
  return std::find(all.begin(), all.end(), Json(layer)) != all.end();
}

/// How families say which layers have experts: a key, and whether it says so of layer i of L.
struct Rule {
  const char* key;
  bool (*says)(Keys& keys, std::int64_t i, std::int64_t L);
};
constexpr Rule kRules[] = {
    {"mlp_layer_types",
     [](Keys& keys, std::int64_t i, std::int64_t L) {
       const Json& type = keys.list("mlp_layer_types", L)[static_cast<std::size_t>(i)];
       return is_text(type, "sparse") || is_text(type, "moe") || is_text(type, "hash_moe");
     }},
    {"is_moe_layer",
     [](Keys& keys, std::int64_t i, std::int64_t L) {
       return keys.list("is_moe_layer", L)[static_cast<std::size_t>(i)] == true;
     }},
    {"num_dense_layers",
     [](Keys& keys, std::int64_t i, std::int64_t) { return i >= keys.whole({"num_dense_layers"}, 0); }},
    {"moe_layers", [](Keys& keys, std::int64_t i, std::int64_t) { return lists(keys, "moe_layers", i); }},
    {"interleave_moe_layer_step",
     [](Keys& keys, std::int64_t i, std::int64_t) {
       return (i + 1) % keys.whole({"interleave_moe_layer_step"}) == 0;
     }},
    {"expert_layer_period",
     [](Keys& keys, std::int64_t i, std::int64_t) {
       return i % keys.whole({"expert_layer_period"}) == keys.whole({"expert_layer_offset"}, 0);
     }},
    {"decoder_sparse_step",
     [](Keys& keys, std::int64_t i, std::int64_t) {
       return !lists(keys, "mlp_only_layers", i) && (i + 1) % keys.whole({"decoder_sparse_step"}) == 0;
     }},
    {"moe_layer_start_index",
     [](Keys& keys, std::int64_t i, std::int64_t) {
       const std::int64_t end = keys.whole_or({"moe_layer_end_index"}, -1, -1);
       return i >= keys.whole({"moe_layer_start_index"}, 0) && (end < 0 || i <= end) &&
              (i + 1) % keys.whole_or({"moe_layer_interval"}, 1, 1) == 0;
     }},
    {"first_k_dense_replace",
     [](Keys& keys, std::int64_t i, std::int64_t) {
       if (keys.is_list("moe_layer_freq")) return i >= keys.whole({"first_k_dense_replace"}, 0);
       return i >= keys.whole({"first_k_dense_replace"}, 0) &&
              i % keys.whole_or({"moe_layer_freq"}, 1, 1) == 0;
     }},
    {"moe_layer_freq",
     [](Keys& keys, std::int64_t i, std::int64_t L) {
       if (keys.is_list("moe_layer_freq"))
         return keys.list("moe_layer_freq", L)[static_cast<std::size_t>(i)] == 1;
       return i >= keys.whole_or({"first_k_dense_replace"}, 0) && i % keys.whole({"moe_layer_freq"}) == 0;
     }},
    {"moe_layer_num_skipped",
     [](Keys& keys, std::int64_t i, std::int64_t) { return i >= keys.whole({"moe_layer_num_skipped"}, 0); }},
    {"mlp_only_layers",
     [](Keys& keys, std::int64_t i, std::int64_t) {
       return !lists(keys, "mlp_only_layers", i) &&
              (i + 1) % keys.whole_or({"decoder_sparse_step"}, 1, 1) == 0;
     }},
};

/// Has layer i experts? Yes, if no key says otherwise. A list of layers decides; other keys that are there together must agree.
bool is_mixture(Keys& keys, std::int64_t i, std::int64_t L) {
  const Rule* first = nullptr;
  bool answer = true;
  for (const Rule& rule : kRules) {
    if (!keys.has(rule.key)) continue;
    const bool says = rule.says(keys, i, L);
    if (first != nullptr && says != answer)
      keys.refuse(rule.key, "and " + std::string(first->key) +
                                " must name the same layers; they do not on layer " + std::to_string(i));
    if (first == nullptr) first = &rule, answer = says;
    if (first == &kRules[0]) break;
  }
  return answer;
}

/// The hidden width of a layer without experts; intermediate_size may be that of the experts.
std::int64_t dense_size(Keys& keys) {
  for (const char* name : {"intermediate_size_mlp", "dense_intermediate_size", "ffn_hidden_size"})
    if (keys.has(name)) return keys.whole({name});
  return keys.whole({"intermediate_size"});
}

/// LongCat's layers are two of attention and a dense block each, with one mixture beside them.
void double_layers(Model& m) {
  std::vector<Layer> twice;
  for (Layer layer : m.layers) {
    layer.dense = true;
    twice.push_back(layer);
    layer.moe = false;
    twice.push_back(layer);
  }
  m.layers = twice;
}

}  // namespace

namespace {

/// What the layers are by the letters of a pattern or the words of layers_block_type, as Nemotron has them; empty if by neither.
std::string block_letters(Keys& keys, std::int64_t L) {
  if (has_hybrid_pattern(keys)) return keys.text_or("hybrid_override_pattern", "");
  if (!keys.has("layers_block_type")) return "";
  const Json& types = keys.list("layers_block_type", L);
  std::string letters;
  bool alone = false;
  for (const Json& type : types) {
    letters += is_text(type, "moe") ? 'E' : is_text(type, "mlp") ? '-' : '*';
    alone = alone || letters.back() != '*';
  }
  return alone ? letters : "";
}

/// A model of dense layers only: no key speaks of experts, or one says that there are none.
bool is_dense(Keys& keys) {
  if (!keys.truth_or({"is_moe"}, true) || !keys.truth_or({"enable_moe_block"}, true)) return true;
  return keys.which(kExperts) == nullptr && keys.which(kTopK) == nullptr;
}

}  // namespace

void read_blocks(Keys& keys, const Family& family, Model& m) {
  const auto L = static_cast<std::int64_t>(m.layers.size());
  const std::string letters = block_letters(keys, L);
  const bool dense = is_dense(keys);
  if (dense)
    keys.known(kExperts), keys.known(kTopK), keys.known(kExpertWidth), keys.known({"mlp_layer_types"});
  else
    m.moe = read_mixture(keys, family);
  for (const Rule& rule : kRules) keys.known({rule.key});
  for (std::int64_t i = 0; i < L; ++i) {
    Layer& layer = m.layers[static_cast<std::size_t>(i)];
    const char letter = letters.empty() ? ' ' : letters[static_cast<std::size_t>(i)];
    layer.moe = !dense && (letters.empty() ? is_mixture(keys, i, L) : letter == 'E');
    layer.dense = letters.empty() ? !layer.moe : letter == '-';
  }
  if (!dense && std::none_of(m.layers.begin(), m.layers.end(), [](const Layer& layer) { return layer.moe; }))
    keys.refuse(keys.which(kExperts), "has no meaning: by the other keys none of the layers has experts");
  m.dense_glu = !family.ungated;
  if (family.model_types == std::string("longcat_flash")) double_layers(m);
  for (const Layer& layer : m.layers)
    if (layer.dense) m.dense_size = dense_size(keys);
  keys.known({"intermediate_size", "dense_intermediate_size", "intermediate_size_mlp"});
}

}  // namespace moe
