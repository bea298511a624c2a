#include "families.h"

// Sizes of 0 and 1, K = E, and sizes just beside the tiles of kernels.
namespace moe {
namespace {

CaseBuilder edge(const char* id, const char* comment) {
  return CaseBuilder("mixtral", id, comment).flag("EdgeShape");
}

/// A tiny layer with one size that is no multiple of a tile.
CaseBuilder tail(const char* id, const char* comment, const char* size) {
  return CaseBuilder("mixtral", id, comment)
      .flag("TileTail")
      .set("shape.num_tokens=2")
      .set("shape.ffn_size=2")
      .set("shape.num_experts=2")
      .set("shape.top_k=1")
      .set("router.renorm=none")
      .set(size);
}

/// Logits of 0, but `values` from expert `first` on, in one token.
Rows peak(Index E, Index first, const std::vector<double>& values) {
  std::vector<double> z(static_cast<std::size_t>(E), 0);
  std::copy(values.begin(), values.end(), z.begin() + first);
  return {z};
}

constexpr const char* kBothLosses =
    R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.5,"f_source":"all_k"},{"name":"z",
            "kind":"z","coefficient":0.25}])";

std::vector<GoldenCase> edges() {
  return {
      edge("shapes/no-tokens", "T = 0: all shapes stand, all losses and all gradients are 0.")
          .catches("the mean of no tokens is 0 / 0")
          .set(kBothLosses)
          .tokens(0),
      edge("shapes/one-expert", "E = K = 1 with a router: its weight is 1, and the z-loss still trains it.")
          .catches("a single expert skips the router and its z-loss")
          .set("shape.num_experts=1")
          .set("shape.top_k=1")
          .set("router.renorm=none")
          .set(R"(aux=[{"name":"z","kind":"z","coefficient":0.125}])"),
      edge("shapes/top1-renormalised",
           "K = 1 renormalised: every weight is exactly 1, the task trains no router.")
          .catches("weights of shape (T) shared across the tokens instead of the choices")
          .set("shape.top_k=1")
          .flag("Renormalisation"),
      edge("shapes/k-is-e", "K = E: the mixture is dense, and slots still follow the logits.")
          .catches("a dense path that leaves experts in the order of their ids")
          .set("shape.top_k=4"),
  };
}

std::vector<GoldenCase> experts() {
  const auto many = [](const char* id, const char* comment) {
    return CaseBuilder("mixtral", id, comment)
        .flag("ManyExperts")
        .set("shape.hidden_size=2")
        .set("shape.ffn_size=1");
  };
  return {
      many("shapes/experts-71", "71 experts, and the last one wins.")
          .catches("experts beyond the last whole warp of 32 are not seen")
          .logits(peak(71, 69, {0.5, 1})),
      many("shapes/experts-129", "129 experts, and the last one wins.")
          .catches("experts beyond the last whole tile of 128 are not seen")
          .set("shape.top_k=1")
          .logits(peak(129, 128, {1})),
      many("shapes/experts-257", "257 experts, and the last one wins.")
          .catches("expert ids kept in a byte")
          .set("shape.top_k=1")
          .logits(peak(257, 256, {1})),
      many("shapes/eight-of-256-in-one-block", "All eight winners of 256 lie among the same 32.")
          .catches("a block of 32 experts contributes at most four")
          .set("shape.top_k=8")
          .logits(peak(256, 64, {1, 2, 3, 4, 5, 6, 7, 8})),
      many("shapes/top-32-of-40", "K = 32.")
          .catches("choices beyond the sixteenth are not combined")
          .set("shape.num_experts=40")
          .set("shape.top_k=32")
          .tokens(2),
  };
}

std::vector<GoldenCase> tails() {
  return {
      tail("shapes/model-7", "D = 7.", "shape.hidden_size=7")
          .catches("columns of x beyond a multiple of 4 are not multiplied"),
      tail("shapes/ffn-5", "F = 5.", "shape.ffn_size=5")
          .catches("hidden values beyond a multiple of 4 are not multiplied"),
      tail("shapes/model-12", "D = 12.", "shape.hidden_size=12")
          .catches("columns of x beyond a multiple of 8 are not multiplied"),
      tail("shapes/model-24", "D = 24.", "shape.hidden_size=24")
          .catches("columns of x beyond a multiple of 16 are not multiplied"),
      tail("shapes/model-48", "D = 48.", "shape.hidden_size=48")
          .catches("columns of x beyond a multiple of 32 are not multiplied"),
      tail("shapes/model-96", "D = 96.", "shape.hidden_size=96")
          .catches("columns of x beyond a multiple of 64 are not multiplied"),
      tail("shapes/model-192", "D = 192.", "shape.hidden_size=192")
          .catches("columns of x beyond a multiple of 128 are not multiplied"),
      tail("shapes/assignments-33", "T K = 33, one block and one more.", "shape.num_tokens=11")
          .catches("assignments beyond the first block of 32 are dropped")
          .set("shape.top_k=3")
          .set("shape.num_experts=3"),
      tail("shapes/tokens-80", "T = 80.", "shape.num_tokens=80")
          .catches("tokens beyond a multiple of 64 are not routed"),
  };
}

}  // namespace

std::vector<GoldenFile> shapes_family() {
  return {{"shapes/edges.json", edges()}, {"shapes/tails.json", tails()}, {"shapes/experts.json", experts()}};
}

}  // namespace moe
