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
      loss("losses/none", "No auxiliary loss: the total is the task's.", "a loss that cannot be switched off",
           "aux=[]")
          .routes(routes),
  };
  return {{"losses/definitions.json", std::move(cases)}};
}

}  // namespace moe
