#include "families.h"

// Definitions of the auxiliary losses.
namespace moe {
namespace {

CaseBuilder loss(const char* id, const char* comment, const char* catches, const char* aux) {
  return CaseBuilder("mixtral", id, comment).catches(catches).flag("Loss").set("shape.ffn_size=2").set(aux);
}

}  // namespace

std::vector<GoldenFile> losses_family() {
  const std::vector<std::vector<Index>> routes{{0, 1}, {0, 2}, {3, 0}, {0, 3}};
  const auto dropping = [](CaseBuilder c) {
    return c.flag("Capacity").set("capacity.mode=fixed").set("capacity.fixed=1");
  };
  std::vector<GoldenCase> cases{
      loss("losses/top1-of-two", "Only first choices count.", "all choices counted",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"top1"}])")
          .routes(routes),
      dropping(
          loss(
              "losses/after-drop", "Only kept choices count.", "dropped choices counted",
              R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","f_stage":"post_drop"}])"))
          .routes(routes),
      loss("losses/per-group", "The mean over two groups of two tokens.",
           "the product of means over all tokens",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","scope":"group"}])")
          .set("shape.num_groups=2")
          .routes(routes),
      loss("losses/mean-over-experts", "The mean over experts of f P, without E^2.", "the factor E^2",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"multiply":"none"}])")
          .routes(routes),
      loss(
          "losses/divided-by-k", "All choices count, divided by K.", "a loss of K for even shares",
          R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","f_divide_by_k":true}])")
          .routes(routes),
      loss("losses/balanced", "Every expert as often and as probable as any other: exactly 1.",
           "another minimum of the loss",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"top1"}])")
          .flag("HandCheckable")
          .logits({{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}),
      loss("losses/collapsed", "One expert for all tokens, with all the probability but 1e-40: E.",
           "a loss that cannot see a collapse",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"top1"}])")
          .logits({{100, 1, 0, 0}, {101, 0, 1, 0}, {99, 0, 0, 1}}),
      loss("losses/of-sigmoids", "Sigmoid scores over their sum, one token after the other.",
           "sigmoids that are not normalised",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k"}])")
          .set("router.score_function=sigmoid")
          .routes(routes),
      loss(
          "losses/by-scores", "Experts counted by score, where a bias and groups choose others.",
          "the chosen experts counted",
          R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","f_from":"retopk_of_aux_scores"}])")
          .set("router.n_group=2")
          .set("router.selection_bias=true")
          .routes(routes)
          .tensor(Tensor::router_selection_bias, {-0.5, 0.25, 0.5, 0}),
      loss("losses/none", "No auxiliary loss: the total is the task's.", "a loss that cannot be switched off",
           "aux=[]")
          .routes(routes),
  };
  return {{"losses/definitions.json", std::move(cases)}};
}

}  // namespace moe
