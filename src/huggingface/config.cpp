#include "fields.h"
#include "moe/huggingface.h"

namespace moe {
namespace {

/// Are the weights of the choices divided by their sum: never, always, or where norm_topk_prob says so?
enum class Sum { Never, Always, AsAsked };
/// What else is in the block. DeepSeek's: shared experts, groups, a factor, and its own loss.
enum class Extras { None, GatedExpert, DeepSeek };

/// A family of models in which all layers with a router are of one kind: the keys and the mathematics of that kind.
struct Family {
  const char* model_type;
  const char* ffn_size;  // the key of F
  ScoreFunction score;   // sigmoids come with a selection bias
  Sum sum;
  Extras extras;
  const char* block;  // the class of huggingface/transformers with this mathematics, and the commit read
};

constexpr const char* kFfn = "intermediate_size";
constexpr const char* kMoeFfn = "moe_intermediate_size";
constexpr const char* kQwen = "Qwen2MoeSparseMoeBlock at commit 001f85b38fb4";
constexpr const char* kDeepSeek = "DeepseekV3MoE at commit 000c33fdfde1";
// clang-format off
constexpr Family kFamilies[] = {
    {"mixtral", kFfn, ScoreFunction::Softmax, Sum::Always, Extras::None,
     "MixtralSparseMoeBlock at commit 008f5c8c29be"},
    {"granitemoe", kFfn, ScoreFunction::Softmax, Sum::Always, Extras::None, "GraniteMoeMoE at commit 013458c1caaa"},
    {"jamba", kFfn, ScoreFunction::Softmax, Sum::Never, Extras::None, "JambaSparseMoeBlock at commit 0159620269de"},
    {"olmoe", kFfn, ScoreFunction::Softmax, Sum::AsAsked, Extras::None, "OlmoeSparseMoeBlock at commit 052b1dcdbe75"},
    {"qwen2_moe", kMoeFfn, ScoreFunction::Softmax, Sum::AsAsked, Extras::GatedExpert, kQwen},
    {"qwen3_moe", kMoeFfn, ScoreFunction::Softmax, Sum::AsAsked, Extras::None,
     "Qwen3MoeSparseMoeBlock at commit 00eb11666852"},
    {"qwen3_next", kMoeFfn, ScoreFunction::Softmax, Sum::AsAsked, Extras::GatedExpert, kQwen},
    {"deepseek_v2", kMoeFfn, ScoreFunction::Softmax, Sum::Never, Extras::DeepSeek,
     "DeepseekV2MoE at commit ecd75d532efe"},
    {"deepseek_v3", kMoeFfn, ScoreFunction::Sigmoid, Sum::AsAsked, Extras::DeepSeek, kDeepSeek},
    {"kimi_k2", kMoeFfn, ScoreFunction::Sigmoid, Sum::AsAsked, Extras::DeepSeek, kDeepSeek},
    {"glm4_moe", kMoeFfn, ScoreFunction::Sigmoid, Sum::AsAsked, Extras::DeepSeek, kDeepSeek},
    {"dots1", kMoeFfn, ScoreFunction::Sigmoid, Sum::AsAsked, Extras::DeepSeek, kDeepSeek},
};
constexpr std::pair<const char*, Activation> kActivations[] = {
    {"silu", Activation::Silu}, {"swish", Activation::Silu}, {"relu", Activation::Relu},
    {"gelu", Activation::GeluErf}, {"gelu_pytorch_tanh", Activation::GeluTanh}};
// clang-format on

const Family& family_of(const Fields& json) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (json.at("model_type") == family.model_type) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  json.refuse("model_type", "must be one of " + known);
}

/// E goes by three names, of which versions of one family use different ones.
Index num_experts(const Fields& json) {
  std::vector<const char*> keys;
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"})
    if (json.has(key)) keys.push_back(key);
  if (keys.empty()) return json.whole("num_experts");
  for (const char* key : keys)
    if (json.at(key) != json.at(keys.front()))
      json.refuse(key, "must equal " + std::string(keys.front()) + " = " + shown(json.at(keys.front())));
  return json.whole(keys.front());
}

Activation activation(const Fields& json) {
  std::string known;
  for (const auto& [name, activation] : kActivations) {
    if (json.at("hidden_act") == name) return activation;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  json.refuse("hidden_act", "must be one of " + known);
}

/// Of equal mathematics, the loss of huggingface/transformers' load_balancing_loss_func for one layer, (B1).
std::vector<Aux> switch_loss(const Fields& json) {
  if (!json.has("router_aux_loss_coef")) return {};
  return {{.name = "load_balance",
           .coefficient = json.real("router_aux_loss_coef"),
           .f_source = LoadSource::AllK}};
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
void read_groups(const Fields& json, Router& router) {
  const bool sigmoid = !couples_experts(router.score_function);
  const Json method =
      json.has("topk_method") ? json.at("topk_method") : Json(sigmoid ? "noaux_tc" : "greedy");
  if (method == (sigmoid ? "noaux_tc" : "group_limited_greedy")) {
    router.n_group = json.whole("n_group");
    router.topk_group = json.whole("topk_group");
    router.group_score = sigmoid ? GroupScore::SumTopn : GroupScore::Max;
  } else if (sigmoid || method != "greedy") {
    json.refuse("topk_method", sigmoid ? "must be noaux_tc" : "must be greedy or group_limited_greedy");
  }
}

void read_deepseek(const Fields& json, Config& c) {
  const bool sigmoid = !couples_experts(c.router.score_function);
  json.only("scoring_func", sigmoid ? "sigmoid" : "softmax");
  if (!sigmoid)
    json.only("norm_topk_prob", false);  // DeepSeek's code divides, that of huggingface/transformers does not
  read_groups(json, c.router);
  c.router.routed_scaling_factor = json.real("routed_scaling_factor");
  const Index n = json.has("n_shared_experts") ? json.whole("n_shared_experts", 0) : 0;
  if (n > 0) c.shared = {SharedMode::Add, n * c.shape.ffn_size};
  c.aux = sequence_loss(json, sigmoid);
}

/// What huggingface/transformers computes and this layer does not: of weight only where every score of a token is near 0.
std::string differences(const Config& c) {
  const bool sigmoid = !couples_experts(c.router.score_function);
  const char* text = "";
  if (sigmoid && has_denominator(c)) text = "adds 1e-20 to the sum of the weights";
  if (!sigmoid && has_groups(c)) text = "lets experts of closed groups compete with a score of 0";
  return *text == '\0' ? "" : std::string(", which ") + text + "; this layer does not";
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

}  // namespace

ForeignConfig config_from_huggingface(const Json& root, const std::string& file) {
  const Fields json(root, file);
  const Family& family = family_of(json);
  json.only("router_jitter_noise", 0.0);  // noise would be an input
  json.only("mlp_bias", false);
  Config c;
  c.shape = {16, json.whole("hidden_size"), json.whole(family.ffn_size), num_experts(json),
             json.whole("num_experts_per_tok")};
  c.experts.activation = activation(json);
  c.router.score_function = family.score;
  c.router.selection_bias = !couples_experts(family.score);
  if (family.sum == Sum::Always || (family.sum == Sum::AsAsked && json.truth("norm_topk_prob")))
    c.router.renorm = Renorm::Sum;
  if (family.extras == Extras::DeepSeek)
    read_deepseek(json, c);
  else
    c.aux = switch_loss(json);
  if (family.extras == Extras::GatedExpert)
    if (const Index Fs = json.whole("shared_expert_intermediate_size", 0); Fs > 0)
      c.shared = {SharedMode::SigmoidGate, Fs};
  try {
    validate(c);
  } catch (const Error& e) {
    throw Error(e.field, file + ": " + in_its_words(e.what(), family));
  }
  return {c, std::string("huggingface/transformers, ") + family.block + differences(c)};
}

}  // namespace moe
