#include "huggingface.h"

#include <algorithm>
#include <sstream>

#include "blocks.h"
#include "harmless.h"
#include "moe/sizing_json.h"
#include "quantization.h"

namespace moe {
namespace {

/// The part of the document that describes the language model, and all that it is a part of, from the outside.
std::vector<const Json*> language_parts(const Json& json, const std::string& file) {
  if (!json.is_object()) throw Error(file, file + ": must be a JSON object");
  std::vector<const Json*> parts{&json};
  constexpr std::size_t kDeepest = 4;
  const auto inner = [](const Json& part) -> const Json* {
    for (const char* name : {"thinker_config", "text_config", "language_config", "llm_config"})
      if (part.contains(name) && part[name].is_object()) return &part[name];
    return nullptr;
  };
  for (const Json* part = inner(json); part != nullptr && parts.size() < kDeepest; part = inner(*part))
    parts.push_back(part);
  return parts;
}

/// Are table and head one? What is around the language model decides, as in the model classes.
bool is_tied(std::vector<const Json*> parts, const Family& family, const std::string& file) {
  if (family.never_ties) return false;
  if (family.inner_ties) std::reverse(parts.begin(), parts.end());
  for (const Json* part : parts)
    for (const char* name : {"tie_word_embeddings", "tie_embedding"}) {
      if (!part->contains(name) || (*part)[name].is_null()) continue;
      if (!(*part)[name].is_boolean())
        throw Error(name, file + ": " + name + " = " + shown((*part)[name]) + " must be true or false");
      return (*part)[name].get<bool>();
    }
  return family.tied;
}

const Family& family_of(const std::string& type) {
  static constexpr Family kUnknown{.latent = true};
  const Family* family = find_family(type);
  return family != nullptr ? *family : kUnknown;
}

/// The class that a file was saved by; empty where it does not say.
std::string architecture_of(const Json& whole) {
  const auto names = whole.find("architectures");
  const bool one = names != whole.end() && names->is_array() && names->size() == 1 && (*names)[0].is_string();
  return one ? (*names)[0].get<std::string>() : "";
}

bool is_body(const std::string& architecture) {
  return architecture.ends_with("Model") && !architecture.ends_with("LMHeadModel");
}

/// Are there layers alone, as of a class called ...Model, or of one that is made to be a part of another?
bool is_headless(const std::vector<const Json*>& parts, const Family& family, const std::string& type) {
  if (find_family(type) == nullptr) return false;
  const std::string architecture = architecture_of(*parts.front());
  return architecture.empty() ? parts.size() == 1 && type == family.headless : is_body(architecture);
}

/// Refuses what is known to have parameters that are not counted here.
void refuse_what_is_not_counted(Keys& keys) {
  if (keys.truth_or({"is_encoder_decoder"}, false) && !is_encoder_decoder(keys))
    keys.refuse("is_encoder_decoder", "is known of switch_transformers and nllb-moe only");
  if (keys.truth_or({"mlp_bias"}, false)) keys.refuse("mlp_bias", "must be false");
}

/// How many layers there are: a number, or the length of a list that has something for each.
std::int64_t number_of_layers(Keys& keys) {
  static constexpr Names kLayers = {"num_hidden_layers", "n_layers", "num_layers"};
  keys.known({"num_decoder_layers"});
  std::int64_t L = 0;
  if (keys.which(kLayers) == nullptr) {
    for (const char* name : {"layers_block_type", "layer_types"})
      if (L == 0 && keys.is_list(name)) L = static_cast<std::int64_t>(keys.list(name).size());
    if (L == 0) L = static_cast<std::int64_t>(keys.text_or("hybrid_override_pattern", "").size());
  }
  if (L == 0) L = keys.whole(kLayers);
  if (L > kMostLayers) keys.refuse(*kLayers.begin(), "must lie in [1, " + std::to_string(kMostLayers) + ']');
  return L;
}

/// A model that is one stack of layers.
void read_decoder(Keys& keys, const Family& family, Model& m) {
  m.layers.resize(static_cast<std::size_t>(number_of_layers(keys)));
  m.norms = family.norms;
  m.norm_bias = family.norm_bias;
  m.mtp_modules = family.mtp_modules;
  for (const char* name : {"num_mtp_modules", "mtp_num_hidden_layers", "num_nextn_predict_layers"})
    m.mtp_modules = keys.whole_or({name}, m.mtp_modules);
  read_mixers(keys, family, m);
  read_blocks(keys, family, m);
  if (keys.truth_or({"lm_head_bias"}, false)) m.extra.rest += m.vocabulary;
  if (family.amend != nullptr) family.amend(keys, m);
}

/// Tells which keys may hold parameters that are not counted.
void tell_what_is_not_known(Keys& keys, const std::string& type, const std::string& architecture,
                            NamedModel& found) {
  const auto blame = [&](const std::string& key, const std::string& why) {
    found.unread.push_back(key);
    found.warnings.push_back(keys.file() + ": " + why);
  };
  if (find_family(type) == nullptr)
    blame("model_type", "model_type = " + shown(type) +
                            " is not known: biases and norms that no key mentions are not counted");
  const auto ends = [&](const char* ending) { return architecture.ends_with(ending); };
  if (!architecture.empty() && !is_body(architecture) && !ends("ForCausalLM") && !ends("LMHeadModel") &&
      !ends("ForConditionalGeneration"))
    blame("architectures", "architectures = [" + shown(Json(architecture)) +
                               "] has a head that is not known: counted as one of a language model");
  if (found.model.moe && found.model.moe->zero_experts > 0 && type == "longcat_flash")
    blame("zero_expert_num",
          "zero_expert_num = " + std::to_string(found.model.moe->zero_experts) +
              ": transformers' class allots matrices to these experts, too, which checkpoints do not "
              "have: not counted");
  if (found.model.encoder_layers > 0 && !found.model.tied)
    blame("tie_word_embeddings",
          "tie_word_embeddings = false: how many tables encoder and decoder then have differs");
  std::istringstream unsure(find_family(type) == nullptr ? "" : find_family(type)->unsure);
  for (std::string key; unsure >> key;)
    if (keys.has(key.c_str()) && keys.at(key.c_str()) == true)
      blame(key, key + " = true: where its biases are is not known: not all counted");
  for (const auto& [key, value] : keys.all().items())
    if (!keys.was_asked_for(key) && !is_harmless(key, value))
      blame(key, shown(key) + " = " + shown(value) + " is not known and may hold parameters: not counted");
}

}  // namespace

NamedModel model_from_huggingface(const Json& json, const std::string& file) {
  const std::vector<const Json*> parts = language_parts(json, file);
  Keys keys(*parts.back(), file);
  std::string type = keys.text_or("model_type", "");
  if (type.empty() && parts.size() > 1) type = Keys(json, file).text_or("model_type", "");
  const Family& family = family_of(type);
  refuse_what_is_not_counted(keys);
  NamedModel found;
  Model& m = found.model;
  m.name = type + " of " + file;
  m.hidden_size = keys.whole({"hidden_size", "d_model", "ffn_config.hidden_size"});
  m.vocabulary = keys.whole({"vocab_size"});
  m.headless = is_headless(parts, family, type);
  if (is_encoder_decoder(keys)) {
    read_encoder_decoder(keys, m);
  } else {
    keys.known({"tie_word_embeddings", "tie_embedding"});
    m.tied = is_tied(parts, family, file);
    read_decoder(keys, family, m);
  }
  for (const Json* part : parts)
    if (!found.stored && part->contains("quantization_config") && (*part)["quantization_config"].is_object())
      found.stored = stored_weights((*part)["quantization_config"], file);
  // DeepSeek-V4 stores its experts in 4 bits beside fp8.
  if (found.stored && keys.is("expert_dtype", "fp4")) found.expert_format = weight_format("mxfp4");
  tell_what_is_not_known(keys, type, architecture_of(*parts.front()), found);
  try {
    validate(m);
  } catch (const Error& e) {
    throw Error(e.field, file + ": " + e.what());
  }
  return found;
}

}  // namespace moe
