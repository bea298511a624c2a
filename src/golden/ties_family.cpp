#include "families.h"

// Equal logits, and logits that only a narrow format takes for equal.
namespace moe {
namespace {

CaseBuilder tie(const char* id, const char* comment) {
  return CaseBuilder("mixtral", id, comment).flag("Tie");
}
CaseBuilder near(const char* id, const char* comment) {
  return CaseBuilder("mixtral", id, comment).flag("NearTie");
}

/// One token with E logits of -1, but for those given.
Rows one_token(Index E, std::initializer_list<std::pair<Index, double>> set) {
  std::vector<double> z(static_cast<std::size_t>(E), -1);
  for (const auto& [e, value] : set) at(z, e) = value;
  return {z};
}

std::vector<GoldenCase> exact_ties() {
  return {
      tie("ties/boundary", "Experts 1 and 3 tie for the second slot.")
          .catches("the higher of two equal ids is chosen")
          .logits({{0.5, 1, 2, 1}, {3, 0.25, 1, 0}}),
      tie("ties/inside-set", "The two chosen experts tie: the set is certain, the slots follow the id.")
          .catches("equal logits take their slots from the higher id down")
          .logits({{0.5, 2, 0.25, 2}}),
      tie("ties/three-way", "Experts 0, 2 and 3 tie for two slots.")
          .catches("a tie of more than two resolved as the first and the last")
          .set("shape.top_k=3")
          .logits({{1, 3, 1, 1, 0}}),
      tie("ties/zero-token", "All logits of a token are 0, and it is a token all the same.")
          .catches("a token whose logits are all 0 is taken for padding")
          .logits({{0, 0, 0, 0}, {1, 0, 3, 2}}),
      tie("ties/all-equal-k-is-e", "All logits are -1 and all experts are chosen.")
          .catches("the running maximum of a selection starts at 0")
          .set("shape.top_k=4")
          .logits({{-1, -1, -1, -1}}),
      tie("ties/ids-255-256", "Experts 255 and 256 tie for the second slot.")
          .catches("ids compared by their low byte")
          .flag("ManyExperts")
          .set("shape.hidden_size=2")
          .set("shape.ffn_size=1")
          .logits(one_token(257, {{3, 2}, {255, 1}, {256, 1}})),
      tie("ties/every-token", "Every token has a tie at the boundary.")
          .catches("the rule for ties holds for the first token of a block only")
          .logits({{2, 1, 1, 0}, {0, 3, 2, 2}, {1, 1, 0, 4}}),
      tie("ties/signed-zero", "Logits 0 and -0 are one number.")
          .catches("-0 ordered below +0")
          .set("shape.top_k=1")
          .set("shape.hidden_size=1")
          .set("shape.num_tokens=1")
          .set("shape.num_experts=2")
          .tensor(Tensor::x, {1})
          .tensor(Tensor::router_weight, {-0.0, 0.0}),
      tie("ties/duplicate-experts",
          "Experts 1 and 2 are the same, weights and all: either choice gives the same y.")
          .catches("the gradient of equal experts collected in the first of them")
          .set("shape.top_k=1")
          .set("router.renorm=none")
          .logits({{0, 1, 1, 0.5}, {0, 2, 1, 0}, {0.5, 1, 2, 0}})
          .copy_expert(1, 2),
  };
}

std::vector<GoldenCase> near_ties() {
  return {
      near("ties/one-ulp-of-bf16",
           "Logits one unit in the last place of bf16 apart; their scores round to one bf16 number.")
          .catches("experts ranked by scores in bf16")
          .logits({{0, 0.25, 1, 0.251953125}}),
      near("ties/below-bf16", "Logits that differ, and round to one bf16 number.")
          .catches("experts ranked by logits in bf16")
          .logits({{0, 1, 2, 1.0009765625}}),
      near("ties/one-ulp-of-fp32", "Logits one unit in the last place of fp32 apart.")
          .catches("logits within 1e-6 taken for equal")
          .logits({{0, 1, 2, 1.00000011920928955078125}}),
      near("ties/underflow",
           "Scores of the second slot that underflow in fp32, so that only logits tell them apart.")
          .catches("experts ranked by scores in fp32")
          .flag("Score")
          .logits({{0, -300, -200, -400}}),
      near("ties/sigmoid-saturated", "Sigmoid scores that are both 1 in fp32.")
          .catches("experts ranked by sigmoid scores in fp32")
          .flag("Score")
          .set("router.score_function=sigmoid")
          .set("shape.top_k=1")
          .set("router.renorm=none")
          .logits({{0, 40, 50, 1}}),
      near("ties/sigmoid-underflow",
           "All sigmoid scores underflow in fp32: a share of them is 0 / 0 there, and 1/2 here.")
          .catches("shares of underflowed scores")
          .flag("Score")
          .flag("Renormalisation")
          .set("router.score_function=sigmoid")
          .logits({{-150, -120, -120, -150}}),
  };
}

}  // namespace

std::vector<GoldenFile> ties_family() {
  return {{"ties/exact.json", exact_ties()}, {"ties/near.json", near_ties()}};
}

}  // namespace moe
