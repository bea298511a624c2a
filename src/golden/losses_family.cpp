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
      loss(
          "losses/divided-by-k", "All choices count, divided by K: even shares give 1.", "even shares give K",
          R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","f_divide_by_k":true}])")
          .routes(routes),
      dropping(
          loss(
              "losses/before-drop", "Dropped choices count.", "only kept choices counted",
              R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","f_stage":"pre_drop"}])"))
          .routes(routes),
      dropping(
          loss(
              "losses/after-drop", "Only kept choices count.", "dropped choices counted",
              R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","f_stage":"post_drop"}])"))
          .routes(routes),
      loss("losses/z", "The z-loss alone.", "a sum over tokens, or a factor 2 lost in its gradient",
           R"(aux=[{"name":"z","kind":"z","coefficient":0.25}])")
          .routes(routes),
      loss("losses/sigmoid", "Sigmoid scores enter the balance as shares of their sum.",
           "scores that are no shares",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k"}])")
          .set("router.score_function=sigmoid")
          .flag("Score")
          .routes(routes),
      loss("losses/none", "No auxiliary loss: the total is the task's.", "a loss that cannot be switched off",
           "aux=[]")
          .routes(routes),
  };
  return {{"losses/definitions.json", std::move(cases)}};
}

}  // namespace moe
