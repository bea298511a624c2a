#include <limits>

#include "families.h"

// What has no meaning and must be refused: one rule each.
namespace moe {
namespace {

GoldenCase refused(const char* preset, const char* id, const char* comment,
                   std::initializer_list<const char*> sets) {
  CaseBuilder builder(preset, id, comment);
  builder.flag("Invalid");
  for (const char* assignment : sets) builder.set(assignment);
  return builder.invalid();
}

GoldenCase refused_input(const char* id, const char* comment, Tensor tensor, const Dims& dims,
                         const std::vector<double>& values) {
  return CaseBuilder("mixtral", id, comment)
      .flag("Invalid")
      .set("shape.num_tokens=1")
      .set("shape.hidden_size=2")
      .set("shape.ffn_size=1")
      .set("shape.num_experts=2")
      .raw(tensor, dims, values)
      .invalid();
}

std::vector<GoldenCase> of_sizes_and_words() {
  return {
      refused("mixtral", "invalid/k-above-e", "More choices than experts.", {"shape.top_k=5"}),
      refused("mixtral", "invalid/k-zero", "No choice.", {"shape.top_k=0"}),
      refused("mixtral", "invalid/too-many-experts", "E = 2^31.", {"shape.num_experts=2147483648"}),
      refused("mixtral", "invalid/no-width", "D = 0.", {"shape.hidden_size=0"}),
      refused("mixtral", "invalid/no-hidden-units", "F = 0.", {"shape.ffn_size=0"}),
      refused("mixtral", "invalid/negative-tokens", "T = -1.", {"shape.num_tokens=-1"}),
      refused("mixtral", "invalid/fractional-size", "D = 2.5.", {"shape.hidden_size=2.5"}),
      refused("mixtral", "invalid/oversized-weights", "Weights of more than 2^50 elements.",
              {"shape.hidden_size=1073741824", "shape.ffn_size=1073741824"}),
      refused("mixtral", "invalid/oversized-logits", "Logits of more than 2^50 elements.",
              {"shape.num_tokens=2147483647", "shape.num_experts=1048576"}),
      refused("mixtral", "invalid/oversized-stage", "Assignments times F beyond 2^50.",
              {"shape.num_tokens=2147483647", "shape.ffn_size=1073741824"}),
      refused("mixtral", "invalid/unknown-field", "A field that does not exist.", {"router.temperature=2"}),
      refused("mixtral", "invalid/unknown-value", "A score function that does not exist.",
              {"router.score_function=softplus"}),
      refused("mixtral", "invalid/unknown-section", "A section that does not exist.", {"gating={}"}),
      refused("mixtral", "invalid/section-not-object", "A section that is no object.", {"capacity=[]"}),
      refused("mixtral", "invalid/losses-not-list", "Losses that are no list.", {"aux={}"}),
      refused("mixtral", "invalid/flag-not-boolean", "A flag that is a number.", {"experts.glu=1"}),
      refused("switch", "invalid/factor-not-number", "A factor that is a text.",
              {"capacity.factor=\"1.25x\""}),
      refused("mixtral", "invalid/name-not-text", "A loss whose name is a number.", {"aux.0.name=7"}),
      refused("mixtral", "invalid/meaningless-field", "A capacity factor without a capacity.",
              {"capacity.factor=1.25"}),
  };
}

std::vector<GoldenCase> of_capacities_and_losses() {
  return {
      refused("switch", "invalid/ten-places", "A factor of ten decimal places.",
              {"capacity.factor=1.0000000001"}),
      refused("switch", "invalid/negative-factor", "A negative capacity factor.", {"capacity.factor=-1"}),
      refused("switch", "invalid/unrounded-capacity", "A capacity that is not rounded.",
              {"capacity.outer_round=none"}),
      refused("switch", "invalid/multiple-of-zero", "A multiple of 0.", {"capacity.multiple_of=0"}),
      refused("switch", "invalid/negative-minimum", "A negative minimum.", {"capacity.min_capacity=-1"}),
      refused("mixtral", "invalid/negative-capacity", "A negative capacity.",
              {"capacity.mode=fixed", "capacity.fixed=-1"}),
      refused("mixtral", "invalid/scaled-identity-of-two", "Which of two weights would scale the token?",
              {"capacity.mode=fixed", "capacity.fixed=1", "capacity.dropped_output=scaled_identity"}),
      refused("mixtral", "invalid/scaled-identity-after-drop", "A weight that is 0 by then.",
              {"shape.top_k=1", "router.renorm_stage=after_drop", "capacity.mode=fixed", "capacity.fixed=1",
               "capacity.dropped_output=scaled_identity"}),
      refused("dense", "invalid/dense-with-experts", "Two experts and no router.", {"shape.num_experts=2"}),
      refused("dense", "invalid/dense-with-capacity", "A capacity and no router.",
              {"capacity.mode=fixed", "capacity.fixed=1"}),
      refused("dense", "invalid/dense-with-loss", "A loss of a router that is not there.",
              {R"(aux=[{"name":"z","kind":"z","coefficient":1}])"}),
      refused("mixtral", "invalid/two-losses-of-one-name", "Two losses that no one could tell apart.",
              {R"(aux=[{"name":"z","kind":"z","coefficient":1},{"name":"z","kind":"z","coefficient":2}])"}),
      refused("mixtral", "invalid/loss-name", "A name that no file could hold.",
              {R"(aux=[{"name":"z loss","kind":"z","coefficient":1}])"}),
      refused("mixtral", "invalid/loss-epsilon", "An epsilon of 0: 0 / 0 where no expert is important.",
              {R"(aux=[{"name":"i","kind":"cv_importance","coefficient":1,"epsilon":0}])"}),
  };
}

std::vector<GoldenCase> of_scores_and_latent_spaces() {
  return {
      refused("mixtral", "invalid/negative-epsilon", "An epsilon below 0.", {"router.renorm_epsilon=-1"}),
      refused("mixtral", "invalid/epsilon-and-priority", "An epsilon where places go by the weight.",
              {"router.renorm_epsilon=0.5", "capacity.mode=fixed", "capacity.fixed=1",
               "capacity.priority=weight"}),
      refused(
          "deepseek_v3", "invalid/bias-on-logits-of-groups", "A bias of logits, with groups.",
          {"router.selection_bias_on=logits", "router.n_group=2", "router.topk_group=1", "shape.top_k=2"}),
      refused("mixtral", "invalid/negative-softcap", "A cap below 0.", {"router.logit_softcap=-1"}),
      refused("mixtral", "invalid/softcap-and-bias-on-logits", "A cap, and a bias that is added to logits.",
              {"router.logit_softcap=1", "router.selection_bias=true", "router.selection_bias_on=logits"}),
      refused("shazeer2017", "invalid/softcap-and-noise", "A cap of noisy logits.",
              {"router.logit_softcap=1"}),
      refused("mixtral", "invalid/softcap-and-priority", "A cap where places go by the score.",
              {"router.logit_softcap=1", "capacity.mode=fixed", "capacity.fixed=1",
               "capacity.priority=bpr_top1"}),
      refused("mixtral", "invalid/scale-and-priority", "A factor where places go by the weight.",
              {"router.expert_scale=true", "capacity.mode=fixed", "capacity.fixed=1",
               "capacity.priority=weight"}),
      refused("gshard", "invalid/scale-and-policy", "A factor, and a policy by the weight.",
              {"router.expert_scale=true"}),
      refused("mixtral", "invalid/epsilon-of-squares", "An epsilon that roots of squares do not have.",
              {"router.renorm=l2", "router.renorm_epsilon=1"}),
      refused("mixtral", "invalid/negative-limit-of-act", "A limit below 0.", {"experts.clamp_act_max=-1"}),
      refused("mixtral", "invalid/negative-latent", "A latent space of -1.", {"experts.latent_size=-1"}),
      refused("mixtral", "invalid/oversized-latent-map", "A map of more than 2^50 elements.",
              {"experts.latent_size=2147483647", "shape.hidden_size=1048576", "shape.ffn_size=1"}),
      refused("mixtral", "invalid/oversized-latent", "Latent weights of more than 2^50 elements.",
              {"experts.latent_size=2147483647", "shape.ffn_size=1048576", "shape.hidden_size=1"}),
      refused("mixtral", "invalid/oversized-latent-rows", "Latent rows of more than 2^50 elements.",
              {"experts.latent_size=524288", "shape.num_tokens=2147483647", "shape.top_k=4",
               "shape.ffn_size=1", "shape.hidden_size=1"}),
      refused("switch", "invalid/latent-identity", "A token that keeps x in place of a latent sum.",
              {"experts.latent_size=3", "capacity.dropped_output=identity"}),
      refused("mixtral", "invalid/norm-epsilon", "An epsilon of 0.",
              {"combine.norm=rms", "combine.norm_epsilon=0"}),
      refused("mixtral", "invalid/softmax-of-softmax", "A loss of the softmax where scores are one.",
              {"aux.0.p_source=softmax"}),
  };
}

std::vector<GoldenCase> of_experts_and_sinks() {
  return {
      refused("gpt_oss", "invalid/negative-limit", "A limit below 0.", {"experts.clamp_gate_max=-1"}),
      refused("gpt_oss", "invalid/negative-limit-of-up", "A limit below 0.", {"experts.clamp_up_abs=-0.5"}),
      refused("gpt_oss", "invalid/alpha-zero", "alpha = 0.", {"experts.act_alpha=0"}),
      refused("mixtral", "invalid/meaningless-alpha", "An alpha that SiLU does not have.",
              {"experts.act_alpha=1"}),
      refused("mixtral", "invalid/limit-without-gate", "A limit of a gate that there is not.",
              {"experts.glu=false", "experts.clamp_gate_max=1"}),
      refused("mixtral", "invalid/identity-all", "No expert with weights.", {"experts.identity_experts=4"}),
      refused("mixtral", "invalid/logit-scale-zero", "Logits times 0.", {"router.logit_scale=0"}),
      refused("mixtral", "invalid/sinks-only", "No choice beside the sinks.", {"aux=[]", "router.sinks=2"}),
      refused("mixtral", "invalid/sinks-and-groups", "Sinks in a group.",
              {"aux=[]", "router.sinks=1", "router.n_group=2", "router.topk_group=1"}),
      refused("mixtral", "invalid/sinks-and-policy", "A second choice at random, after a sink.",
              {"aux=[]", "router.sinks=1", "router.second_policy=random"}),
      refused("mixtral", "invalid/sinks-and-noise", "Sinks, and noisy logits.",
              {"aux=[]", "router.sinks=1", "noise.kind=gaussian_learned"}),
      refused("mixtral", "invalid/sinks-and-priority", "Whose first choice is a sink has no rank.",
              {"aux=[]", "router.sinks=1", "capacity.mode=fixed", "capacity.fixed=1",
               "capacity.priority=bpr_top1"}),
      refused("mixtral", "invalid/sinks-and-first-choices", "A loss of first choices, which are sinks.",
              {"router.sinks=1", "aux.0.f_source=top1"}),
      refused("mixtral", "invalid/sinks-and-scores", "A loss of the best scores, whatever the sinks.",
              {"router.sinks=1",
               R"(aux=[{"name":"b","coefficient":1,"f_source":"all_k","f_from":"retopk_of_aux_scores"}])"}),
  };
}

std::vector<GoldenCase> of_norms_and_noise() {
  return {
      refused("mixtral", "invalid/mode-without-epsilon", "A mode of no epsilon.",
              {"router.renorm_epsilon_mode=clamp"}),
      refused("mixtral", "invalid/negative-softcap-of-gate", "A cap below 0.", {"experts.softcap_gate=-1"}),
      refused("mixtral", "invalid/negative-softcap-of-up", "A cap below 0.", {"experts.softcap_up=-1"}),
      refused("mixtral", "invalid/softcap-of-relu", "A factor that ReLU does not have.",
              {"experts.softcap_gate=1", "experts.activation=relu"}),
      refused("mixtral", "invalid/softcap-and-limit", "A gate that is drawn together and cut off.",
              {"experts.softcap_gate=1", "experts.clamp_gate_max=1"}),
      refused("mixtral", "invalid/softcap-and-limit-of-up", "An up that is drawn together and cut off.",
              {"experts.softcap_up=1", "experts.clamp_up_abs=1"}),
      refused("mixtral", "invalid/norm-without-latent", "A norm of a space that there is not.",
              {"experts.latent_norm=rms"}),
      refused("mixtral", "invalid/latent-norm-epsilon", "An epsilon of 0.",
              {"experts.latent_size=3", "experts.latent_norm=rms", "experts.latent_norm_epsilon=0"}),
      refused("mixtral", "invalid/output-norm-epsilon", "An epsilon of 0.",
              {"experts.latent_size=3", "experts.output_norm=rms", "experts.output_norm_epsilon=0"}),
      refused("longcat_flash", "invalid/output-norm-identity", "A norm of what experts without weights give.",
              {"shape.top_k=2", "experts.identity_experts=2", "experts.latent_size=3",
               "experts.output_norm=rms"}),
      refused("gshard", "invalid/freed-and-priority", "A freed place where places go by the score.",
              {"router.second_place=freed", "capacity.priority=bpr_top1"}),
      refused("mixtral", "invalid/freed-without-policy", "A freed place of a choice that is always taken up.",
              {"router.second_place=freed"}),
      refused(
          "mixtral", "invalid/clamp-and-priority", "A clamped sum where places go by the weight.",
          {"router.score_function=sigmoid", "router.renorm_epsilon=0.5", "router.renorm_epsilon_mode=clamp",
           "capacity.mode=fixed", "capacity.fixed=1", "capacity.priority=weight"}),
      refused("shazeer2017", "invalid/importance-of-noisy-scores", "Of scores with the noise, or without it?",
              {"aux.importance.importance_of=scores"}),
      refused("mixtral", "invalid/noise-scale", "Noise of a negative scale.",
              {"aux=[]", "noise.kind=gaussian_fixed", "noise.scale=-0.5"}),
      refused("mixtral", "invalid/unbiased-of-one", "A variance over no expert.",
              {"shape.num_experts=1", "shape.top_k=1",
               R"(aux=[{"name":"i","kind":"cv_importance","coefficient":1,"variance":"unbiased"}])"}),
  };
}

std::vector<GoldenCase> of_given_and_ranked() {
  return {
      refused("mixtral", "invalid/given-and-bias",
              "Experts that are given, and a bias that would choose them.",
              {"router.choice=given", "router.selection_bias=true"}),
      refused("mixtral", "invalid/given-and-sinks", "Experts that are given, and sinks.",
              {"router.choice=given", "router.sinks=1", "aux=[]"}),
      refused("mixtral", "invalid/given-and-groups", "Experts that are given, and groups.",
              {"router.choice=given", "router.n_group=2"}),
      refused("shazeer2017", "invalid/given-and-noise",
              "Experts that are given, and noise that would choose them.", {"router.choice=given", "aux=[]"}),
      refused("mixtral", "invalid/given-and-gumbel", "Experts that are given, and noise that only ranks.",
              {"router.choice=given", "noise.kind=gumbel"}),
      refused("mixtral", "invalid/gumbel-and-bias", "Noise that ranks, and a bias that would.",
              {"noise.kind=gumbel", "router.selection_bias=true"}),
      refused("mixtral", "invalid/gumbel-and-groups", "Noise that ranks experts, and groups.",
              {"noise.kind=gumbel", "router.n_group=2"}),
      refused("mixtral", "invalid/gumbel-and-sinks", "Noise that ranks, and sinks.",
              {"noise.kind=gumbel", "router.sinks=1", "aux=[]"}),
      refused("mixtral", "invalid/gumbel-and-softcap", "Noise on logits that are drawn together.",
              {"noise.kind=gumbel", "router.logit_softcap=2"}),
      refused("switch", "invalid/gumbel-second-of-one", "Noise for second choices, which there are none of.",
              {"noise.kind=gumbel", "noise.choices=second"}),
  };
}

std::vector<GoldenCase> of_scores_counts_and_rests() {
  return {
      refused("mixtral", "invalid/score-offset", "A negative offset.",
              {"router.score_function=sigmoid", "router.score_offset=-0.5"}),
      refused("mixtral", "invalid/score-offset-of-softmax", "An offset of a softmax.",
              {"router.score_offset=0.5"}),
      refused("mixtral", "invalid/logits-renormalised", "Logits over their sum, which may be 0.",
              {"router.score_function=identity", "aux=[]"}),
      refused("switch", "invalid/logits-in-groups", "Groups of logits as scores.",
              {"router.score_function=identity", "router.n_group=2", "aux=[]"}),
      refused("switch", "invalid/shares-of-logits", "Shares of logits in a loss.",
              {"router.score_function=identity"}),
      refused("mixtral", "invalid/threshold-of-three", "A threshold of the second of three choices.",
              {"shape.top_k=3", "router.second_policy=threshold"}),
      refused("mixtral", "invalid/dropped-first-of-two", "Which of two choices would count for expert 0?",
              {"aux.0.f_stage=post_drop_first"}),
      refused("torchtitan", "invalid/update-dropped-first", "A bias that counts dropped tokens for expert 0.",
              {"shape.top_k=1", "bias_update.count=post_drop_first"}),
      refused("mixtral", "invalid/divisor-without-drops", "Kept assignments, where counts are before drops.",
              {"aux.0.divisor=kept"}),
      refused("mixtral", "invalid/earlier-tokens", "Fewer than no tokens.", {"aux.0.earlier_tokens=-1"}),
      refused("mixtral", "invalid/earlier-of-groups", "Of which group are earlier tokens?",
              {"shape.num_groups=2", "aux.0.scope=group", "aux.0.earlier_tokens=4"}),
      refused("mixtral", "invalid/p-of-batch", "Shares of this batch alone, where it is alone.",
              {"aux.0.p_of_batch=true"}),
      refused(
          "mixtral", "invalid/clean-importance", "Scores without noise, where there is none.",
          {R"(aux=[{"name":"i","kind":"cv_importance","coefficient":1,"importance_of":"clean_scores"}])"}),
      refused(
          "shazeer2017", "invalid/clean-importance-of-sigmoids", "Of what function of the logits?",
          {R"(router={"score_function":"sigmoid"})",
           R"(aux=[{"name":"i","kind":"cv_importance","coefficient":1,"importance_of":"clean_scores"}])"}),
      refused("phimoe", "invalid/sparsemixer-of-sigmoids", "Shares of sigmoids among those that were left.",
              {"router.score_function=sigmoid"}),
      refused("phimoe", "invalid/sparsemixer-jitter", "Nobody near.", {"router.sparsemixer_jitter=0"}),
      refused("phimoe", "invalid/sparsemixer-noise", "The best that was left, of noisy logits.",
              {"noise.kind=gaussian_fixed"}),
      refused("phimoe", "invalid/sparsemixer-by-weight", "Places by weights of which several are 1.",
              {"capacity.mode=fixed", "capacity.fixed=2", "capacity.priority=weight"}),
      refused("mixtral", "invalid/z-of-clean", "Logits without noise, where there is none.",
              {R"(aux=[{"name":"z","kind":"z","coefficient":1,"z_of":"clean"}])"}),
      refused("mixtral", "invalid/rest-and-latent", "A share of x beside experts in a latent space.",
              {"combine.rest=x", "experts.latent_size=3"}),
      refused("switch", "invalid/rest-and-dropped", "Two rules for a token without a place.",
              {"combine.rest=x", "capacity.dropped_output=identity"}),
      refused("dense", "invalid/rest-without-router", "What no weights leave.", {"combine.rest=x"}),
      refused("mixtral", "invalid/gives-without-experts",
              "What experts without weights give, of which there are none.", {"experts.identity_gives=zero"}),
      refused("dense", "invalid/latent-without-router", "A latent space, and no router.",
              {"experts.latent_size=3"}),
      refused("dense", "invalid/weight-without-router", "A weight on what goes in, of no router.",
              {"combine.weight_location=input"}),
  };
}

std::vector<GoldenCase> configs() {
  std::vector<GoldenCase> all;
  for (const auto part :
       {of_sizes_and_words, of_capacities_and_losses, of_scores_and_latent_spaces, of_experts_and_sinks,
        of_norms_and_noise, of_given_and_ranked, of_scores_counts_and_rests})
    for (GoldenCase& c : part()) all.push_back(std::move(c));
  return all;
}

std::vector<GoldenCase> routers() {
  return {
      refused("mixtral", "invalid/no-token-groups", "No group of tokens.", {"shape.num_groups=0"}),
      refused("mixtral", "invalid/uneven-token-groups", "Four tokens in three groups.",
              {"shape.num_groups=3"}),
      refused("mixtral", "invalid/no-expert-groups", "No group of experts.", {"router.n_group=0"}),
      refused("mixtral", "invalid/uneven-expert-groups", "Four experts in three groups.",
              {"router.n_group=3", "shape.top_k=1"}),
      refused("mixtral", "invalid/too-many-open-groups", "Three open groups of two.",
              {"router.n_group=2", "router.topk_group=3"}),
      refused("mixtral", "invalid/k-above-open", "More choices than experts in the open groups.",
              {"shape.top_k=3", "router.n_group=2"}),
      refused("mixtral", "invalid/group-score-above-size", "The three best of groups of two.",
              {"router.n_group=2", "router.group_score=sum_topn", "router.group_score_n=3"}),
      refused("mixtral", "invalid/no-factor", "A factor of 0.", {"router.routed_scaling_factor=0"}),
      refused("mixtral", "invalid/shared-without-width", "A shared expert of no width.",
              {"shared.mode=add", "shared.ffn_size=0"}),
      refused(
          "mixtral", "invalid/oversized-shared", "A shared expert of more than 2^50 elements.",
          {"shape.hidden_size=1048576", "shape.ffn_size=1", "shared.mode=add", "shared.ffn_size=2147483647"}),
      refused("dense", "invalid/dense-with-shared", "A shared expert and no router.",
              {"shared.mode=add", "shared.ffn_size=4"}),
      refused("mixtral", "invalid/update-of-no-bias", "An update of a bias that is not there.",
              {"bias_update.kind=sign"}),
      refused("mixtral", "invalid/update-by-nothing", "An update by 0.",
              {"router.selection_bias=true", "bias_update.kind=sign", "bias_update.gamma=0"}),
      refused("gshard", "invalid/second-of-three", "Which of two others is the second choice?",
              {"shape.top_k=3"}),
      refused("gshard", "invalid/second-after-drop", "A weight that depends on what it decides.",
              {"router.renorm_stage=after_drop"}),
      refused("gshard", "invalid/second-threshold", "A threshold of 0.", {"router.second_threshold=0"}),
      refused("mixtral", "invalid/load-without-noise", "The load of a router without noise.",
              {R"(aux=[{"name":"load","kind":"cv_load","coefficient":1}])"}),
      refused("shazeer2017", "invalid/noise-epsilon", "A least scale of 0.", {"noise.epsilon=0"}),
      refused("shazeer2017", "invalid/noise-with-bias", "Noise and a selection bias.",
              {"router.selection_bias=true"}),
      refused("shazeer2017", "invalid/noise-with-groups", "Noise and groups of experts.",
              {"router.n_group=2", "router.topk_group=2"}),
      refused("shazeer2017", "invalid/noise-with-policy", "Noise and a policy of second choices.",
              {"shape.top_k=2", "router.second_policy=random"}),
      refused("shazeer2017", "invalid/noise-with-retopk", "Noise and a loss of the best clean scores.",
              {R"(aux=[{"name":"b","kind":"switch","coefficient":1,"f_from":"retopk_of_aux_scores"}])"}),
      refused("shazeer2017", "invalid/noise-with-priority", "Noise and a priority by score.",
              {"capacity.mode=fixed", "capacity.fixed=1", "capacity.priority=weight"}),
      refused("dense", "invalid/dense-with-noise", "Noise and no router.", {"noise.kind=gaussian_learned"}),
  };
}

std::vector<GoldenCase> tensors() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {
      refused_input("invalid/x-shape", "x of another width.", Tensor::x, {1, 3}, {1, 2, 3}),
      refused_input("invalid/x-nan", "A NaN in x.", Tensor::x, {1, 2}, {1, nan}),
      CaseBuilder("mixtral", "invalid/x-integers", "x in integers.")
          .flag("Invalid")
          .tokens(1)
          .integers(Tensor::x, {1, 4}, {1, 2, 3, 4})
          .invalid(),
      CaseBuilder("mixtral", "invalid/missing-weight", "No router.weight.")
          .flag("Invalid")
          .tokens(1)
          .without(Tensor::router_weight)
          .invalid(),
      CaseBuilder("mixtral", "invalid/bias-nan", "A NaN in the selection bias.")
          .flag("Invalid")
          .set("router.selection_bias=true")
          .raw(Tensor::router_selection_bias, {4}, {0, nan, 0, 0})
          .invalid(),
      CaseBuilder("gshard", "invalid/random-number", "A random number above 1.")
          .flag("Invalid")
          .set("shape.num_groups=1")
          .raw(Tensor::noise_second_policy, {4}, {0.5, 1.5, 0, 0})
          .invalid(),
      CaseBuilder("mixtral", "invalid/given-twice", "One expert in two slots.")
          .flag("Invalid")
          .set("router.choice=given")
          .given({{0, 1}, {2, 2}, {1, 3}, {0, 2}})
          .invalid(),
      CaseBuilder("mixtral", "invalid/given-beyond", "An expert that there is not.")
          .flag("Invalid")
          .set("router.choice=given")
          .given({{0, 1}, {2, 4}, {1, 3}, {0, 2}})
          .invalid(),
      CaseBuilder("mixtral", "invalid/given-negative", "An expert below 0.")
          .flag("Invalid")
          .set("router.choice=given")
          .given({{0, -1}, {2, 1}, {1, 3}, {0, 2}})
          .invalid(),
      CaseBuilder("switch", "invalid/given-reals", "Experts that are no whole numbers.")
          .flag("Invalid")
          .set("router.choice=given")
          .raw(Tensor::router_given_ids, {4, 1}, {0, 0, 0, 0})
          .invalid(),
      CaseBuilder("mixtral", "invalid/mask-of-two", "A token that counts twice.")
          .flag("Invalid")
          .set("aux.0.masked=true")
          .integers(Tensor::aux_token_mask, {4}, {1, 0, 2, 1})
          .invalid(),
      refused_input("invalid/unexpected-tensor", "A bias that this expert does not have.",
                    Tensor::experts_up_bias, {2, 1}, {0, 0}),
  };
}

}  // namespace

std::vector<GoldenFile> invalid_family() {
  return {{"invalid/configs.json", configs()},
          {"invalid/routers.json", routers()},
          {"invalid/inputs.json", tensors()}};
}

}  // namespace moe
