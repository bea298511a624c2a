#pragma once

#include "moe/config.h"

/// Questions about conventions, which is how code asks for them: no other file compares with a value of their enums. An answer has
/// one entry for each value, in order, so that a new value does not compile until it is answered; what is computed for it is a
/// switch in the header of its stage.
namespace moe {

// router: none, softmax, sigmoid, sqrtsoftplus
inline bool has_router(ScoreFunction function) { return answer(function, {false, true, true, true}); }
inline bool has_router(const Config& c) { return has_router(c.router.score_function); }
/// Does a score depend on the logits of all experts? Else on its own only.
inline bool couples_experts(ScoreFunction function) { return answer(function, {false, true, false, false}); }
/// Is the sum of the scores of z and -z the same for every z?
inline bool opposites_cancel(ScoreFunction function) { return answer(function, {false, false, true, false}); }

/// Are the weights divided by a sum? none, sum
inline bool shares_a_sum(const Router& r) { return answer(r.renorm, {false, true}); }
inline bool has_denominator(const Config& c) { return shares_a_sum(c.router); }
/// Do only kept choices take part in that sum? before_drop, after_drop
inline bool shares_what_is_kept(const Router& r) { return answer(r.renorm_stage, {false, true}); }
/// Are weights shares of what the chosen ones have, whatever is dropped?
inline bool shares_before_drop(const Router& r) { return shares_a_sum(r) && !shares_what_is_kept(r); }
/// Is a weight the softmax of the chosen logits?
inline bool weights_by_logits(const Router& r) {
  return shares_a_sum(r) && couples_experts(r.score_function);
}
inline bool draws_second(const Router& r) { return answer(r.second_policy, {false, true}); }  // all, random

inline bool has_groups(const Config& c) { return c.router.n_group > 1; }
/// Is group_score_n how many experts of a group count? max, sum_topn
inline bool sums_best_of_group(const Router& r) { return answer(r.group_score, {false, true}); }
inline Index counted_in_group(const Router& r) { return sums_best_of_group(r) ? r.group_score_n : 1; }
inline bool has_noise(const Config& c) { return answer(c.noise.kind, {false, true}); }

// capacity: none, factor, fixed
inline bool has_factor(const Capacity& c) { return answer(c.mode, {false, true, false}); }
inline bool has_fixed(const Capacity& c) { return answer(c.mode, {false, false, true}); }
inline bool has_capacity(const Capacity& c) { return answer(c.mode, {false, true, true}); }
inline bool has_capacity(const Config& c) { return has_capacity(c.capacity); }
/// Does every token ask in the order of its first score, or every assignment in that of its weight? fcfs, bpr_top1, weight
inline bool ranks_tokens(const Capacity& c) { return answer(c.priority, {false, true, false}); }
inline bool ranks_assignments(const Capacity& c) { return answer(c.priority, {false, false, true}); }
inline bool ranks_by_numbers(const Capacity& c) { return ranks_tokens(c) || ranks_assignments(c); }
/// Do all first choices ask before any second one? choice_major, token_major
inline bool choices_first(const Capacity& c) { return answer(c.order, {true, false}); }
/// tokens, tokens_times_k
inline bool counts_choices(const Capacity& c) { return answer(c.base, {false, true}); }
inline bool rounds_inside(const Capacity& c) { return answer(c.inner_round, {false, true, true, true}); }
/// per_expert_first
inline bool divides_first(const Capacity& c) { return answer(c.eval_order, {true, false}); }
/// exact, f64, f32
inline bool is_exact(const Capacity& c) { return answer(c.arithmetic, {true, false, false}); }
/// How many parts of a batch have places, or a loss, of their own: one, or one a group.
inline Index parts_of(Scope scope, Index num_groups) { return answer(scope, {Index{1}, num_groups}); }
/// Does a token without any place keep x, or x times its weight? zero, identity, scaled_identity
inline bool keeps_x(DroppedOutput dropped) { return answer(dropped, {false, true, false}); }
inline bool scales_x(DroppedOutput dropped) { return answer(dropped, {false, false, true}); }
inline bool leaves_x(DroppedOutput dropped) { return keeps_x(dropped) || scales_x(dropped); }

/// Does the slope jump at 0? relu, gelu_erf, gelu_tanh, silu, identity, relu2
inline bool has_kink(Activation a) { return answer(a, {true, false, false, false, false, false}); }
inline bool has_bias(const Config& c) { return answer(c.experts.bias, {false, true}); }
/// none, add, sigmoid_gate
inline bool has_shared(const Shared& s) { return answer(s.mode, {false, true, true}); }
inline bool has_shared(const Config& c) { return has_shared(c.shared); }
inline bool gates_shared(const Config& c) { return answer(c.shared.mode, {false, false, true}); }

// losses: switch, z, cv_importance, cv_load
inline bool is_balance(const Aux& a) { return answer(a.kind, {true, false, false, false}); }
inline bool is_of_logits(const Aux& a) { return answer(a.kind, {false, true, false, false}); }
inline bool is_of_importance(const Aux& a) { return answer(a.kind, {false, false, true, false}); }
inline bool is_of_load(const Aux& a) { return answer(a.kind, {false, false, false, true}); }
inline bool counts_first_only(const Aux& a) { return answer(a.f_source, {true, false}); }  // top1, all_k
/// Does it count the experts that the scores alone would choose? selected, retopk_of_aux_scores
inline bool counts_by_scores(const Aux& a) { return answer(a.f_from, {false, true}); }
inline bool after_drops(LoadStage stage) { return answer(stage, {false, true}); }
inline bool updates_bias(const Config& c) { return answer(c.bias_update.kind, {false, true}); }
/// Does a loss count the experts that the scores alone would choose?
inline bool has_retopk(const Config& c) {
  for (const Aux& aux : c.aux)
    if (is_balance(aux) && counts_by_scores(aux)) return true;
  return false;
}
/// Does a loss ask who would be chosen next?
inline bool has_load_loss(const Config& c) {
  for (const Aux& aux : c.aux)
    if (is_of_load(aux)) return true;
  return false;
}

}  // namespace moe
