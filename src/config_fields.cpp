#include "moe/config_fields.h"

#include <algorithm>

#include "moe/error.h"

namespace moe {
namespace {

/// What a field is, and the number of its formula in docs/MATH.md.
struct Described {
  const char *field, *formula, *sentence;
};
constexpr Described kDescribed[] = {
    {"shape.num_tokens", "", "tokens of a batch"},
    {"shape.hidden_size", "", "numbers of a token"},
    {"shape.ffn_size", "", "hidden units of one expert"},
    {"shape.num_experts", "", "experts; 1 without a router"},
    {"shape.top_k", "", "experts that a token uses"},
    {"shape.num_groups", "P1", "equal groups of neighbouring tokens: what scope group means"},
    {"router.score_function", "R2", "what becomes of the logits; none is a dense layer"},
    {"router.score_offset", "R2", "is added to every score, which is a sigmoid"},
    {"router.choice", "R1", "experts are the best, or given, by router.given_ids: those of a hash, say"},
    {"router.input", "R0", "what the logits are of: x, or router.x, an input of its own"},
    {"router.logit_bias", "R0", "a number for each expert is added to its logits, as in any linear map"},
    {"router.logit_scale", "R0", "multiplies the logits, their bias with them"},
    {"router.logit_softcap", "R7", "scores are of c tanh(z / c); 0: of the logits z as they are"},
    {"router.selection_bias", "R4",
     "a number for each expert is added to the scores where experts are chosen, and only there"},
    {"router.selection_bias_on", "R4", "what that number is added to"},
    {"router.sinks", "R1",
     "so many experts, the last ones, are the first choices of every token, and count in shape.top_k"},
    {"router.n_group", "R5", "groups of neighbouring experts"},
    {"router.topk_group", "R5", "how many groups are open, the best ones"},
    {"router.group_score", "R5", "how good a group is: its best expert, or the sum of its best"},
    {"router.group_score_n", "R5", "how many experts that sum has"},
    {"router.closed_groups", "R1", "experts of closed groups are no candidates, or have the score 0"},
    {"router.renorm", "R3",
     "weights are scores, or divided by their sum, or by the root of the sum of their squares; sparsemixer: "
     "each is the share of its "
     "expert among those that were left and near (R8)"},
    {"router.sparsemixer_jitter", "R8", "how near: half of the relative distance from the best"},
    {"router.renorm_stage", "R3", "whether dropped choices take part in that sum"},
    {"router.renorm_epsilon", "R3", "is added to that sum, or the least that it counts for"},
    {"router.renorm_epsilon_mode", "R3", "which of these two"},
    {"router.routed_scaling_factor", "R3", "multiplies every weight"},
    {"router.expert_scale", "R3", "so does a number of its expert, router.expert_scale"},
    {"router.second_policy", "R6",
     "second choices are all taken up, or by a random number, or by the threshold alone"},
    {"router.second_threshold", "R6", "what the weight, before any factor, must exceed, times that number"},
    {"router.second_place", "P3", "whether one that is not taken up holds a place, or leaves it to the next"},
    {"noise.kind", "N1",
     "noise, an input: on the logits that are scored (N1), on what only ranks (N2), or on what the router "
     "sees "
     "(N3)"},
    {"noise.epsilon", "N1", "its least standard deviation, where that is learned"},
    {"noise.scale", "N1", "its standard deviation, where that is fixed"},
    {"noise.choices", "N2", "whether noise ranks all choices, or those after the first"},
    {"capacity.mode", "P1", "how many assignments an expert takes: all, by a factor, or so many"},
    {"capacity.fixed", "P1", "so many"},
    {"capacity.factor", "P1", "multiplies the even load; a decimal, not the double nearest it"},
    {"capacity.base", "P1", "what the even load is of: tokens, or tokens times K"},
    {"capacity.inner_round", "P1", "how the even load is rounded before the factor"},
    {"capacity.outer_round", "P1", "how the product is rounded"},
    {"capacity.k_outside", "P1", "K multiplies what was rounded"},
    {"capacity.arithmetic", "P1", "what the factor is computed in"},
    {"capacity.eval_order", "P1", "whether it divides or multiplies first"},
    {"capacity.min_capacity", "P1", "the least capacity"},
    {"capacity.multiple_of", "P1", "the capacity is raised to a multiple of it"},
    {"capacity.scope", "P1", "places are of the batch, or of each group of tokens"},
    {"capacity.priority", "P2",
     "who asks first: by position, the first choice's score, the weight, or noise.priority"},
    {"capacity.order", "P2", "whether all first choices ask before any second one"},
    {"capacity.dropped_output", "C3", "what a token without any place gives"},
    {"combine.weight_location", "C1", "a weight multiplies what its expert gives, or what goes into it"},
    {"combine.rest", "C5", "what the weights of a token leave of 1 is nobody's, or the share of x"},
    {"combine.norm", "C4",
     "the result is divided by its root mean square, and multiplied by combine.norm_weight"},
    {"combine.norm_epsilon", "C4", "is added to that mean square"},
    {"experts.glu", "X2", "act(gate) up, or act(up)"},
    {"experts.activation", "A1", "act: (A1) to (A7)"},
    {"experts.bias", "X1",
     "biases of each expert's matrices, or one, combine.bias, added to the sum over experts (C2)"},
    {"experts.act_alpha", "A7", "alpha of quick_gelu"},
    {"experts.clamp_gate_max", "X2", "gates are at most this; 0: no limit"},
    {"experts.clamp_act_max", "X2", "what the activation gives is at most this; 0: no limit"},
    {"experts.clamp_up_abs", "X2", "ups are at most this far from 0; 0: no limit"},
    {"experts.up_offset", "X2", "is added to ups"},
    {"experts.softcap_gate", "X2", "silu(g) is of c tanh(g / c) times sigmoid(g); 0: of g times sigmoid(g)"},
    {"experts.softcap_up", "X2", "ups are c tanh(u / c); 0: as they are"},
    {"experts.identity_experts", "X4",
     "so many experts, the last ones, have no weights and give what they get"},
    {"experts.identity_gives", "X4", "they give what they get, or 0"},
    {"experts.latent_size", "X5", "experts work on a linear map of x of this width; 0: on x"},
    {"experts.latent_norm", "X6",
     "that map is divided by its root mean square, and multiplied by latent.norm_weight"},
    {"experts.latent_norm_epsilon", "X6", "is added to that mean square"},
    {"experts.output_norm", "X7",
     "what an expert gives there is multiplied by latent.output_norm_weight, and divided by its root mean "
     "square"},
    {"experts.output_norm_epsilon", "X7", "is added to that mean square"},
    {"shared.mode", "H1",
     "an expert that sees every token: added, behind a gate, or in a mean with the rest"},
    {"shared.ffn_size", "H1", "its hidden units"},
    {"shared.clamp_gate_max", "X2", "its gates are at most this; 0: no limit"},
    {"shared.clamp_act_max", "X2", "what its activation gives is at most this; 0: no limit"},
    {"shared.clamp_up_abs", "X2", "its ups are at most this far from 0; 0: no limit"},
    {"aux.name", "B0", "the loss is loss.NAME"},
    {"aux.kind", "B1", "(B1) switch, (Z1) z, (M1) cv_importance, (M2) cv_load"},
    {"aux.coefficient", "B0", "multiplies it in loss.total"},
    {"aux.f_source", "B2", "first choices count, or all"},
    {"aux.f_divide_by_k", "B1", "counts are divided by K"},
    {"aux.f_from", "B2", "the chosen experts count, or those of the best scores"},
    {"aux.f_stage", "B2",
     "assignments count before or after drops; post_drop_first: tokens without a place count for expert 0"},
    {"aux.divisor", "B1", "counts and scores are divided by tokens, or by kept assignments"},
    {"aux.p_source", "B1", "shares are of the scores, or the softmax of the logits, or that of the scores"},
    {"aux.multiply", "B1", "E^2 times a mean, or the mean"},
    {"aux.scope", "B1", "over the batch, or the mean over groups of tokens"},
    {"aux.earlier_tokens", "B1",
     "so many tokens of other layers or batches count, too, by aux.earlier_counts and aux.earlier_scores"},
    {"aux.p_of_batch", "B1", "counts are of those tokens, too, shares of this batch alone"},
    {"aux.masked", "B2", "only tokens that aux.token_mask marks count: no padding"},
    {"aux.z_of", "Z1", "it is of the logits that are scored, or of those without noise"},
    {"aux.epsilon", "M1", "added to the square of the mean"},
    {"aux.variance", "M1", "of a population, over E, or unbiased, over E - 1"},
    {"aux.importance_of", "M2",
     "an expert counts by what its choices weigh, or by all scores for it, with noise or without"},
    {"aux.load_against", "M3",
     "what a clean logit must exceed: the best of the others, or the last that was chosen"},
    {"bias_update.kind", "U1", "how the selection bias answers to the load"},
    {"bias_update.gamma", "U1", "by how much"},
    {"bias_update.count", "U1", "assignments count before or after drops"},
};

}  // namespace

std::vector<FieldInfo> config_fields() {
  std::vector<FieldInfo> all = listed_fields();
  for (FieldInfo& info : all) {
    const auto* found = std::find_if(std::begin(kDescribed), std::end(kDescribed),
                                     [&](const Described& d) { return info.field == d.field; });
    if (found == std::end(kDescribed))
      throw Error(info.field, info.field + " must be described in config_fields.cpp");
    info.formula = found->formula, info.sentence = found->sentence;
  }
  return all;
}

Json config_schema() {
  Json schema{{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
  for (const FieldInfo& info : config_fields()) {
    const std::size_t dot = info.field.find('.');
    Json& section = schema["properties"][info.field.substr(0, dot)];
    const bool list = info.field.starts_with("aux.");
    if (section.is_null())
      section = list ? Json{{"type", "array"}, {"items", Json::object()}} : Json::object();
    Json& object = list ? section["items"] : section;
    if (object.empty())
      object = {{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
    Json field{{"description", info.sentence + (info.formula.empty() ? "" : " (" + info.formula + ")")}};
    if (info.choices.empty())
      field["type"] = info.type;
    else
      field["enum"] = info.choices;
    object["properties"][info.field.substr(dot + 1)] = std::move(field);
  }
  return schema;
}

}  // namespace moe
