#pragma once

#include "moe/config.h"

/// Questions about conventions, which is how code asks for them: no other file compares with a value of their enums. An answer has
/// one entry for each value, in order, so that a new value does not compile until it is answered; what is computed for it is a
/// switch in the header of its stage.
namespace moe {

// router: none, softmax, sigmoid, sqrtsoftplus, identity
inline bool has_router(ScoreFunction function) { return answer(function, {false, true, true, true, true}); }
inline bool has_router(const Config& c) { return has_router(c.router.score_function); }
/// Does a score depend on the logits of all experts? Else on its own only.
inline bool couples_experts(ScoreFunction function) {
  return answer(function, {false, true, false, false, false});
}
/// Is the sum of the scores of z and -z the same for every z? So it is of sigmoids alone, which alone may have an offset.
inline bool opposites_cancel(ScoreFunction function) {
  return answer(function, {false, false, true, false, false});
}
/// Is a score an exact number wherever its logit is?
inline bool scores_are_logits(ScoreFunction function) {
  return answer(function, {false, false, false, false, true});
}
/// Are the experts of a token an input? top_k, given
inline bool is_given(const Router& r) { return answer(r.choice, {false, true}); }
inline bool is_given(const Config& c) { return has_router(c) && is_given(c.router); }

/// Are the weights divided by a sum, of them or of their squares? none, sum, l2, sparsemixer
inline bool shares_a_sum(const Router& r) { return answer(r.renorm, {false, true, true, false}); }
inline bool shares_squares(const Router& r) { return answer(r.renorm, {false, false, true, false}); }
/// Is each weight a share of its own, of what was left when it was chosen?
inline bool shares_what_is_left(const Router& r) { return answer(r.renorm, {false, false, false, true}); }
inline bool has_denominator(const Config& c) { return shares_a_sum(c.router); }
/// Do only kept choices take part in that sum? before_drop, after_drop
inline bool shares_what_is_kept(const Router& r) { return answer(r.renorm_stage, {false, true}); }
/// Are weights shares of what the chosen ones have, whatever is dropped?
inline bool shares_before_drop(const Router& r) { return shares_a_sum(r) && !shares_what_is_kept(r); }
/// Is epsilon the least that the sum counts for? add, clamp
inline bool clamps_sum(const Router& r) {
  return r.renorm_epsilon > 0 && answer(r.renorm_epsilon_mode, {false, true});
}
inline bool adds_to_sum(const Router& r) { return r.renorm_epsilon > 0 && !clamps_sum(r); }
/// Is a weight the softmax of the chosen logits, at least where no sum is too small?
inline bool weights_by_logits(const Router& r) {
  return shares_what_is_left(r) ||
         (shares_a_sum(r) && !shares_squares(r) && couples_experts(r.score_function) && !adds_to_sum(r));
}
/// Are scores of logits that are drawn together first?
inline bool caps_logits(const Router& r) { return r.logit_softcap > 0; }
inline bool scales_logits(const Router& r) { return r.logit_scale != 1; }
/// Is expert e of E among the choices of every token?
inline bool is_sink(const Router& r, Index e, Index E) { return e >= E - r.sinks; }
/// Does the router have an input of its own? same, own
inline bool has_router_input(const Config& c) { return answer(c.router.input, {false, true}); }
/// Do experts rank by their biased scores, or by their biased logits? scores, logits
inline bool biases_logits(const Router& r) { return answer(r.selection_bias_on, {false, true}); }
/// Is the second choice taken up by its weight, and by a random number? all, random, threshold
inline bool weighs_second(const Router& r) { return answer(r.second_policy, {false, true, true}); }
inline bool draws_second(const Router& r) { return answer(r.second_policy, {false, true, false}); }
/// Does a second choice that is not taken up leave its place to the next? kept, freed
inline bool frees_place(const Router& r) { return weighs_second(r) && answer(r.second_place, {false, true}); }

inline bool has_groups(const Config& c) { return c.router.n_group > 1; }
/// Is group_score_n how many experts of a group count? max, sum_topn
inline bool sums_best_of_group(const Router& r) { return answer(r.group_score, {false, true}); }
inline Index counted_in_group(const Router& r) { return sums_best_of_group(r) ? r.group_score_n : 1; }
/// Do experts of closed groups compete, with the score 0? excluded, zero
inline bool closed_compete(const Router& r) { return answer(r.closed_groups, {false, true}); }
/// Are scores of noisy logits? none, gaussian_learned, gaussian_fixed, gumbel, input_jitter
inline bool has_noise(const Config& c) { return answer(c.noise.kind, {false, true, true, false, false}); }
/// Do noisy logits rank experts, and do nothing else? Are those of the first choice clean? all, second
inline bool has_gumbel(const Noise& noise) { return answer(noise.kind, {false, false, false, true, false}); }
inline bool has_gumbel(const Config& c) { return has_gumbel(c.noise); }
inline bool ranks_first_clean(const Noise& noise) {
  return has_gumbel(noise) && answer(noise.choices, {false, true});
}
inline bool has_noisy_logits(const Config& c) { return has_noise(c) || has_gumbel(c); }
/// Is what the router sees multiplied by noise?
inline bool has_jitter(const Config& c) { return answer(c.noise.kind, {false, false, false, false, true}); }
/// Is its standard deviation made of x, by a map of its own? Else it is a number of the config.
inline bool learns_noise(const Noise& n) { return answer(n.kind, {false, true, false, false, false}); }
inline bool learns_noise(const Config& c) { return learns_noise(c.noise); }
inline bool fixes_noise(const Config& c) { return has_noise(c) && !learns_noise(c); }

// capacity: none, factor, fixed
inline bool has_factor(const Capacity& c) { return answer(c.mode, {false, true, false}); }
inline bool has_fixed(const Capacity& c) { return answer(c.mode, {false, false, true}); }
inline bool has_capacity(const Capacity& c) { return answer(c.mode, {false, true, true}); }
inline bool has_capacity(const Config& c) { return has_capacity(c.capacity); }
/// Does every token ask in the order of its first score, or every assignment in that of its weight, or of a random number?
/// fcfs, bpr_top1, weight, random
inline bool ranks_tokens(const Capacity& c) { return answer(c.priority, {false, true, false, false}); }
inline bool ranks_assignments(const Capacity& c) { return answer(c.priority, {false, false, true, true}); }
inline bool ranks_by_weight(const Capacity& c) { return answer(c.priority, {false, false, true, false}); }
inline bool draws_priority(const Config& c) {
  return has_capacity(c) && answer(c.capacity.priority, {false, false, false, true});
}
inline bool ranks_by_numbers(const Capacity& c) { return ranks_tokens(c) || ranks_assignments(c); }
/// Do all first choices ask before any second one? choice_major, token_major
inline bool choices_first(const Capacity& c) { return answer(c.order, {true, false}); }
/// tokens, tokens_times_k
inline bool counts_choices(const Capacity& c) { return answer(c.base, {false, true}); }
inline bool rounds_inside(const Capacity& c) { return answer(c.inner_round, {false, true, true, true}); }
/// Is the product rounded, and is it to nearest? none, floor, ceil, half_even
inline bool rounds_outside(const Capacity& c) { return answer(c.outer_round, {false, true, true, true}); }
inline bool rounds_to_nearest(const Capacity& c) {
  return answer(c.outer_round, {false, false, false, true});
}
/// per_expert_first, factor_first
inline bool divides_first(const Capacity& c) { return answer(c.eval_order, {true, false}); }
/// exact, f64, f32
inline bool is_exact(const Capacity& c) { return answer(c.arithmetic, {true, false, false}); }
/// How many parts of a batch have places, or a loss, of their own: one, or one a group.
inline Index parts_of(Scope scope, Index num_groups) { return answer(scope, {Index{1}, num_groups}); }
/// Does a token without any place keep x, or x times its weight? zero, identity, scaled_identity
inline bool keeps_x(DroppedOutput dropped) { return answer(dropped, {false, true, false}); }
inline bool scales_x(DroppedOutput dropped) { return answer(dropped, {false, false, true}); }
inline bool leaves_x(DroppedOutput dropped) { return keeps_x(dropped) || scales_x(dropped); }

/// Do weights multiply what goes into experts? output, input
inline bool weighs_input(const Config& c) { return answer(c.combine.weight_location, {false, true}); }
inline bool norms_output(const Config& c) { return answer(c.combine.norm, {false, true}); }  // none, rms
/// Does x get what weights leave of 1? none, x
inline bool rests_on_x(const Config& c) { return has_router(c) && answer(c.combine.rest, {false, true}); }

/// Does the slope jump at 0? relu, gelu_erf, gelu_tanh, silu, identity, relu2, quick_gelu
inline bool has_kink(Activation a) { return answer(a, {true, false, false, false, false, false, false}); }
inline bool is_silu(Activation a) { return answer(a, {false, false, false, true, false, false, false}); }
/// Is it of degree two?
inline bool squares(Activation a) { return answer(a, {false, false, false, false, false, true, false}); }
/// Does act_alpha have a meaning?
inline bool has_alpha(Activation a) { return answer(a, {false, false, false, false, false, false, true}); }
/// Has each expert biases, or has the sum over experts one? none, per_expert, after_combine
inline bool has_bias(const Config& c) { return answer(c.experts.bias, {false, true, false}); }
inline bool biases_sum(const Config& c) { return answer(c.experts.bias, {false, false, true}); }
inline bool clamps_gate(const Experts& e) { return e.clamp_gate_max > 0; }
inline bool clamps_act(const Experts& e) { return e.clamp_act_max > 0; }
inline bool clamps_up(const Experts& e) { return e.clamp_up_abs > 0; }
inline bool caps_gate(const Experts& e) { return e.softcap_gate > 0; }
inline bool caps_up(const Experts& e) { return e.softcap_up > 0; }
/// Do experts without weights give what they get? identity, zero
inline bool gives_input(const Experts& e) { return answer(e.identity_gives, {true, false}); }
/// How many experts have weights.
inline Index computed_experts(const Config& c) { return c.shape.num_experts - c.experts.identity_experts; }
/// Do experts work on a linear map of x, and how wide is what they work on?
inline bool has_latent(const Config& c) { return c.experts.latent_size > 0; }
inline Index expert_width(const Config& c) {
  return has_latent(c) ? c.experts.latent_size : c.shape.hidden_size;
}
/// Has that map a norm, and has what each expert gives? none, rms
inline bool norms_latent(const Config& c) {
  return has_latent(c) && answer(c.experts.latent_norm, {false, true});
}
inline bool norms_experts(const Config& c) {
  return has_latent(c) && answer(c.experts.output_norm, {false, true});
}
/// none, add, sigmoid_gate, average, weighted_mean
inline bool has_shared(const Shared& s) { return answer(s.mode, {false, true, true, true, true}); }
inline bool has_shared(const Config& c) { return has_shared(c.shared); }
inline bool gates_shared(const Config& c) {
  return answer(c.shared.mode, {false, false, true, false, false});
}
/// Is y a mean of the shared expert's output and the rest? Of equal parts, or of as many as there are experts.
inline bool averages_shared(const Config& c) {
  return answer(c.shared.mode, {false, false, false, true, true});
}
/// How many parts the rest is of, beside the shared expert's one.
inline Index routed_parts(const Config& c) {
  const Index K = c.shape.top_k;
  return answer(c.shared.mode, {Index{1}, Index{1}, Index{1}, Index{1}, K});
}
/// What the shared expert computes: as the others do, but with limits of its own.
inline Experts shared_form(const Config& c) {
  Experts form = c.experts;
  form.clamp_gate_max = c.shared.clamp_gate_max, form.clamp_up_abs = c.shared.clamp_up_abs;
  form.clamp_act_max = c.shared.clamp_act_max;
  return form;
}

// losses: switch, z, cv_importance, cv_load
inline bool is_balance(const Aux& a) { return answer(a.kind, {true, false, false, false}); }
inline bool is_of_logits(const Aux& a) { return answer(a.kind, {false, true, false, false}); }
inline bool is_of_importance(const Aux& a) { return answer(a.kind, {false, false, true, false}); }
inline bool is_of_load(const Aux& a) { return answer(a.kind, {false, false, false, true}); }
inline bool is_unbiased(const Aux& a) { return answer(a.variance, {false, true}); }  // population, unbiased
/// Is an expert's importance the sum of all scores for it? Of logits without noise? weights, scores, clean_scores
inline bool sums_scores(const Aux& a) { return answer(a.importance_of, {false, true, true}); }
inline bool sums_clean_scores(const Aux& a) {
  return is_of_importance(a) && answer(a.importance_of, {false, false, true});
}
/// normalised_score, softmax, softmax_of_scores
inline bool of_softmax(const Aux& a) { return answer(a.p_source, {false, true, false}); }
inline bool of_softmax_of_scores(const Aux& a) { return answer(a.p_source, {false, false, true}); }
inline bool counts_first_only(const Aux& a) { return answer(a.f_source, {true, false}); }  // top1, all_k
/// Does it count the experts that the scores alone would choose? selected, retopk_of_aux_scores
inline bool counts_by_scores(const Aux& a) { return answer(a.f_from, {false, true}); }
/// pre_drop, post_drop, post_drop_first
inline bool after_drops(LoadStage stage) { return answer(stage, {false, true, true}); }
/// Does a token without any place count for expert 0?
inline bool counts_dropped_as_first(LoadStage stage) { return answer(stage, {false, false, true}); }
inline bool divides_by_kept(const Aux& a) { return answer(a.divisor, {false, true}); }  // tokens, kept
inline bool is_of_clean(const Aux& a) { return answer(a.z_of, {false, true}); }         // scored, clean
/// Does a logit have to exceed the last that was chosen, even if it was chosen itself? rival, last_chosen
inline bool against_last_chosen(const Aux& a) { return answer(a.load_against, {false, true}); }
/// none, sign, sign_centred
inline bool updates_bias(const Config& c) { return answer(c.bias_update.kind, {false, true, true}); }
/// Has the update a mean of 0?
inline bool centres_update(const BiasUpdateRule& rule) { return answer(rule.kind, {false, false, true}); }
/// Does a loss count the experts that the scores alone would choose?
inline bool has_retopk(const Config& c) {
  for (const Aux& aux : c.aux)
    if (is_balance(aux) && counts_by_scores(aux)) return true;
  return false;
}
/// Do tokens count in a loss that are not in the batch?
inline bool counts_earlier(const Aux& a) { return is_balance(a) && a.earlier_tokens > 0; }
inline bool counts_earlier(const Config& c) {
  for (const Aux& aux : c.aux)
    if (counts_earlier(aux)) return true;
  return false;
}
/// Are their scores part of it, too, or their counts alone?
inline bool scores_earlier(const Aux& a) { return counts_earlier(a) && !a.p_of_batch; }
inline bool scores_earlier(const Config& c) {
  for (const Aux& aux : c.aux)
    if (scores_earlier(aux)) return true;
  return false;
}
/// Do some tokens not count in a loss: padding?
inline bool has_mask(const Config& c) {
  for (const Aux& aux : c.aux)
    if (aux.masked) return true;
  return false;
}
/// Does a loss ask who would be chosen next?
inline bool has_load_loss(const Config& c) {
  for (const Aux& aux : c.aux)
    if (is_of_load(aux)) return true;
  return false;
}

}  // namespace moe
