#include "families.h"

// Choice by groups of experts, by scores plus a bias, and what comes with them: the factor and the shared expert.
namespace moe {
namespace {

/// Eight experts in four groups of two, of which two are open; two choices.
CaseBuilder grouped(const char* id, const char* comment) {
  return CaseBuilder("deepseek_v3", id, comment)
      .flag("ExpertGroups")
      .set("shape.num_experts=8")
      .set("shape.top_k=2")
      .set("shape.ffn_size=2")
      .set("router.n_group=4")
      .set("router.topk_group=2")
      .set("router.selection_bias=false")
      .set("bias_update.kind=none")
      .set("shared.mode=none")
      .set("aux.load_balance.coefficient=0.5");
}
/// Four experts in one group, with a bias.
CaseBuilder biased(const char* id, const char* comment, const std::vector<double>& bias, const Rows& logits) {
  return CaseBuilder("deepseek_v3", id, comment)
      .flag("SelectionBias")
      .set("shape.top_k=2")
      .set("shape.ffn_size=2")
      .set("router.n_group=1")
      .set("shared.mode=none")
      .set("aux.load_balance.coefficient=0.5")
      .logits(logits)
      .tensor(Tensor::router_selection_bias, bias);
}
CaseBuilder shared(const char* id, const char* comment) {
  return CaseBuilder("mixtral", id, comment)
      .flag("SharedExpert")
      .set("shared.mode=add")
      .set("shared.ffn_size=3");
}

std::vector<GoldenCase> groups() {
  return {
      grouped("groups/best-in-rejected",
              "The best expert of all is in a group that is not among the best two.")
          .catches("experts chosen without regard to groups")
          .logits({{3, -9, 1, 1, 0.5, 0.5, -1, -1}, {0, 0, 0.25, -3, 2, -8, 1, 0.5}}),
      grouped("groups/max", "Groups by their best expert.")
          .catches("the sum of the two best where the best is meant")
          .set("router.group_score=max")
          .logits({{3, -9, 1, 1, 0.5, 0.5, -1, -1}, {0, 0, 0.25, -3, 2, -8, 1, 0.5}}),
      grouped("groups/best-two-of-four", "Two groups of four by their best two, of logits alone.")
          .catches("the best of each group looked up in another token")
          .set("router.n_group=2")
          .set("router.topk_group=1")
          .logits({{3, -9, 1, -8, 2.5, 2, -9, -9}, {-9, 2.5, -9, 2, 3, -9, -9, 1}}),
      grouped("groups/one-of-each", "Every expert is a group of its own.")
          .catches("groups of at least two experts")
          .set("router.n_group=8")
          .set("router.topk_group=3")
          .set("router.group_score_n=1")
          .logits({{3, -9, 1, 1.5, 0.5, 0.25, -1, -2}}),
      grouped("groups/tie", "Two groups of one score in truth: sigmoid(z) + sigmoid(-z) = 1 for each z.")
          .catches("groups that are equal in truth ranked by their rounding errors")
          .logits({{0.375, -0.375, 3, -3, 1, 1, -1, -1}, {-3, 3, 0, 0, 5, -9, 0.375, -0.375}}),
      grouped("groups/opposite-softmax",
              "Opposite logits: of a softmax their sum is not the same for each pair.")
          .catches("groups with opposite logits taken for equal, which they are for sigmoids only")
          .set("router.score_function=softmax")
          .logits({{0.375, -0.375, 3, -3, 1, 1, -1, -1}}),
      grouped("groups/opposite-sqrtsoftplus", "... nor is it of square roots of softplus.")
          .catches("groups with opposite logits taken for equal, which they are for sigmoids only")
          .set("router.score_function=sqrtsoftplus")
          .logits({{0.375, -0.375, 3, -3, 1, 1, -1, -1}}),
      grouped("groups/negative-scores", "All scores plus bias are negative.")
          .catches("experts of other groups masked with 0 instead of being left out")
          .set("router.selection_bias=true")
          .logits({{1, 0.5, 0, 0.25, -1, -2, -3, -0.5}})
          .tensor(Tensor::router_selection_bias, {-2, -2.25, -2, -2, -2.5, -2, -2, -2}),
  };
}

std::vector<GoldenCase> biases() {
  return {
      biased("bias/flips-ranking", "The bias lifts the worst expert above all others.", {0, 0, 0, 1},
             {{2, 1, 0, -1}, {0, 1, 2, -2}})
          .catches("a bias that is not looked at"),
      biased("bias/not-in-weights", "A large bias: it must not reach the weights.", {8, 4, -4, 12},
             {{1, 0, 2, -1}, {-1, 3, 0, 0.5}})
          .catches("weights from scores plus bias"),
      biased("bias/dwarfs-score", "Scores of 1e-8 beside a bias of 12.", {12, 12, 0, 12},
             {{-19, -18, -20, -21}, {1, 2, 3, 4}})
          .catches("scores plus bias, or scores recovered from it, in a narrow format")
          .set("shape.top_k=1"),
      biased("bias/huge", "A bias of a million chooses an expert whose score is 2e-9.", {1000000, 0, 0, 0},
             {{-20, 1, 2, 0}, {-20, 0, -1, 1}})
          .catches("weights that are what is left of biased scores"),
      biased("bias/tie", "Equal logits and equal biases tie; equal sums of another kind do not.",
             {0.5, 0.5, 0, 0.25}, {{1, 1, 2, 0}, {0, 0, 1, 1}})
          .catches("ties of biased scores resolved by rounding errors"),
      CaseBuilder("deepseek_v3", "bias/group-tie", "Groups that tie in truth, biases included.")
          .flag("SelectionBias")
          .flag("ExpertGroups")
          .catches("groups that are equal in truth ranked by their rounding errors")
          .set("shape.top_k=2")
          .set("shape.ffn_size=2")
          .set("router.n_group=2")
          .set("router.topk_group=1")
          .set("shared.mode=none")
          .set("aux.load_balance.coefficient=0.5")
          .logits({{0.375, -0.375, 3, -3}, {3, -3, 1.25, -1.25}})
          .tensor(Tensor::router_selection_bias, {0.5, 0, 0.25, 0.25}),
      biased("bias/sqrtsoftplus", "Scores that are the square root of a softplus, of logits of either sign.",
             {0.5, 0, -0.25, 1}, {{2, 1.5, -3, 0}, {-1, 6, 0.5, -2}, {-8, -9, -7, -8.5}})
          .catches("the sigmoid, or the softplus itself, where its square root is meant")
          .set("router.score_function=sqrtsoftplus"),
      biased("bias/sqrtsoftplus-unshared", "... and weights that are those scores.", {0, 0.25, 0, 0},
             {{1, -1, 3, 0.5}, {-20, 12, -19, 2}})
          .catches("scores that are thought to be at most 1")
          .set("router.score_function=sqrtsoftplus")
          .set("router.renorm=none"),
      biased("bias/update-of-kept", "The load of what was kept, where all was kept.", {0.25, 0, -0.5, 0},
             {{3, 2, 1, 0}, {3, 1, 2, 0}, {3, 2, 0, 1}})
          .catches("the load of another expert")
          .set("bias_update.count=post_drop"),
      biased("bias/update", "Too much, too little, and exactly the mean of the load.", {0.5, -0.25, 0, 0.125},
             {{4, 3, 0, -1}, {4, 0, 3, -1}})
          .catches("a bias that moves where the load is the mean, or the other way"),
      biased("bias/update-after-drop", "The load that counts is what was kept.", {0, 0, 0, 0},
             {{2, 1, 0, 0}, {0, 0, 2, 1}, {2, 1, 0, 0}})
          .catches("dropped choices counted in the update of the bias")
          .set("bias_update.count=post_drop")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1"),
  };
}

std::vector<GoldenCase> extras() {
  const auto routes = std::vector<std::vector<Index>>{{0, 1}, {2, 0}, {0, 3}, {1, 2}};
  return {
      shared("shared/add", "One more expert for every token.")
          .catches("a shared expert left out")
          .routes(routes),
      shared("shared/gated", "... behind a gate of its own.")
          .catches("the gate of the shared expert left out")
          .set("shared.mode=sigmoid_gate")
          .routes(routes),
      shared("shared/factor", "The factor is for the chosen experts only.")
          .catches("the shared expert multiplied by routed_scaling_factor")
          .set("router.routed_scaling_factor=2.5")
          .routes(routes),
      shared("shared/dropped", "A token that keeps no choice still has the shared expert.")
          .catches("no shared expert for a token without a choice")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .routes({{0, 1}, {0, 1}}),
      shared("shared/smallest", "One number in, one hidden unit, one number out.")
          .catches("a shared expert that is thought absent because it is small")
          .set("shape.hidden_size=1")
          .set("shape.ffn_size=1")
          .set("shared.ffn_size=1")
          .tokens(1),
      shared("shared/two", "Two shared experts are one of twice the width.")
          .catches("the second of two shared experts left out")
          .set("shared.ffn_size=6")
          .routes(routes),
      shared("shared/plain", "A shared expert without a gate, as the others are.")
          .catches("a gated shared expert beside plain ones")
          .set("experts.glu=false")
          .set("experts.activation=relu")
          .routes(routes),
      CaseBuilder("mixtral", "shared/factor-alone", "A factor on weights that are not renormalised.")
          .catches("a factor only where weights are renormalised")
          .flag("SharedExpert")
          .set("router.renorm=none")
          .set("router.routed_scaling_factor=2.5")
          .routes(routes),
  };
}

}  // namespace

std::vector<GoldenFile> groups_family() {
  return {
      {"groups/choice.json", groups()}, {"bias/selection.json", biases()}, {"shared/expert.json", extras()}};
}

}  // namespace moe
