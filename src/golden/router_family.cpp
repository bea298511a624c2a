#include "families.h"

// What routers of recent models add: logits that are drawn together, closed groups that compete, shares of a root of squares, a
// factor for each expert, an input of their own.
namespace moe {
namespace {

std::vector<GoldenCase> softcaps() {
  const auto capped = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("Softcap").set("router.logit_softcap=2");
  };
  const Rows rows{{6, 3, 0, -1}, {-4, -2, -3, -5}, {0.25, 0.5, 0.125, 0}, {30, 20, 10, 0}};
  return {
      capped("mixtral", "softcap/softmax", "Weights are the softmax of logits that are drawn together.")
          .logits(rows)
          .catches("a softmax of the logits as they are"),
      capped("mixtral", "softcap/scores", "The same, not renormalised, of all experts.")
          .set("router.renorm=none")
          .set("router.logit_softcap=1")
          .logits(rows)
          .catches("a cap of the chosen logits only"),
      capped("mixtral", "softcap/sigmoid", "Sigmoids of drawn logits over their sum, with a factor.")
          .set("router.score_function=sigmoid")
          .set("router.routed_scaling_factor=2.5")
          .logits(rows)
          .catches("a cap of the scores"),
      capped("deepseek_v3", "softcap/bias",
             "With a bias on the scores, and a shared expert: as Laguna has it.")
          .flag("SelectionBias")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("router.n_group=1")
          .logits(rows)
          .tensor(Tensor::router_selection_bias, {-0.4375, 0, 0, -0.25})
          .catches("a bias that is added to the logits before the cap"),
      capped("deepseek_v3", "softcap/groups", "Groups by drawn scores; opposite logits still cancel.")
          .flag("ExpertGroups")
          .set("shape.num_experts=8")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("shared.mode=none")
          .set("router.n_group=4")
          .set("router.topk_group=2")
          .logits({{0.375, -0.375, 3, -3, 1, 1, -1, -1}, {3, -2, 1, 0.5, 6, -9, 2, 1}})
          .tensor(Tensor::router_selection_bias, std::vector<double>(8))
          .catches("groups that are ranked by scores without the cap"),
      capped("mixtral", "softcap/tie", "Equal logits tie, and those that only come close do not.")
          .flag("Tie")
          .logits({{40, 40, 41, 41}, {5, 4.5, 5, 4.5}})
          .catches("a choice by drawn logits, which are equal once they are rounded"),
      capped("mixtral", "softcap/losses", "Losses are of drawn logits, too.")
          .flag("Loss")
          .set("router.score_function=sigmoid")
          .set("aux.load_balance.p_source=softmax")
          .set("aux.load_balance.coefficient=0.5")
          .logits(rows)
          .catches("a loss of the logits as they are"),
  };
}

std::vector<GoldenCase> closed_groups() {
  const auto zero = [](const char* id, const char* comment) {
    return CaseBuilder("deepseek_v3", id, comment)
        .flag("ExpertGroups")
        .set("shape.num_experts=8")
        .set("shape.top_k=2")
        .set("shape.ffn_size=2")
        .set("shared.mode=none")
        .set("router.n_group=4")
        .set("router.topk_group=1")
        .set("router.closed_groups=zero");
  };
  return {
      zero("groups/closed-zero", "Biased scores below 0: experts of closed groups are better.")
          .logits({{1, 0.5, 0, 0.25, -1, -2, -3, -0.5}, {-1, -2, 3, 2, 0, 0.5, 1, 0.25}})
          .tensor(Tensor::router_selection_bias, {-2, -2.25, -2, -2, -2.5, -2, -2, -2})
          .catches("experts of closed groups left out"),
      zero("groups/closed-zero-mixed", "One of the open group is above 0, one below.")
          .logits({{1, 0.5, 0, 0.25, -1, -2, -3, -0.5}})
          .tensor(Tensor::router_selection_bias, {-0.25, -1, -2, -2, -2.5, -2, -2, -2})
          .catches("all that is below 0 left out"),
      zero("groups/closed-zero-of-two", "One group of two is closed, and all of it is better.")
          .set("router.n_group=2")
          .logits({{1, 0.5, 0, 0.25, -1, -2, -3, -0.5}})
          .tensor(Tensor::router_selection_bias, {-2, -2.25, -2, -2, -2.5, -2, -2, -2})
          .catches("experts of the open group, whatever they score"),
  };
}

std::vector<GoldenCase> shares() {
  const auto l2 = [](const char* id, const char* comment) {
    return CaseBuilder("mixtral", id, comment).flag("Renormalisation").set("router.renorm=l2");
  };
  return {
      l2("renorm/l2", "Scores over the root of the sum of their squares.").catches("scores over their sum"),
      l2("renorm/l2-sigmoid", "The same of sigmoids, with a factor.")
          .set("router.score_function=sigmoid")
          .set("router.routed_scaling_factor=1.5")
          .catches("a root that is taken of the scores, not of their squares"),
      l2("renorm/l2-one-choice", "One choice has the weight 1, and no gradient.")
          .set("shape.top_k=1")
          .catches("the score itself"),
      l2("renorm/l2-after-drop", "Squares of what was kept only.")
          .flag("Capacity")
          .set("router.renorm_stage=after_drop")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{0, 1}, {0, 2}, {1, 0}, {2, 3}})
          .catches("squares of dropped choices"),
  };
}

std::vector<GoldenCase> factors() {
  const auto scaled = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("ExpertScale").set("router.expert_scale=true");
  };
  return {
      scaled("mixtral", "scale/renormalised",
             "A factor for each expert, after renormalisation: as Gemma 4 has it.")
          .tensor(Tensor::router_expert_scale, {1, 0.5, 2, -0.25})
          .catches("factors that are renormalised away"),
      scaled("mixtral", "scale/scores", "The same without renormalisation, on sigmoids.")
          .set("router.score_function=sigmoid")
          .set("router.renorm=none")
          .catches("factors that take part in the choice"),
      scaled("switch", "scale/dropped", "Factors of choices that are dropped, and of tokens that keep x.")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("capacity.dropped_output=scaled_identity")
          .routes({{0}, {0}, {1}, {0}})
          .tensor(Tensor::router_expert_scale, {0.75, -2, 1, 1})
          .catches("a factor that is left out where x is kept"),
      scaled("mixtral", "scale/on-input", "Weights on what goes in, with their factors, after drops.")
          .flag("WeightOnInput")
          .set("combine.weight_location=input")
          .set("router.renorm_stage=after_drop")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{0, 1}, {0, 2}, {1, 0}, {2, 3}})
          .catches("a factor whose gradient counts dropped choices"),
  };
}

std::vector<GoldenCase> inputs_of_router() {
  const auto own = [](const char* preset, const char* id, const char* comment) {
    return CaseBuilder(preset, id, comment).flag("RouterInput").set("router.input=own");
  };
  return {
      own("mixtral", "router/own-input", "The router sees another tensor than the experts: as in Gemma 4.")
          .catches("logits of x"),
      own("mixtral", "router/own-input-and-scale",
          "With factors, GELU, a bias of the logits and a shared expert.")
          .set("router.expert_scale=true")
          .set("router.logit_bias=true")
          .set("experts.activation=gelu_tanh")
          .set("shared.mode=add")
          .set("shared.ffn_size=3")
          .catches("a gradient of the logits that reaches x"),
      own("shazeer2017", "router/own-input-noise", "Noise and its scale are of the router's input.")
          .flag("Noise")
          .set("shape.top_k=2")
          .catches("a scale of noise that is made of x"),
      own("switch", "router/own-input-dropped", "Tokens without a place keep x, not what the router saw.")
          .flag("DroppedToken")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .set("capacity.dropped_output=identity")
          .catches("the router's input given back"),
  };
}

}  // namespace

std::vector<GoldenFile> router_family() {
  return {{"softcap/logits.json", softcaps()},
          {"groups/closed.json", closed_groups()},
          {"renorm/shares.json", shares()},
          {"scale/factors.json", factors()},
          {"router/inputs.json", inputs_of_router()}};
}

}  // namespace moe
