#include <doctest/doctest.h>

#include "../asked.h"
#include "moe/layer/conventions.h"

using namespace moe;

TEST_CASE("conventions: which scores, weights and noise (R2), (R3), (R5), (R6), (N1)") {
  CHECK(yes<ScoreFunction>([](auto f) { return has_router(f); }) == "softmax sigmoid sqrtsoftplus identity");
  CHECK(yes<ScoreFunction>(couples_experts) == "softmax");
  CHECK(yes<ScoreFunction>(opposites_cancel) == "sigmoid");
  CHECK(yes<ScoreFunction>(scores_are_logits) == "identity");
  CHECK(yes(&Router::choice, [](const Router& r) { return is_given(r); }) == "given");
  CHECK(yes(&Router::second_policy, weighs_second) == "random threshold");
  CHECK(yes(&Router::renorm, shares_a_sum) == "sum l2");
  CHECK(yes(&Router::renorm, shares_squares) == "l2");
  CHECK(yes(&Router::renorm, shares_what_is_left) == "sparsemixer");
  CHECK(yes(&Router::closed_groups, closed_compete) == "zero");
  CHECK(yes<RouterInput>([](RouterInput input) {
          Config c;
          c.router.input = input;
          return has_router_input(c);
        }) == "own");
  CHECK(yes(&Router::renorm_stage, shares_what_is_kept) == "after_drop");
  CHECK(yes(&Router::selection_bias_on, biases_logits) == "logits");
  CHECK(yes(&Router::second_policy, draws_second) == "random");
  CHECK(yes(&Router::group_score, sums_best_of_group) == "sum_topn");
  CHECK(yes<NoiseKind>([](NoiseKind kind) {
          Config c;
          c.noise.kind = kind;
          return has_noise(c);
        }) == "gaussian_learned gaussian_fixed");
  CHECK(yes(&Noise::kind, [](const Noise& n) { return learns_noise(n); }) == "gaussian_learned");
  CHECK(yes(&Noise::kind, [](const Noise& n) { return has_gumbel(n); }) == "gumbel");
  CHECK(yes<NoiseKind>([](NoiseKind kind) {
          Config c;
          c.noise.kind = kind;
          return has_jitter(c);
        }) == "input_jitter");
  CHECK((!ranks_first_clean(Noise{.choices = NoisyChoices::Second}) &&
         ranks_first_clean(Noise{.kind = NoiseKind::Gumbel, .choices = NoisyChoices::Second})));
  Config fixed;
  fixed.noise.kind = NoiseKind::GaussianFixed;
  CHECK((fixes_noise(fixed) && !learns_noise(fixed) && !fixes_noise(Config())));
  Router freed;
  freed.second_place = SecondPlace::Freed;
  CHECK(!frees_place(freed));
  freed.second_policy = SecondPolicy::Random;
  CHECK(frees_place(freed));
  Router r;
  r.renorm = Renorm::Sum;
  CHECK((shares_before_drop(r) && weights_by_logits(r)));
  r.renorm_epsilon = 1e-6;
  CHECK((!weights_by_logits(r) && adds_to_sum(r) && !clamps_sum(r)));
  r.renorm_epsilon_mode = EpsilonMode::Clamp;
  CHECK((weights_by_logits(r) && !adds_to_sum(r) && clamps_sum(r)));
  r.renorm_epsilon = 0;
  CHECK(!(adds_to_sum(r) || clamps_sum(r)));
  r.sinks = 2;
  CHECK((!is_sink(r, 2, 5) && is_sink(r, 3, 5)));
  r.renorm_stage = RenormStage::AfterDrop, r.score_function = ScoreFunction::Sigmoid;
  CHECK(!(shares_before_drop(r) || weights_by_logits(r)));
  r.group_score = GroupScore::SumTopn, r.group_score_n = 3;
  CHECK(counted_in_group(r) == 3);
  r.group_score = GroupScore::Max;
  CHECK(counted_in_group(r) == 1);
}

TEST_CASE("conventions: which places (P1), (P2), (C3)") {
  CHECK(yes(&Capacity::mode, has_factor) == "factor");
  CHECK(yes(&Capacity::mode, has_fixed) == "fixed");
  CHECK(yes(&Capacity::mode, [](const Capacity& c) { return has_capacity(c); }) == "factor fixed");
  CHECK(yes(&Capacity::priority, ranks_tokens) == "bpr_top1");
  CHECK(yes(&Capacity::priority, ranks_assignments) == "weight random");
  CHECK(yes(&Capacity::priority, ranks_by_weight) == "weight");
  CHECK(yes(&Capacity::priority, ranks_by_numbers) == "bpr_top1 weight random");
  CHECK(yes<Priority>([](Priority priority) {
          Config c;
          c.capacity.mode = CapacityMode::Fixed, c.capacity.priority = priority;
          return draws_priority(c);
        }) == "random");
  CHECK(yes(&Capacity::order, choices_first) == "choice_major");
  CHECK(yes(&Capacity::base, counts_choices) == "tokens_times_k");
  CHECK(yes(&Capacity::inner_round, rounds_inside) == "floor ceil half_even");
  CHECK(yes(&Capacity::outer_round, rounds_outside) == "floor ceil half_even");
  CHECK(yes(&Capacity::outer_round, rounds_to_nearest) == "half_even");
  CHECK(yes(&Capacity::eval_order, divides_first) == "per_expert_first");
  CHECK(yes(&Capacity::arithmetic, is_exact) == "exact");
  CHECK(parts_of(Scope::Batch, 5) == 1);
  CHECK(parts_of(Scope::Group, 5) == 5);
  CHECK(yes<DroppedOutput>(keeps_x) == "identity");
  CHECK(yes<DroppedOutput>(scales_x) == "scaled_identity");
  CHECK(yes<DroppedOutput>(leaves_x) == "identity scaled_identity");
}

TEST_CASE("conventions: which experts (A1) to (A7), (X1), (X2), (X4), (H1)") {
  CHECK(yes<Activation>(has_alpha) == "quick_gelu");
  CHECK(yes<WeightLocation>([](WeightLocation value) {
          Config c;
          c.combine.weight_location = value;
          return weighs_input(c);
        }) == "input");
  Config limited;
  limited.experts.clamp_gate_max = 1, limited.shared.clamp_up_abs = 2, limited.experts.up_offset = 3;
  CHECK((clamps_gate(limited.experts) && !clamps_up(limited.experts)));
  CHECK((!clamps_gate(shared_form(limited)) && clamps_up(shared_form(limited))));
  CHECK(shared_form(limited).up_offset == 3);
  limited.shape.num_experts = 5, limited.experts.identity_experts = 2;
  CHECK(computed_experts(limited) == 3);
  CHECK(yes(&Experts::identity_gives, gives_input) == "identity");
  CHECK(yes<Activation>(has_kink) == "relu");
  CHECK(yes<Activation>(is_silu) == "silu");
  CHECK(yes<Activation>(squares) == "relu2");
  const auto bias = [](ExpertBias value) {
    Config c;
    c.experts.bias = value;
    return has_bias(c);
  };
  CHECK(yes<ExpertBias>(bias) == "per_expert");
  CHECK(yes(&Shared::mode, [](const Shared& s) { return has_shared(s); }) ==
        "add sigmoid_gate average weighted_mean");
  const auto averages = [](SharedMode value) {
    Config c;
    c.shared.mode = value;
    return averages_shared(c);
  };
  CHECK(yes<SharedMode>(averages) == "average weighted_mean");
  Config parts;
  parts.shape.top_k = 3, parts.shared.mode = SharedMode::WeightedMean;
  CHECK(routed_parts(parts) == 3);
  parts.shared.mode = SharedMode::Average;
  CHECK(routed_parts(parts) == 1);
  const auto gated = [](SharedMode value) {
    Config c;
    c.shared.mode = value;
    return gates_shared(c);
  };
  CHECK(yes<SharedMode>(gated) == "sigmoid_gate");
}

TEST_CASE("conventions: which losses (B1), (Z1), (M1), (M2), and updates (U1)") {
  CHECK(yes(&Aux::kind, is_balance) == "switch");
  CHECK(yes(&Aux::kind, is_of_logits) == "z");
  CHECK(yes(&Aux::kind, is_of_importance) == "cv_importance");
  CHECK(yes(&Aux::kind, is_of_load) == "cv_load");
  CHECK(yes(&Aux::f_source, counts_first_only) == "top1");
  CHECK(yes(&Aux::p_source, of_softmax) == "softmax");
  CHECK(yes(&Aux::p_source, of_softmax_of_scores) == "softmax_of_scores");
  CHECK(yes(&Aux::divisor, divides_by_kept) == "kept");
  CHECK(yes(&Aux::z_of, is_of_clean) == "clean");
  CHECK(yes(&Aux::load_against, against_last_chosen) == "last_chosen");
  CHECK(yes<LoadStage>(counts_dropped_as_first) == "post_drop_first");
  CHECK(yes(&Aux::variance, is_unbiased) == "unbiased");
  CHECK(yes(&Aux::importance_of, sums_scores) == "scores clean_scores");
  CHECK(yes(&Aux::f_from, counts_by_scores) == "retopk_of_aux_scores");
  CHECK(yes<LoadStage>(after_drops) == "post_drop post_drop_first");
  const auto updates = [](BiasUpdate value) {
    Config c;
    c.bias_update.kind = value;
    return updates_bias(c);
  };
  CHECK(yes<BiasUpdate>(updates) == "sign sign_centred");
  CHECK(yes(&BiasUpdateRule::kind, centres_update) == "sign_centred");
  Config c;
  c.aux = {Aux{.name = "a", .kind = AuxKind::Switch, .f_from = LoadFrom::RetopkOfAuxScores}};
  CHECK((has_retopk(c) && !has_load_loss(c)));
  c.aux.front().earlier_tokens = 1;
  CHECK((counts_earlier(c) && scores_earlier(c) && !has_mask(c)));
  c.aux.front().p_of_batch = c.aux.front().masked = true;
  CHECK((counts_earlier(c) && !scores_earlier(c) && has_mask(c)));
  c.aux.front().kind = AuxKind::CvLoad;
  CHECK(!counts_earlier(c));
  CHECK((!has_retopk(c) && has_load_loss(c)));
}

TEST_CASE("conventions: what stands around experts (C2), (C4), (X5)") {
  CHECK(yes<Norm>([](Norm norm) {
          Config c;
          c.combine.norm = norm;
          return norms_output(c);
        }) == "rms");
  CHECK(yes<ExpertBias>([](ExpertBias bias) {
          Config c;
          c.experts.bias = bias;
          return has_bias(c);
        }) == "per_expert");
  CHECK(yes<ExpertBias>([](ExpertBias bias) {
          Config c;
          c.experts.bias = bias;
          return biases_sum(c);
        }) == "after_combine");
  CHECK(yes<Rest>([](Rest rest) {
          Config c;
          c.combine.rest = rest;
          return rests_on_x(c);
        }) == "x");
  Config c;
  c.shape.hidden_size = 8;
  CHECK((!has_latent(c) && expert_width(c) == 8));
  c.experts.latent_size = 3;
  CHECK((has_latent(c) && expert_width(c) == 3));
  CHECK(!(norms_latent(c) || norms_experts(c)));
  c.experts.latent_norm = Norm::Rms;
  CHECK((norms_latent(c) && !norms_experts(c)));
  c.experts.output_norm = Norm::Rms;
  CHECK(norms_experts(c));
  CHECK(!caps_logits(c.router));
  c.router.logit_softcap = 30;
  CHECK(caps_logits(c.router));
}
