#pragma once

#include "moe/layer/conventions.h"

/// The fields of a config, as JSON has them.
namespace moe {

template <typename Visitor>
void each_field_of_choices(Visitor& v, Config& c) {
  static constexpr Router kRouter;
  v.section("shape", [&] {
    v("num_tokens", c.shape.num_tokens);
    v("hidden_size", c.shape.hidden_size);
    v("ffn_size", c.shape.ffn_size);
    v("num_experts", c.shape.num_experts);
    v("top_k", c.shape.top_k);
    v("num_groups", c.shape.num_groups);
  });
  v.section("router", [&] {
    Router& r = c.router;
    v("score_function", r.score_function);
    const bool any = has_router(c);
    v("score_offset", r.score_offset, opposites_cancel(r.score_function), &kRouter.score_offset);
    v("choice", r.choice, any, &kRouter.choice);
    v("input", r.input, any, &kRouter.input);
    v("logit_bias", r.logit_bias, any, &kRouter.logit_bias);
    v("logit_scale", r.logit_scale, any, &kRouter.logit_scale);
    v("logit_softcap", r.logit_softcap, any, &kRouter.logit_softcap);
    v("selection_bias", r.selection_bias, any);
    v("selection_bias_on", r.selection_bias_on, any && r.selection_bias, &kRouter.selection_bias_on);
    v("sinks", r.sinks, any, &kRouter.sinks);
    v("n_group", r.n_group, any);
    const bool groups = any && has_groups(c);
    v("topk_group", r.topk_group, groups);
    v("group_score", r.group_score, groups);
    v("group_score_n", r.group_score_n, groups && sums_best_of_group(r));
    v("closed_groups", r.closed_groups, groups, &kRouter.closed_groups);
    v("renorm", r.renorm, any);
    v("sparsemixer_jitter", r.sparsemixer_jitter, shares_what_is_left(r));
    v("renorm_stage", r.renorm_stage, shares_a_sum(r));
    v("renorm_epsilon", r.renorm_epsilon, shares_a_sum(r) && !shares_squares(r), &kRouter.renorm_epsilon);
    v("renorm_epsilon_mode", r.renorm_epsilon_mode,
      shares_a_sum(r) && !shares_squares(r) && r.renorm_epsilon > 0, &kRouter.renorm_epsilon_mode);
    v("routed_scaling_factor", r.routed_scaling_factor, any);
    v("expert_scale", r.expert_scale, any, &kRouter.expert_scale);
    v("second_policy", r.second_policy, any);
    v("second_threshold", r.second_threshold, weighs_second(r));
    v("second_place", r.second_place, weighs_second(r), &kRouter.second_place);
  });
  v.section("noise", [&] {
    v("kind", c.noise.kind);
    v("epsilon", c.noise.epsilon, learns_noise(c));
    v("scale", c.noise.scale, fixes_noise(c));
    v("choices", c.noise.choices, has_gumbel(c));
  });
}

template <typename Visitor>
void each_field_of_experts(Visitor& v, Config& c) {
  static constexpr Combine kCombine;
  static constexpr Experts kExperts;
  static constexpr Shared kShared;
  v.section("capacity", [&] {
    Capacity& a = c.capacity;
    v("mode", a.mode);
    const bool any = has_capacity(a), factor = has_factor(a);
    v("fixed", a.fixed, has_fixed(a));
    v("factor", a.factor, factor);
    v("base", a.base, factor);
    v("inner_round", a.inner_round, factor);
    v("outer_round", a.outer_round, factor);
    v("k_outside", a.k_outside, factor);
    v("arithmetic", a.arithmetic, factor);
    v("eval_order", a.eval_order, factor && !is_exact(a));
    v("min_capacity", a.min_capacity, factor);
    v("multiple_of", a.multiple_of, factor);
    v("scope", a.scope, any);
    v("priority", a.priority, any);
    v("order", a.order, any && !ranks_assignments(a));
    v("dropped_output", a.dropped_output, any);
  });
  v.section("combine", [&] {
    v("weight_location", c.combine.weight_location, has_router(c), &kCombine.weight_location);
    v("rest", c.combine.rest, has_router(c), &kCombine.rest);
    v("norm", c.combine.norm, true, &kCombine.norm);
    v("norm_epsilon", c.combine.norm_epsilon, norms_output(c), &kCombine.norm_epsilon);
  });
  v.section("experts", [&] {
    Experts& e = c.experts;
    v("glu", e.glu);
    v("activation", e.activation);
    v("bias", e.bias);
    v("act_alpha", e.act_alpha, has_alpha(e.activation), &kExperts.act_alpha);
    v("clamp_gate_max", e.clamp_gate_max, e.glu, &kExperts.clamp_gate_max);
    v("clamp_act_max", e.clamp_act_max, e.glu, &kExperts.clamp_act_max);
    v("clamp_up_abs", e.clamp_up_abs, e.glu, &kExperts.clamp_up_abs);
    v("up_offset", e.up_offset, e.glu, &kExperts.up_offset);
    v("softcap_gate", e.softcap_gate, e.glu, &kExperts.softcap_gate);
    v("softcap_up", e.softcap_up, e.glu, &kExperts.softcap_up);
    v("identity_experts", e.identity_experts, has_router(c), &kExperts.identity_experts);
    v("identity_gives", e.identity_gives, e.identity_experts > 0, &kExperts.identity_gives);
    v("latent_size", e.latent_size, has_router(c), &kExperts.latent_size);
    v("latent_norm", e.latent_norm, has_latent(c), &kExperts.latent_norm);
    v("latent_norm_epsilon", e.latent_norm_epsilon, norms_latent(c), &kExperts.latent_norm_epsilon);
    v("output_norm", e.output_norm, has_latent(c), &kExperts.output_norm);
    v("output_norm_epsilon", e.output_norm_epsilon, norms_experts(c), &kExperts.output_norm_epsilon);
  });
  v.section("shared", [&] {
    Shared& s = c.shared;
    v("mode", s.mode);
    v("ffn_size", s.ffn_size, has_shared(c));
    const bool limits = has_shared(c) && c.experts.glu;
    v("clamp_gate_max", s.clamp_gate_max, limits, &kShared.clamp_gate_max);
    v("clamp_act_max", s.clamp_act_max, limits, &kShared.clamp_act_max);
    v("clamp_up_abs", s.clamp_up_abs, limits, &kShared.clamp_up_abs);
  });
}

template <typename Visitor>
void each_field_of_losses(Visitor& v, Config& c) {
  static const Aux kAux;
  v.list("aux", c.aux, [&](Aux& a) {
    v("name", a.name);
    v("kind", a.kind);
    const bool balance = is_balance(a);
    v("coefficient", a.coefficient);
    v("f_source", a.f_source, balance);
    v("f_divide_by_k", a.f_divide_by_k, balance);
    v("f_from", a.f_from, balance);
    v("f_stage", a.f_stage, balance && !counts_by_scores(a));
    v("divisor", a.divisor, balance && !counts_by_scores(a) && after_drops(a.f_stage), &kAux.divisor);
    v("p_source", a.p_source, balance, &kAux.p_source);
    v("multiply", a.multiply, balance);
    v("scope", a.scope, balance);
    v("earlier_tokens", a.earlier_tokens, balance, &kAux.earlier_tokens);
    v("p_of_batch", a.p_of_batch, counts_earlier(a), &kAux.p_of_batch);
    v("masked", a.masked, balance || is_of_logits(a), &kAux.masked);
    v("z_of", a.z_of, is_of_logits(a) && has_noise(c), &kAux.z_of);
    v("epsilon", a.epsilon, is_of_importance(a) || is_of_load(a));
    v("variance", a.variance, is_of_importance(a) || is_of_load(a), &kAux.variance);
    v("importance_of", a.importance_of, is_of_importance(a), &kAux.importance_of);
    v("load_against", a.load_against, is_of_load(a), &kAux.load_against);
  });
  v.section("bias_update", [&] {
    v("kind", c.bias_update.kind);
    const bool any = updates_bias(c);
    v("gamma", c.bias_update.gamma, any);
    v("count", c.bias_update.count, any);
  });
}

/// The one list of fields. `v(name, field)` for a field, `v(name, field, when)` for one that has a meaning only then,
/// `v.section(name, [&] { ... })` for a struct. v(name, field, when, standard): this field came after files without it were
/// published, and is written only where it is not `standard`.
template <typename Visitor>
void each_field(Visitor& v, Config& c) {
  each_field_of_choices(v, c);
  each_field_of_experts(v, c);
  each_field_of_losses(v, c);
}

}  // namespace moe
