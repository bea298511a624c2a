#include "huggingface.h"

#include <algorithm>

#include "blocks.h"
#include "moe/sizing_json.h"

namespace moe {
namespace {

/// The part of the document that describes the language model.
const Json& language_part(const Json& json, const std::string& file) {
  if (!json.is_object()) throw Error(file, file + ": must be a JSON object");
  for (const char* name : {"text_config", "language_config", "llm_config"})
    if (json.contains(name) && json[name].is_object()) return json[name];
  return json;
}

/// Keys about experts that change how a model learns or runs, not how large it is.
bool is_known_not_to_count(const std::string& key) {
  static constexpr const char* kKnown[] = {"ep_size",
                                           "expert_parallel",
                                           "output_router_logits",
                                           "router_jitter_noise",
                                           "ffn_config.moe_jitter_eps",
                                           "ffn_config.moe_normalize_expert_weights",
                                           "moe_capacity",
                                           "moe_use_aux_free",
                                           "moe_gate",
                                           "moe_group_experts",
                                           "moe_multimodal_mask",
                                           "moe_drop_tokens",
                                           "moe_random_routing_dropped_token",
                                           "moe_router_dtype",
                                           "moe_routed_scaling_factor",
                                           "router_dtype",
                                           "router_scaling_factor",
                                           "moe_renormalize",
                                           "zero_expert_type",
                                           "mtp_use_dedicated_embeddings",
                                           "moe_router_topk_scaling_factor"};
  const bool trains = key.find("coef") != std::string::npos || key.find("loss") != std::string::npos;
  return trains || std::find(std::begin(kKnown), std::end(kKnown), key) != std::end(kKnown);
}

bool concerns_experts(const std::string& key) {
  for (const char* part : {"expert", "moe", "router", "sparse", "mtp", "nextn"})
    if (key.find(part) != std::string::npos) return true;
  return false;
}

const Family& family_of(Keys& keys, std::vector<std::string>& warnings) {
  static constexpr Family kUnknown;
  const std::string type = keys.text_or("model_type", "");
  if (const Family* family = find_family(type)) return *family;
  warnings.push_back(keys.file() + ": model_type = " + shown(type) +
                     " is not known: biases and norms that no key mentions are not counted");
  return kUnknown;
}

void warn_of_the_rest(const Keys& keys, std::vector<std::string>& warnings) {
  for (const std::string& key : keys.rest())
    if (concerns_experts(key) && !is_known_not_to_count(key))
      warnings.push_back(keys.file() + ": " + shown(key) +
                         " seems to concern experts and is not known: not counted");
}

/// Refuses what is known to have parameters that are not counted here.
void refuse_what_is_not_counted(Keys& keys) {
  if (keys.truth_or({"is_encoder_decoder"}, false) && !is_encoder_decoder(keys))
    keys.refuse("is_encoder_decoder", "is known of switch_transformers and nllb-moe only");
  if (keys.truth_or({"mlp_bias"}, false)) keys.refuse("mlp_bias", "must be false");
}

/// A model that is one stack of layers.
void read_decoder(Keys& keys, const Family& family, Model& m) {
  static constexpr Names kLayers = {"num_hidden_layers", "n_layers", "num_layers"};
  m.tied = keys.truth_or({"tie_word_embeddings"}, family.tied);
  const std::int64_t L = keys.whole(kLayers);
  if (L > kMostLayers)
    keys.refuse(keys.which(kLayers), "must lie in [1, " + std::to_string(kMostLayers) + ']');
  m.layers.resize(static_cast<std::size_t>(L));
  m.norm_bias = family.norm_bias;
  m.mtp_modules = keys.whole_or({"num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules"},
                                family.mtp_modules);
  read_mixers(keys, family, m);
  read_blocks(keys, family, m);
}

}  // namespace

Model model_from_huggingface(const Json& json, const std::string& file, std::vector<std::string>& warnings) {
  Keys keys(language_part(json, file), file);
  const Family& family = family_of(keys, warnings);
  refuse_what_is_not_counted(keys);
  Model m;
  m.name = keys.text_or("model_type", "") + " of " + file;
  m.hidden_size = keys.whole({"hidden_size", "d_model"});
  m.vocabulary = keys.whole({"vocab_size"});
  if (is_encoder_decoder(keys)) {
    read_encoder_decoder(keys, m);
  } else {
    read_decoder(keys, family, m);
  }
  warn_of_the_rest(keys, warnings);
  try {
    validate(m);
  } catch (const Error& e) {
    throw Error(e.field, file + ": " + e.what());
  }
  return m;
}

}  // namespace moe
