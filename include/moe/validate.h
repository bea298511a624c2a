#pragma once

#include <cmath>
#include <set>

#include "moe/inputs.h"
#include "moe/layer/capacity.h"

/// Which configs and inputs have a meaning. Each rule is one require with the field that breaks it, and has a case in
/// golden/invalid.
namespace moe {

inline constexpr Index kMaxSize = (Index{1} << 31) - 1;  // of one axis
inline constexpr Index kMaxElements = Index{1} << 50;    // of one tensor

inline void validate(const Shape& s) {
  const auto require_size = [](const char* field, Index value, Index least) {
    require(value >= least && value <= kMaxSize, field, value, "must lie in [", least, ", ", kMaxSize, "]");
  };
  require_size("shape.num_tokens", s.num_tokens, 0);
  require_size("shape.hidden_size", s.hidden_size, 1);
  require_size("shape.ffn_size", s.ffn_size, 1);
  require_size("shape.num_experts", s.num_experts, 1);
  require_size("shape.top_k", s.top_k, 1);
  require(s.top_k <= s.num_experts, "shape.top_k", s.top_k,
          "must not exceed shape.num_experts = ", s.num_experts);
  require_size("shape.num_groups", s.num_groups, 1);
  require(s.num_tokens % s.num_groups == 0, "shape.num_groups", s.num_groups,
          "must divide shape.num_tokens = ", s.num_tokens);
  const auto require_elements = [](const char* field, Index rows, Index cols, Index times) {
    Index n = 0;
    const bool fits = !__builtin_mul_overflow(rows, cols, &n) && !__builtin_mul_overflow(n, times, &n);
    require(fits && n <= kMaxElements, field, rows, "makes a tensor of more than 2^50 elements");
  };
  require_elements("shape.num_experts", s.num_experts, s.ffn_size, s.hidden_size);
  require_elements("shape.num_tokens", s.num_tokens, std::max(s.hidden_size, s.num_experts), 1);
  require_elements("shape.num_tokens", s.num_tokens, s.top_k, std::max(s.hidden_size, s.ffn_size));
}

/// What shares in a choice is what was left of the experts when the best of them was taken.
inline void validate_sparsemixer(const Router& r) {
  const auto needs = [](bool holds, const char* field, const char* rule) {
    require(holds, "router.renorm", "sparsemixer", "needs ", field, " = ", rule);
  };
  needs(couples_experts(r.score_function), "router.score_function", "softmax");
  needs(!is_given(r), "router.choice", "top_k");
  needs(!r.selection_bias, "router.selection_bias", "false");
  needs(r.n_group == 1, "router.n_group", "1");
  needs(r.sinks == 0, "router.sinks", "0");
  needs(!weighs_second(r), "router.second_policy", "all");
  require(r.sparsemixer_jitter > 0 && std::isfinite(r.sparsemixer_jitter), "router.sparsemixer_jitter",
          r.sparsemixer_jitter, "must be positive and finite");
}

inline void validate(const Router& r, const Shape& shape) {
  const auto require_count = [](const char* field, Index value, Index most, const char* what) {
    require(value >= 1 && value <= most, field, value, "must lie in [1, ", most, "], ", what);
  };
  require_count("router.n_group", r.n_group, shape.num_experts, "shape.num_experts");
  require(shape.num_experts % r.n_group == 0, "router.n_group", r.n_group,
          "must divide shape.num_experts = ", shape.num_experts);
  const Index size = shape.num_experts / r.n_group;
  if (r.n_group > 1) {
    require_count("router.topk_group", r.topk_group, r.n_group, "router.n_group");
    require(shape.top_k <= r.topk_group * size, "shape.top_k", shape.top_k,
            "must not exceed the experts of router.topk_group groups, ", r.topk_group * size);
    if (sums_best_of_group(r))
      require_count("router.group_score_n", r.group_score_n, size, "the experts of a group");
  }
  require(r.routed_scaling_factor > 0 && std::isfinite(r.routed_scaling_factor),
          "router.routed_scaling_factor", r.routed_scaling_factor, "must be positive and finite");
  require(r.renorm_epsilon >= 0 && std::isfinite(r.renorm_epsilon), "router.renorm_epsilon", r.renorm_epsilon,
          "must be 0 or positive and finite");
  require(!(r.selection_bias && biases_logits(r) && r.n_group > 1), "router.selection_bias_on", "logits",
          "needs one group, router.n_group = 1, not ", r.n_group);
  require(r.logit_softcap >= 0 && std::isfinite(r.logit_softcap), "router.logit_softcap", r.logit_softcap,
          "must be positive and finite, or 0 for none");
  require(!(caps_logits(r) && r.selection_bias && biases_logits(r)), "router.logit_softcap", r.logit_softcap,
          "must be 0 where router.selection_bias_on = logits");
  require(r.logit_scale > 0 && std::isfinite(r.logit_scale), "router.logit_scale", r.logit_scale,
          "must be positive and finite");
  require(r.sinks == 0 || (r.sinks > 0 && r.sinks < shape.top_k), "router.sinks", r.sinks,
          "must lie in [0, shape.top_k - 1 = ", shape.top_k - 1, "]");
  require(r.score_offset >= 0 && std::isfinite(r.score_offset), "router.score_offset", r.score_offset,
          "must be 0 or positive and finite");
  require(!scores_are_logits(r.score_function) || !shares_a_sum(r), "router.renorm", spelling(r.renorm),
          "must be none where router.score_function = identity: logits may add up to 0");
  require(!scores_are_logits(r.score_function) || r.n_group == 1, "router.n_group", r.n_group,
          "must be 1 where router.score_function = identity");
  require(!is_given(r) || (!r.selection_bias && r.n_group == 1 && r.sinks == 0), "router.choice", "given",
          "needs router.selection_bias = false, router.n_group = 1 and router.sinks = 0");
  require(r.sinks == 0 || (r.n_group == 1 && !weighs_second(r)), "router.sinks", r.sinks,
          "needs router.n_group = 1 and router.second_policy = all");
  if (shares_what_is_left(r)) validate_sparsemixer(r);
  if (!weighs_second(r)) return;
  const char* policy = spelling(r.second_policy);
  require(!r.expert_scale, "router.expert_scale", "true", "needs router.second_policy = all");
  require(shape.top_k == 2, "router.second_policy", policy, "needs shape.top_k = 2, not ", shape.top_k);
  require(!(shares_a_sum(r) && shares_what_is_kept(r)), "router.second_policy", policy,
          "needs a weight before any drop, so router.renorm_stage = before_drop");
  require(r.second_threshold > 0 && std::isfinite(r.second_threshold), "router.second_threshold",
          r.second_threshold, "must be positive and finite");
}

/// What only ranks must rank alone.
inline void validate_ranking_noise(const Config& c) {
  if (!has_gumbel(c)) return;
  const auto alone = [](bool holds, const char* field, const char* rule) {
    require(holds, "noise.kind", "gumbel", "needs ", field, " = ", rule);
  };
  alone(!is_given(c), "router.choice", "top_k");
  alone(!c.router.selection_bias, "router.selection_bias", "false");
  alone(!has_groups(c), "router.n_group", "1");
  alone(c.router.sinks == 0, "router.sinks", "0");
  alone(!caps_logits(c.router), "router.logit_softcap", "0");
  alone(!shares_what_is_left(c.router), "router.renorm", "none, sum or l2");
  require(!ranks_first_clean(c.noise) || c.shape.top_k > 1, "noise.choices", "second",
          "needs shape.top_k > 1, not ", c.shape.top_k);
}

/// What is equal in truth among noisy logits is known of the logits themselves, not of what is made of them.
inline void validate_noise(const Config& c) {
  validate_ranking_noise(c);
  if (!has_noise(c)) {
    require(!has_load_loss(c), "aux", "cv_load",
            "needs noise (noise.kind = gaussian_learned or gaussian_fixed)");
    return;
  }
  require(c.noise.epsilon > 0 && std::isfinite(c.noise.epsilon), "noise.epsilon", c.noise.epsilon,
          "must be positive and finite");
  require(c.noise.scale > 0 && std::isfinite(c.noise.scale), "noise.scale", c.noise.scale,
          "must be positive and finite");
  require(!c.router.selection_bias, "router.selection_bias", "true", "cannot be proven with noise");
  require(!has_groups(c), "router.n_group", c.router.n_group, "cannot be proven with noise: must be 1");
  require(!weighs_second(c.router), "router.second_policy", spelling(c.router.second_policy),
          "cannot be proven with noise");
  require(!is_given(c), "router.choice", "given", "has no use for noise on the logits");
  require(!shares_what_is_left(c.router), "router.renorm", "sparsemixer",
          "needs noise.kind = none or input_jitter");
  require(!caps_logits(c.router), "router.logit_softcap", c.router.logit_softcap,
          "cannot be proven with noise: must be 0");
  require(!has_retopk(c), "aux", "retopk_of_aux_scores", "cannot be proven with noise");
  require(!has_capacity(c) || !(ranks_tokens(c.capacity) || ranks_by_weight(c.capacity)), "capacity.priority",
          "bpr_top1 or weight", "cannot be proven with noise: must be fcfs or random");
}

inline void validate(const Capacity& c, const Shape& shape, const Router& router) {
  if (!has_capacity(c)) return;
  const auto require_count = [](const char* field, Index value, Index least) {
    require(value >= least && value <= kMaxSize, field, value, "must lie in [", least, ", ", kMaxSize, "]");
  };
  if (has_fixed(c)) require_count("capacity.fixed", c.fixed, 0);
  require(!(ranks_by_weight(c) && shares_a_sum(router) && couples_experts(router.score_function)) ||
              router.renorm_epsilon == 0,
          "router.renorm_epsilon", router.renorm_epsilon, "must be 0 where capacity.priority = weight");
  require(!(ranks_by_weight(c) && shares_what_is_left(router)), "router.renorm", "sparsemixer",
          "needs another capacity.priority than weight");
  require(!(ranks_by_weight(c) && clamps_sum(router)), "router.renorm_epsilon_mode", "clamp",
          "needs another capacity.priority than weight");
  require(!(ranks_by_numbers(c) && frees_place(router)), "router.second_place", "freed",
          "needs capacity.priority = fcfs");
  require(!((ranks_tokens(c) || ranks_by_weight(c)) && caps_logits(router)), "router.logit_softcap",
          router.logit_softcap, "must be 0 where capacity.priority is bpr_top1 or weight");
  require(!(ranks_by_weight(c) && router.expert_scale), "router.expert_scale", "true",
          "must be false where capacity.priority = weight");
  if (has_factor(c)) {
    require(c.factor > 0 && c.factor <= 1e6, "capacity.factor", c.factor, "must lie in (0, 1e6]");
    decimal_of(c.factor);
    require(rounds_outside(c), "capacity.outer_round", "none", "must be floor, ceil or half_even");
    require_count("capacity.min_capacity", c.min_capacity, 0);
    require_count("capacity.multiple_of", c.multiple_of, 1);
  }
  if (!scales_x(c.dropped_output)) return;
  require(shape.top_k == 1, "capacity.dropped_output", "scaled_identity", "needs shape.top_k = 1, not ",
          shape.top_k);
  require(!(shares_a_sum(router) && shares_what_is_kept(router)), "capacity.dropped_output",
          "scaled_identity", "needs a weight for dropped choices, so router.renorm_stage = before_drop");
}

inline void validate_limits(const std::string& section, double gate, double act, double up) {
  require(act >= 0 && std::isfinite(act), section + ".clamp_act_max", act,
          "must be positive and finite, or 0 for none");
  require(gate >= 0 && std::isfinite(gate), section + ".clamp_gate_max", gate,
          "must be positive and finite, or 0 for none");
  require(up >= 0 && std::isfinite(up), section + ".clamp_up_abs", up,
          "must be positive and finite, or 0 for none");
}

inline void validate_norms(const Experts& e) {
  require(e.latent_norm_epsilon > 0 && std::isfinite(e.latent_norm_epsilon), "experts.latent_norm_epsilon",
          e.latent_norm_epsilon, "must be positive and finite");
  require(e.output_norm_epsilon > 0 && std::isfinite(e.output_norm_epsilon), "experts.output_norm_epsilon",
          e.output_norm_epsilon, "must be positive and finite");
}

/// Gates and ups are drawn together, or cut off, or neither; and only a factor of SiLU is drawn together.
inline void validate_softcaps(const Experts& e, const Shared& s) {
  require(e.softcap_gate >= 0 && std::isfinite(e.softcap_gate), "experts.softcap_gate", e.softcap_gate,
          "must be positive and finite, or 0 for none");
  require(e.softcap_up >= 0 && std::isfinite(e.softcap_up), "experts.softcap_up", e.softcap_up,
          "must be positive and finite, or 0 for none");
  require(!caps_gate(e) || is_silu(e.activation), "experts.softcap_gate", e.softcap_gate,
          "needs experts.activation = silu, not ", spelling(e.activation));
  const bool gate_limited = clamps_gate(e) || clamps_act(e) || s.clamp_gate_max > 0 || s.clamp_act_max > 0;
  require(!(caps_gate(e) && gate_limited), "experts.softcap_gate", e.softcap_gate,
          "must be 0 where gates or activations have a limit");
  require(!(caps_up(e) && (clamps_up(e) || s.clamp_up_abs > 0)), "experts.softcap_up", e.softcap_up,
          "must be 0 where ups have a limit");
}

inline void validate(const Experts& e, const Shape& shape) {
  require(e.act_alpha > 0 && std::isfinite(e.act_alpha), "experts.act_alpha", e.act_alpha,
          "must be positive and finite");
  validate_limits("experts", e.clamp_gate_max, e.clamp_act_max, e.clamp_up_abs);
  require(std::isfinite(e.up_offset), "experts.up_offset", e.up_offset, "must be finite");
  validate_norms(e);
  require(e.identity_experts >= 0 && e.identity_experts < shape.num_experts, "experts.identity_experts",
          e.identity_experts, "must lie in [0, shape.num_experts - 1 = ", shape.num_experts - 1, "]");
  require(e.latent_size >= 0 && e.latent_size <= kMaxSize, "experts.latent_size", e.latent_size,
          "must lie in [0, ", kMaxSize, "]");
  const Index widest = std::max(shape.hidden_size, shape.num_tokens);
  require(Int128{e.latent_size} * widest <= kMaxElements &&
              Int128{e.latent_size} * shape.ffn_size * shape.num_experts <= kMaxElements &&
              Int128{e.latent_size} * shape.num_tokens * shape.top_k <= kMaxElements,
          "experts.latent_size", e.latent_size, "makes a tensor of more than 2^50 elements");
}

inline void validate(const Shared& s, const Shape& shape) {
  if (!has_shared(s)) return;
  require(s.ffn_size >= 1 && s.ffn_size <= kMaxSize, "shared.ffn_size", s.ffn_size, "must lie in [1, ",
          kMaxSize, "]");
  validate_limits("shared", s.clamp_gate_max, s.clamp_act_max, s.clamp_up_abs);
  require(Int128{s.ffn_size} * std::max(shape.hidden_size, shape.num_tokens) <= kMaxElements,
          "shared.ffn_size", s.ffn_size, "makes a tensor of more than 2^50 elements");
}

/// What a load-balancing loss counts, and of what its shares are.
inline void validate_balance(const Aux& a, const std::string& where, const Config& c) {
  if (!is_balance(a)) return;
  require(!counts_dropped_as_first(a.f_stage) || counts_by_scores(a) || c.shape.top_k == 1, where + "f_stage",
          "post_drop_first", "needs shape.top_k = 1, not ", c.shape.top_k);
  require(a.earlier_tokens >= 0 && a.earlier_tokens <= kMaxSize, where + "earlier_tokens", a.earlier_tokens,
          "must lie in [0, ", kMaxSize, "]");
  require(!counts_earlier(a) || (parts_of(a.scope, 2) == 1 && !divides_by_kept(a)), where + "earlier_tokens",
          a.earlier_tokens, "needs scope = batch and divisor = tokens");
  const ScoreFunction function = c.router.score_function;
  require(!of_softmax(a) || !couples_experts(function), where + "p_source", "softmax",
          "needs scores that are no softmax already");
  require(!scores_are_logits(function) || of_softmax(a) || of_softmax_of_scores(a), where + "p_source",
          spelling(a.p_source), "must be softmax where router.score_function = identity");
}

inline void validate(const std::vector<Aux>& aux, const Config& c) {
  const Index num_experts = c.shape.num_experts;
  const bool noise = has_noise(c);
  std::set<std::string> names{"task", "total"};
  for (std::size_t i = 0; i < aux.size(); ++i) {
    const Aux& a = aux[i];
    const std::string where = "aux." + std::to_string(i) + '.';
    require(!a.name.empty() &&
                a.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos,
            where + "name", a.name, "must consist of a-z, 0-9 and _");
    require(names.insert(a.name).second, where + "name", a.name, "must be unique, and not task or total");
    require(std::isfinite(a.coefficient), where + "coefficient", a.coefficient, "must be finite");
    require(a.epsilon > 0 && std::isfinite(a.epsilon), where + "epsilon", a.epsilon,
            "must be positive and finite");
    require(!(is_of_importance(a) && sums_scores(a) && noise) || sums_clean_scores(a),
            where + "importance_of", "scores",
            "needs noise.kind = none: it is not said whether scores are noisy");
    require(!sums_clean_scores(a) || noise, where + "importance_of", "clean_scores",
            "needs noise on the logits");
    require(!sums_clean_scores(a) || (couples_experts(c.router.score_function) && !caps_logits(c.router)),
            where + "importance_of", "clean_scores",
            "needs router.score_function = softmax and router.logit_softcap = 0");
    require(!is_unbiased(a) || num_experts > 1, where + "variance", "unbiased", "needs two experts or more");
    validate_balance(a, where, c);
  }
}

/// What asks for the best choice of a token, or for those of the best scores, has no answer where there are sinks.
inline void validate_sinks(const Config& config) {
  if (config.router.sinks == 0) return;
  require(!has_noise(config), "router.sinks", config.router.sinks, "needs noise.kind = none");
  require(!(has_capacity(config) && ranks_tokens(config.capacity)), "router.sinks", config.router.sinks,
          "needs another capacity.priority than bpr_top1");
  for (const Aux& aux : config.aux)
    require(!is_balance(aux) || (!counts_first_only(aux) && !counts_by_scores(aux)), "router.sinks",
            config.router.sinks, "needs losses with f_source all_k and f_from selected, so not loss ",
            aux.name);
}

/// Throws Error for the first rule that `config` breaks.
inline void validate(const Config& config) {
  validate(config.shape);
  if (!has_router(config)) {
    require(config.shape.num_experts == 1, "shape.num_experts", config.shape.num_experts,
            "must be 1 without a router (router.score_function = none)");
    require(!has_capacity(config), "capacity.mode", "factor or fixed",
            "needs a router (router.score_function = none)");
    require(config.aux.empty(), "aux", config.aux.size(),
            "losses need a router (router.score_function = none)");
    require(!has_shared(config), "shared.mode", "add or sigmoid_gate",
            "needs a router (router.score_function = none)");
    require(!has_noise(config), "noise.kind", spelling(config.noise.kind),
            "needs a router (router.score_function = none)");
  } else {
    validate(config.router, config.shape);
    validate_noise(config);
  }
  validate(config.experts, config.shape);
  validate(config.shared, config.shape);
  validate_softcaps(config.experts, config.shared);
  validate_sinks(config);
  require(!(norms_experts(config) && config.experts.identity_experts > 0), "experts.output_norm", "rms",
          "needs experts.identity_experts = 0, not ", config.experts.identity_experts);
  require(config.combine.norm_epsilon > 0 && std::isfinite(config.combine.norm_epsilon),
          "combine.norm_epsilon", config.combine.norm_epsilon, "must be positive and finite");
  require(!(has_latent(config) && has_capacity(config) && leaves_x(config.capacity.dropped_output)),
          "capacity.dropped_output", spelling(config.capacity.dropped_output),
          "must be zero where experts work on a latent x (experts.latent_size)");
  require(!(rests_on_x(config) && has_latent(config)), "combine.rest", "x",
          "needs experts.latent_size = 0, not ", config.experts.latent_size);
  require(!(rests_on_x(config) && has_capacity(config) && leaves_x(config.capacity.dropped_output)),
          "combine.rest", "x", "needs capacity.dropped_output = zero");
  if (updates_bias(config)) {
    require(!counts_dropped_as_first(config.bias_update.count), "bias_update.count", "post_drop_first",
            "must be pre_drop or post_drop");
    require(config.router.selection_bias, "bias_update.kind", spelling(config.bias_update.kind),
            "needs router.selection_bias");
    require(config.bias_update.gamma > 0 && std::isfinite(config.bias_update.gamma), "bias_update.gamma",
            config.bias_update.gamma, "must be positive and finite");
  }
  validate(config.capacity, config.shape, config.router);
  validate(config.aux, config);
}

/// Throws Error unless `a` can be the input `info`: real, finite, of its shape. `where` comes before its name.
inline void validate(const InputInfo& info, const Array& a, const std::string& where) {
  const std::string name = where + name_of(info.id);
  const bool whole = is_whole(info.id);
  require(!whole || !is_real(a.format), name + ": dtype", info_of(a.format).name, "must be i32, i64 or u8");
  require(whole || is_real(a.format), name + ": dtype", info_of(a.format).name,
          "must be f64, f32, f16 or bf16");
  require(a.dims == info.dims, name + ": shape", shape_text(a.dims), "must be ", shape_text(info.dims));
  for (Index i = 0; i < (a.bytes.empty() ? 0 : a.size()); ++i)
    require(std::isfinite(a.real(i)), name + '[' + std::to_string(i) + ']', a.real(i), "must be finite");
  for (Index i = 0; info.id == Tensor::noise_second_policy && i < a.size(); ++i)
    require(a.real(i) >= 0 && a.real(i) <= 1, name + '[' + std::to_string(i) + ']', a.real(i),
            "must lie in [0, 1]");
  for (Index i = 0; info.id == Tensor::aux_token_mask && i < a.size(); ++i)
    require(a.integer(i) == 0 || a.integer(i) == 1, name + '[' + std::to_string(i) + ']', a.integer(i),
            "must be 0 or 1");
}

/// Throws Error unless each token has different experts, of E.   ids (T, K)
inline void validate_ids(const Array& ids, Index E) {
  const std::string name = name_of(Tensor::router_given_ids);
  std::set<std::int64_t> of_token;
  for (Index i = 0; i < ids.size(); ++i) {
    const std::string where = name + '[' + std::to_string(i) + ']';
    require(ids.integer(i) >= 0 && ids.integer(i) < E, where, ids.integer(i), "must lie in [0, ", E, ")");
    if (i % ids.dims[1] == 0) of_token.clear();
    require(of_token.insert(ids.integer(i)).second, where, ids.integer(i),
            "must differ from the others of its token");
  }
}

/// Throws Error unless `inputs` are exactly those of the config.
inline void validate(const Config& config, const Inputs& inputs) {
  std::set<Tensor> expected;
  for (const InputInfo& info : inputs_of(config)) {
    expected.insert(info.id);
    require(inputs.count(info.id) > 0, name_of(info.id), "nothing", "must be there");
    validate(info, inputs.at(info.id), "");
  }
  if (is_given(config)) validate_ids(inputs.at(Tensor::router_given_ids), config.shape.num_experts);
  for (const auto& [id, a] : inputs)
    require(expected.count(id) > 0, name_of(id), "a tensor", "is not an input of this config");
}

}  // namespace moe
