#include "families.h"

// How many tokens each expert has: the patterns that dispatch code special-cases.
namespace moe {
namespace {

CaseBuilder top1(const char* id, const char* comment) {
  return CaseBuilder("mixtral", id, comment).set("shape.top_k=1").set("router.renorm=none").flag("Load");
}

}  // namespace

std::vector<GoldenFile> load_family() {
  std::vector<GoldenCase> cases{
      top1("load/first-empty",
           "Expert 0 has no tokens, so the first offset that differs from 0 is the second.")
          .catches("rows are given to experts counted without the empty ones")
          .routes({{1}, {3}, {2}, {3}}),
      top1("load/last-empty", "Expert 3 has no tokens, so the last two offsets are equal.")
          .catches("the gradient of a trailing empty expert is never written")
          .routes({{1}, {0}, {2}, {0}, {1}}),
      top1("load/middle-empty", "Expert 1 has no tokens: its gradients are exactly 0.")
          .catches("an empty expert keeps the gradient of the expert before it")
          .routes({{2}, {0}, {3}, {0}, {2}}),
      top1("load/alternate-empty", "Experts 1 and 3 of 5 have no tokens.")
          .catches("only one gap between experts is skipped")
          .set("shape.num_experts=5")
          .routes({{4}, {0}, {2}, {4}, {0}}),
      top1("load/half-empty", "The first two of four experts, one shard of two, have no tokens.")
          .catches("a shard without tokens is left out of the router's gradient")
          .routes({{3}, {2}, {3}}),
      top1("load/one-takes-all", "All tokens go to expert 2; the other three are empty.")
          .catches("a hidden capacity of three times the mean load")
          .routes({{2}, {2}, {2}, {2}, {2}, {2}, {2}, {2}}),
      top1("load/one-each", "One token per expert, not in order.")
          .catches("as many rows as experts taken for rows in expert order")
          .flag("Permutation")
          .routes({{2}, {0}, {3}, {1}}),
      CaseBuilder("mixtral", "load/balanced",
                  "Three rows for each expert: the loss is at its minimum, its gradient exactly 0.")
          .flag("Load")
          .catches("equal loads computed as one batch with rows and experts transposed")
          .routes({{0, 1}, {2, 3}, {1, 0}, {3, 2}, {0, 2}, {1, 3}}),
      top1("load/descending", "Tokens arrive in descending order of their experts, two for each.")
          .catches("a sort that reverses descending runs, equal keys included")
          .flag("Permutation")
          .routes({{3}, {3}, {2}, {2}, {1}, {1}, {0}, {0}}),
      top1("load/tile-plus-one", "Seventeen rows for one expert: a tile of sixteen and one more.")
          .catches("rows of an expert beyond its first tile are not computed")
          .flag("TileTail")
          .set("shape.ffn_size=2")
          .set("shape.num_experts=3")
          .routes({{0}, {0}, {0}, {0}, {1}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}}),
  };
  return {{"load/patterns.json", std::move(cases)}};
}

}  // namespace moe
