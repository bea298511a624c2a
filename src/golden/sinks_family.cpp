#include "families.h"

// Experts that every token chooses, sums that count for no less than epsilon, logits that are multiplied first, and a bias whose
// steps have a mean of 0.
namespace moe {
namespace {

std::vector<GoldenCase> sinks() {
  const auto sunk = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment)
        .flag("Sinks")
        .set("aux=[]")
        .set("shape.top_k=3")
        .set("router.sinks=1");
  };
  const Rows rows{{2, 1, 0, -1}, {-1, 0.5, 2, 3}, {0, 0.25, 0.5, 0}, {-2, -1, 1, -3}};
  return {
      sunk("mixtral", "sinks/softmax", "The last expert is among the choices of every token.")
          .logits(rows)
          .catches("a last expert that is chosen by its logit"),
      sunk("deepseek_v3", "sinks/sigmoid", "Sigmoids over a sum in which the sink takes part: as in Inkling.")
          .set("shape.ffn_size=2")
          .set("shared.mode=none")
          .set("router.n_group=1")
          .set("router.selection_bias=false")
          .set("bias_update.kind=none")
          .logits(rows)
          .catches("a sink with the weight 1"),
      sunk("deepseek_v3", "sinks/bias",
           "A bias of scores, which no sink needs, and a factor for each expert.")
          .flag("SelectionBias")
          .set("shape.ffn_size=2")
          .set("shared.mode=none")
          .set("router.n_group=1")
          .set("router.expert_scale=true")
          .logits(rows)
          .tensor(Tensor::router_selection_bias, {0, 0.5, -0.5, -8})
          .catches("a bias that keeps the sink out"),
      sunk("mixtral", "sinks/two", "Two sinks, of which the first comes first, and one choice.")
          .set("router.sinks=2")
          .logits(rows)
          .catches("sinks that are ranked among each other"),
      sunk("mixtral", "sinks/scores", "Without renormalisation: weights are scores over all experts.")
          .set("router.renorm=none")
          .logits(rows)
          .catches("scores of the routed experts alone"),
      sunk("mixtral", "sinks/capacity", "Sinks ask first, and have a capacity as others do.")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=3")
          .logits(rows)
          .catches("a sink that is never full"),
      sunk("mixtral", "sinks/tie", "Equal logits below and beside that of the sink.")
          .flag("Tie")
          .set("shape.top_k=2")
          .logits({{1, 1, 0, 1}, {0, 0, 0, 0}, {-1, 2, 2, 4}})
          .catches("a tie that the sink takes part in"),
      sunk("mixtral", "sinks/loss", "A loss that counts all choices, those of the sink with them.")
          .flag("Loss")
          .set(R"(aux=[{"name": "load_balance", "coefficient": 0.5, "f_source": "all_k"}])")
          .logits(rows)
          .catches("a loss that leaves the sink out"),
  };
}

std::vector<GoldenCase> clamped_sums() {
  const auto clamped = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment)
        .flag("Renormalisation")
        .set("router.renorm_epsilon=0.25")
        .set("router.renorm_epsilon_mode=clamp");
  };
  const Rows rows{{2, 1, 0, -1}, {-3, -4, -2, -5}, {0.25, 0.5, 0, 0}, {-2, -2, -2, -1.5}};
  return {
      clamped("mixtral", "renorm/clamp-sigmoid", "A sum below epsilon counts as epsilon, another as it is.")
          .set("router.score_function=sigmoid")
          .logits(rows)
          .catches("an epsilon that is added"),
      clamped("mixtral", "renorm/clamp-softmax",
              "Softmax of the chosen, but of scores over epsilon where they are small.")
          .set("router.renorm_epsilon=0.75")
          .logits({{2, 1, 0, -1}, {0.5, 0.25, 0.125, 0}, {4, 1, -1, -2}, {0, 0, 0, 0}})
          .catches("a gradient that reaches only the chosen logits"),
      clamped("deepseek_v3", "renorm/clamp-bias", "With a factor, a bias of scores and a shared expert.")
          .flag("SelectionBias")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("router.n_group=1")
          .logits(rows)
          .tensor(Tensor::router_selection_bias, {0, 0.25, 0.125, -0.25})
          .catches("a factor that is clamped, too"),
      clamped("mixtral", "renorm/clamp-after-drop", "Sums of what is kept, one of them of nothing.")
          .flag("Capacity")
          .set("router.renorm_stage=after_drop")
          .set("router.score_function=sigmoid")
          .set("router.renorm_epsilon=0.875")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{0, 1}, {0, 2}, {1, 0}, {2, 3}})
          .catches("a sum of what was dropped"),
      clamped("switch", "renorm/clamp-met", "A sum that is epsilon: the slope is that of the clamp, 0.")
          .set("router.score_function=sigmoid")
          .set("router.renorm=sum")
          .set("router.renorm_epsilon=0.5")
          .set("aux=[]")
          .logits({{0, -1, -2, -3}, {1, 0, -1, -2}, {-0.5, -1, -2, -4}})
          .catches("a slope of 1 at the clamp"),
      clamped("switch", "renorm/clamp-one-choice", "One choice: 1 where its score is over epsilon.")
          .set("router.renorm=sum")
          .set("router.renorm_epsilon=0.375")
          .logits({{2, 1, 0, -1}, {0.25, 0, 0, 0}, {0, 1, 0, 0}})
          .catches("a router that never gets a gradient"),
  };
}

std::vector<GoldenCase> scaled_logits_cases() {
  const auto scaled = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("LogitScale").set("router.logit_scale=0.375");
  };
  return {
      scaled("mixtral", "router/logit-scale", "Logits are multiplied before all else: as in Muse Spark.")
          .catches("logits as they are"),
      scaled("mixtral", "router/logit-scale-bias", "And their bias with them; scores are sigmoids.")
          .set("router.logit_bias=true")
          .set("router.score_function=sigmoid")
          .catches("a bias that is added afterwards"),
      scaled("mixtral", "router/logit-scale-softcap", "Before they are drawn together.")
          .set("router.logit_scale=2")
          .set("router.logit_softcap=2")
          .catches("a cap of the logits before they are multiplied"),
      scaled("shazeer2017", "router/logit-scale-noise", "Not the noise.")
          .flag("Noise")
          .set("shape.top_k=2")
          .catches("noise that is multiplied with them"),
      scaled("switch", "router/logit-scale-losses", "Losses are of what was multiplied.")
          .flag("Loss")
          .catches("a loss of the logits as they are"),
  };
}

std::vector<GoldenCase> centred_updates() {
  const auto centred = [](const char* id, const char* comment) {
    return CaseBuilder("deepseek_v3", id, comment)
        .flag("SelectionBias")
        .set("shape.top_k=1")
        .set("shape.ffn_size=2")
        .set("shared.mode=none")
        .set("router.n_group=1")
        .set("aux=[]")
        .set("bias_update.kind=sign_centred")
        .set("bias_update.gamma=0.125");
  };
  return {
      centred("bias/centred",
              "Three experts get too little, one too much: the mean of the steps is taken off.")
          .routes({{1}, {1}, {1}, {1}})
          .catches("steps of gamma"),
      centred("bias/centred-even", "An even load: no step.")
          .routes({{0}, {1}, {2}, {3}})
          .catches("a mean of something else"),
      centred("bias/centred-post-drop", "Counted after drops.")
          .flag("Capacity")
          .set("bias_update.count=post_drop")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=2")
          .routes({{0}, {0}, {0}, {1}, {2}, {2}})
          .catches("counts before drops"),
  };
}

}  // namespace

std::vector<GoldenFile> sinks_family() {
  return {{"sinks/choices.json", sinks()},
          {"renorm/clamped.json", clamped_sums()},
          {"router/logit-scale.json", scaled_logits_cases()},
          {"bias/centred.json", centred_updates()}};
}

}  // namespace moe
