#include "notes.h"

#include <array>

namespace moe {
namespace {

constexpr std::array kNotes{
    Note{"router.score_function", "softmax", 0, "take the softmax of the logits over all experts"},
    Note{"router.score_function", "sigmoid", 0, "take the sigmoid of each logit, not a softmax over experts"},
    Note{"router.score_function", "sqrtsoftplus", 0, "take the square root of the softplus of each logit"},
    Note{"router.selection_bias", "true", 0, "add the bias to the scores, but only where experts are chosen"},
    Note{"router.renorm", "sum", 1, "divide the weights of the chosen experts by their sum"},
    Note{"router.renorm", "none", 1, "leave the weights as they are scored: their sum is less than 1"},
    Note{"router.renorm_stage", "before_drop", 29,
         "divide before assignments are dropped: those that stay keep their share"},
    Note{"router.renorm_stage", "after_drop", 29,
         "divide by the sum of the kept weights: it is 1 for every token that keeps any"},
    Note{"router.routed_scaling_factor", "", 13,
         "multiply every routed weight by the factor, once, whether renormalised or not, and the shared "
         "expert never"},
    Note{"router.group_score", "", 5,
         "a group counts as what its score says: its best expert, or the sum of its best"},
    Note{"router.group_score_n", "", 5, "sum so many of the best experts of a group"},
    Note{"router.topk_group", "", 5, "open so many groups"},
    Note{"router.n_group", "", 5, "choose groups first, then experts of those only"},
    Note{"router.second_policy", "", 9,
         "the second choice is taken up by its weight and a random number, or always"},
    Note{"router.second_threshold", "", 9,
         "take the second choice up where its weight exceeds the threshold times the random number"},
    Note{"shape.top_k", "", 0, "combine so many experts for each token, no slot more or less"},
    Note{"shape.num_groups", "", 32, "count capacities and losses in each group of tokens of its own"},
    Note{"capacity.mode", "none", 60, "there is no capacity: drop nothing"},
    Note{"capacity.mode", "", 60, "an expert takes no more assignments than its capacity"},
    Note{"capacity.fixed", "", 60, "take exactly so many assignments"},
    Note{"capacity.base", "", 22, "the factor multiplies tokens, or tokens times choices, over experts"},
    Note{"capacity.k_outside", "", 22, "multiply by the number of choices before, or after, the rounding"},
    Note{"capacity.inner_round", "", 23, "round tokens per expert before the factor is applied, or do not"},
    Note{"capacity.outer_round", "half_even", 25, "round to nearest, halves to the even number"},
    Note{"capacity.outer_round", "", 23, "round the product the way that the case says"},
    Note{"capacity.arithmetic", "", 24, "compute the capacity in the arithmetic that the case names"},
    Note{"capacity.eval_order", "", 23, "divide and multiply in the order that the case says"},
    Note{"capacity.min_capacity", "", 33, "no capacity is less than the minimum"},
    Note{"capacity.multiple_of", "", 23, "round the capacity up to the multiple"},
    Note{"capacity.scope", "", 32, "each group of tokens has a capacity of its own, or the batch has one"},
    Note{"capacity.priority", "", 27, "places go by position, by score or by weight, as the case says"},
    Note{"capacity.order", "choice_major", 26, "all first choices come before any second one"},
    Note{"capacity.order", "token_major", 26, "all choices of a token come before those of the next"},
    Note{"capacity.dropped_output", "", 30,
         "a token without any place outputs 0, itself, or itself times its weight"},
    Note{"experts.activation", "gelu_erf", 49, "use GELU with the error function"},
    Note{"experts.activation", "gelu_tanh", 49, "use the tanh form of GELU"},
    Note{"experts.activation", "", 49, "use the activation that the case names"},
    Note{"experts.glu", "", 47, "the hidden layer is act(gate) times up, or just act(up)"},
    Note{"experts.bias", "", 52, "every expert adds its own biases, weighted as its output is"},
    Note{"shared.mode", "add", 51, "add the shared expert as it is"},
    Note{"shared.mode", "sigmoid_gate", 51, "multiply the shared expert by the sigmoid of its gate"},
    Note{"shared.mode", "none", 51, "there is no shared expert"},
    Note{"aux.coefficient", "", 35, "multiply the loss by its coefficient, with no factor of K or E besides"},
    Note{"aux.f_source", "top1", 36, "count first choices only"},
    Note{"aux.f_source", "all_k", 36, "count all choices"},
    Note{"aux.f_divide_by_k", "", 35, "divide the counts by K, or not: an even load then gives 1, or K"},
    Note{"aux.f_from", "", 43,
         "count the chosen experts, or those with the best scores whatever bias and groups say"},
    Note{"aux.f_stage", "", 12, "count assignments before, or after, drops"},
    Note{"aux.multiply", "", 40, "the loss is E^2 times a mean, or the mean itself"},
    Note{"aux.scope", "", 45, "take the loss in each group of tokens, or over the batch"},
    Note{"bias_update.count", "", 46, "count assignments before, or after, drops"},
    Note{"expert: gate and up exchanged", "", 47,
         "it takes the gate's weights for those of up: exchange the two halves"},
    Note{"expert: gate and up taken for interleaved, where they are halves", "", 47,
         "it reads rows of gate and up in turns: they are two halves, gate first"},
    Note{"expert: gate and up taken for halves, where they are interleaved", "", 47,
         "it reads interleaved rows of gate and up as two halves: unzip them first"},
    Note{"expert: gate, up and down read in the order of their transposes", "", 48,
         "it reads experts' weights as (in, out): they are (out, in)"},
    Note{"expert: gate and up read in the order of their transposes", "", 48,
         "it reads gate and up as (model, ffn): they are (ffn, model)"},
    Note{"expert: down read in the order of its transpose", "", 48,
         "it reads down as (ffn, model): it is (model, ffn)"},
    Note{"expert: the weights multiply what goes into the experts", "", 18,
         "it multiplies x by the weight: multiply what the expert gives"},
    Note{"expert: the bias of down added once a token, not once a choice", "", 52,
         "it adds the bias of down once a token: each expert's is part of its output, and weighted"},
    Note{"capacity: halves rounded up", "", 25, "it rounds halves up: round them to the even number"},
    Note{"capacity: halves rounded down", "", 25, "it rounds halves down: round them to the even number"},
    Note{"groups: others masked with 0", "", 4,
         "it masks closed groups with 0: mask with minus infinity, since open scores may be negative"},
    Note{"groups: ignored", "", 5, "it chooses among all experts: choose groups first"},
    Note{"bias: scores plus bias in fp32", "", 6,
         "it ranks scores plus bias rounded to fp32: tokens with near ties choose others"},
    Note{"route: the selection bias in the weights", "", 6,
         "it weighs by score plus bias: the bias chooses, the score alone weighs"},
    Note{"route: the logits themselves as weights", "", 1, "it uses logits as weights: use their scores"},
    Note{"route: weights shared across the tokens instead of the choices", "", 3,
         "it divides the weights across tokens: divide across the choices of each token"},
    Note{"router: the factor forgotten", "", 13,
         "it leaves routed_scaling_factor out: multiply every routed weight by it"},
    Note{"router: the factor applied twice", "", 13, "it applies routed_scaling_factor twice: apply it once"},
    Note{"router: the factor only where weights are renormalised", "", 13,
         "it skips the factor without renormalisation: apply it always"},
    Note{"shared: multiplied by the factor", "", 13,
         "it multiplies the shared expert by the factor: only routed experts are"},
    Note{"choose: by scores in bf16", "", 10, "it ranks scores rounded to bf16: rank in fp32"},
    Note{"choose: by logits in bf16", "", 10, "it ranks logits rounded to bf16: rank in fp32"},
    Note{"router: logits rounded to bf16", "", 10, "it keeps logits in bf16: keep them in fp32"},
    Note{"noise: the variance over E - 1", "", 42, "it divides the variance by E - 1: divide by E"},
    Note{"second choice: the weight before renormalisation compared", "", 9,
         "it compares the raw weight of the second choice: compare the renormalised one"},
    Note{"losses: of scores that went through softmax twice", "", 38,
         "it takes the softmax of probabilities: the loss is of scores as they are"},
    Note{"capacity: 0 taken for none", "", 60, "it takes capacity 0 for none: nothing is kept"},
    Note{"combine: y is never written and 0", "", 0, "y is 0 throughout: the result is not written at all"},
    Note{"combine: x is returned", "", 0,
         "y is x: the layer does nothing, or adds the residual and forgets the rest"},
};

}  // namespace

const Note* note_on(const std::string& subject, const std::string& right) {
  std::string known = subject;
  if (subject.starts_with("aux.")) known = "aux" + subject.substr(subject.rfind('.'));
  const Note* any = nullptr;
  for (const Note& note : kNotes) {
    if (known != note.subject) continue;
    if (right == note.right) return &note;
    if (*note.right == '\0') any = &note;
  }
  return any;
}

}  // namespace moe
