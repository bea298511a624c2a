#include "families.h"
#include "moe/huggingface.h"
#include "moe/nearest.h"

namespace moe {
namespace {

using namespace huggingface;

const Family& family_of(const Fields& json) {
  const Json& type = json.at("model_type");
  std::vector<std::string> known;
  for (const Family& family : families()) {
    if (type == family.model_type) return family;
    known.emplace_back(family.model_type);
  }
  json.refuse("model_type", "must be one of " + enumerated(known) +
                                did_you_mean(type.is_string() ? type.get<std::string>() : "", known));
}

/// A size that goes by several names, of which versions of one family use different ones.
Index size_called(const Fields& json, std::initializer_list<const char*> names, Index least = 1) {
  std::vector<const char*> keys;
  for (const char* key : names)
    if (json.has(key)) keys.push_back(key);
  if (keys.empty()) return json.whole(*names.begin(), least);
  for (const char* key : keys)
    if (json.at(key) != json.at(keys.front()))
      json.refuse(key, "must equal " + std::string(keys.front()) + " = " + shown(json.at(keys.front())));
  return json.whole(keys.front(), least);
}
bool has_any(const Fields& json, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* key) { return json.has(key); });
}

Activation activation(const Fields& json) {
  const char* key = "hidden_act";
  for (const char* other : {"mlp_hidden_act", "hidden_activation", "activation_function", "dense_act_fn"})
    if (json.has(other)) key = other;
  std::string known;
  for (const auto& [name, activation] : activations()) {
    if (json.at(key) == name) return activation;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  json.refuse(key, "must be one of " + known);
}

/// Of equal mathematics, the loss of huggingface/transformers' load_balancing_loss_func for one layer, (B1).
std::vector<Aux> switch_loss(const Fields& json) {
  const char* key = json.has("aux_loss_coef") ? "aux_loss_coef" : "router_aux_loss_coef";
  if (!json.has(key)) return {};
  return {{.name = "load_balance", .coefficient = json.real(key), .f_source = LoadSource::AllK}};
}

/// DeepSeek's loss, which huggingface/transformers leaves out: by the experts chosen (DeepSeek-V2) or by the largest scores
/// (DeepSeek-V3, eq. 17 to 20).
std::vector<Aux> sequence_loss(const Fields& json, bool by_scores) {
  if (!json.has("aux_loss_alpha")) return {};
  const bool each = !json.has("seq_aux") || json.truth("seq_aux");
  return {{.name = "load_balance",
           .coefficient = json.real("aux_loss_alpha"),
           .f_source = LoadSource::AllK,
           .f_divide_by_k = true,
           .f_from = by_scores ? LoadFrom::RetopkOfAuxScores : LoadFrom::Selected,
           .scope = each ? Scope::Group : Scope::Batch}};
}

/// DeepSeek's groups: the best score of each, or the two best where a bias takes part.
void read_groups(const Fields& json, const Kind& kind, Router& router) {
  const bool by_best = couples_experts(kind.score) && kind.sum == Sum::Never;  // DeepSeek-V2
  const Json method =
      json.has("topk_method") ? json.at("topk_method") : Json(by_best ? "greedy" : "noaux_tc");
  if (method == (by_best ? "group_limited_greedy" : "noaux_tc")) {
    if (!has_any(json, {"n_group", "num_expert_group"})) return;
    router.n_group = size_called(json, {"n_group", "num_expert_group"});
    router.topk_group = json.whole("topk_group");
    router.group_score = by_best ? GroupScore::Max : GroupScore::SumTopn;
  } else if (!by_best || method != "greedy") {
    json.refuse("topk_method", by_best ? "must be greedy or group_limited_greedy" : "must be noaux_tc");
  }
}

void read_deepseek(const Fields& json, const Kind& kind, Config& c) {
  const bool sigmoid = !couples_experts(kind.score);
  // dots1 as released calls its sigmoids by the method of choosing.
  if (!sigmoid || !json.has("scoring_func") || json.at("scoring_func") != "noaux_tc")
    json.only("scoring_func", sigmoid ? "sigmoid" : "softmax");
  read_groups(json, kind, c.router);
  if (kind.loss == Loss::DeepSeek) c.aux = sequence_loss(json, sigmoid);
}

void read_shared(const Fields& json, SharedExpert shared, Config& c) {
  static const std::initializer_list<const char*> kHowMany{"n_shared_experts", "num_shared_experts",
                                                           "moe_num_shared_experts"};
  static const std::initializer_list<const char*> kWidth{"shared_expert_intermediate_size",
                                                         "shared_intermediate_size", "share_expert_dim"};
  if (shared == SharedExpert::Several) {
    const Index n = has_any(json, kHowMany) ? size_called(json, kHowMany, 0) : 0;
    if (n > 0) c.shared = {SharedMode::Add, n * c.shape.ffn_size};
  } else if (shared != SharedExpert::None) {
    const Index Fs = size_called(json, kWidth, 0);
    if (Fs > 0) c.shared = {shared == SharedExpert::Gated ? SharedMode::SigmoidGate : SharedMode::Add, Fs};
  }
}

/// How many times as wide as the others the shared expert is, where no key of its own says how wide.
Index shared_parts(const Fields& json, SharedExpert shared, const Config& c) {
  const bool own = shared == SharedExpert::Gated || shared == SharedExpert::Plain ||
                   has_any(json, {"shared_experts_intermediate_size", "moe_shared_expert_intermediate_size"});
  return has_shared(c) && !own ? c.shared.ffn_size / c.shape.ffn_size : 0;
}

/// What huggingface/transformers computes and this layer does not: of weight only where every score of a token is near 0; and
/// what the file asks for and neither does, here.
std::string differences(const Fields& json, const Config& c, const Family& family) {
  std::vector<std::string> all;
  if (has_denominator(c) && family.kind.adds_epsilon)
    all.emplace_back("which adds 1e-20 to the sum of the weights; this layer does not");
  if (couples_experts(c.router.score_function) && has_groups(c) && !closed_compete(c.router))
    all.emplace_back("which lets experts of closed groups compete with a score of 0; this layer does not");
  if (shares_what_is_left(c.router))
    all.emplace_back("which draws its choices in training; this is evaluation");
  else if (json.has("router_jitter_noise") && json.real("router_jitter_noise") != 0)
    all.emplace_back("which multiplies x by noise in training; this is evaluation");
  if (family.kind.sum == Sum::Never && json.has("norm_topk_prob") && json.truth("norm_topk_prob"))
    all.emplace_back("which does not look at norm_topk_prob");
  std::string text;
  for (const std::string& one : all) text += ", " + one;
  return text;
}

/// The message of validate with the keys of the file in place of our fields.
std::string in_its_words(std::string text, const Family& family) {
  const std::pair<const char*, const char*> names[] = {{"shape.top_k", "num_experts_per_tok"},
                                                       {"shape.ffn_size", family.ffn_size},
                                                       {"shape.", ""},
                                                       {"router.", ""}};
  for (const auto& [ours, theirs] : names)
    for (std::size_t at = text.find(ours); at != std::string::npos; at = text.find(ours))
      text.replace(at, std::string(ours).size(), theirs);
  return text;
}

/// ERNIE 4.5 VL has experts of two widths; DBRX has its sizes in an object of their own, under other names, and a power of the sum that can be 1 or 2 here; LFM2 and the
/// privacy filter do not say what their activation is; Switch has one choice.
Json in_usual_words(const Json& json, const std::string& file) {
  const Json type = json.value("model_type", Json());
  Json named = json;
  if (type == "lfm2_moe" || type == "openai_privacy_filter") named["hidden_act"] = "silu";
  if (type == "switch_transformers") {
    named["num_experts_per_tok"] = 1;
    if (json.contains("d_model")) named["hidden_size"] = json["d_model"];
  }
  if (type == "ernie4_5_vl_moe_text") {  // the widths of experts for text, and for images
    const Json& widths = Fields(json, file).at("moe_intermediate_size");
    if (!widths.is_array() || widths.empty())
      Fields(json, file).refuse("moe_intermediate_size", "must be a list of widths: of text, and of images");
    named["moe_intermediate_size"] = widths.front();
  }
  if (type != "dbrx") return named;
  const Json inner = json.value("ffn_config", Json::object());
  const Fields ffn(inner, file), outer(json, file);
  Json usual{{"model_type", "dbrx"},
             {"hidden_size", outer.at("d_model")},
             {"intermediate_size", ffn.at("ffn_hidden_size")},
             {"num_experts", ffn.at("moe_num_experts")},
             {"num_experts_per_tok", ffn.at("moe_top_k")},
             {"norm_topk_prob", ffn.has("moe_normalize_expert_weights")}};
  if (ffn.has("moe_normalize_expert_weights")) {
    const Json& power = ffn.at("moe_normalize_expert_weights");
    if (power != 1 && power != 2) ffn.refuse("moe_normalize_expert_weights", "must be 1, 2 or null");
    usual["norm_power"] = power;
  }
  const Json act = ffn.has("ffn_act_fn") ? ffn.at("ffn_act_fn") : Json::object();
  usual["hidden_act"] = act.is_object() ? act.value("name", Json("silu")) : act;
  if (ffn.has("moe_loss_weight")) usual["router_aux_loss_coef"] = ffn.at("moe_loss_weight");
  return usual;
}

/// The object in which the layers of a model are described: the file's, or that of its text model.
const Json& of_text(const Json& root) {
  const Json* at = &root;
  const auto known = [&] {
    return std::any_of(families().begin(), families().end(), [&](const Family& family) {
      return at->value("model_type", Json()) == family.model_type;
    });
  };
  while (!known()) {
    const Json* inner = nullptr;
    for (const char* key : {"text_config", "thinker_config", "llm_config", "language_config"})
      if (at->contains(key) && (*at)[key].is_object() && inner == nullptr) inner = &(*at)[key];
    if (inner == nullptr) return known() ? *at : root;
    at = inner;
  }
  return *at;
}

}  // namespace

ForeignConfig config_from_huggingface(const Json& root, const std::string& file) {
  const Json text = in_usual_words(of_text(root), file);
  const Fields json(text, file);
  const Family& family = family_of(json);
  const Kind& kind = family.kind;
  json.only("mlp_bias", false);
  Config c;
  c.shape = {16, json.whole("hidden_size"), json.whole(family.ffn_size),
             size_called(json, {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"}),
             size_called(json, {"num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k",
                                "top_k_experts"})};
  c.experts.activation = activation(json);
  c.router.score_function = kind.score;
  c.router.selection_bias = kind.biased;
  const char* asked = json.has("moe_renormalize") ? "moe_renormalize" : "norm_topk_prob";
  if (kind.sum == Sum::Always || (kind.sum == Sum::AsAsked && json.truth(asked)))
    c.router.renorm = Renorm::Sum;
  if (kind.factor != nullptr) c.router.routed_scaling_factor = json.real(kind.factor);
  if (kind.groups == Groups::DeepSeek) read_deepseek(json, kind, c);
  if (kind.loss == Loss::Softmax) c.aux = switch_loss(json);
  read_shared(json, kind.shared, c);
  if (family.amend != nullptr) family.amend(json, c);
  try {
    validate(c);
  } catch (const Error& e) {
    throw Error(e.field, file + ": " + in_its_words(e.what(), family));
  }
  return {c, std::string("huggingface/transformers, ") + family.block + differences(json, c, family),
          family.fused, shared_parts(json, kind.shared, c)};
}

}  // namespace moe
