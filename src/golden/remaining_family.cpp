#include "families.h"

// SparseMixer's weights, one after the other: each a share among the experts that were left and near.
namespace moe {
namespace {

std::vector<GoldenCase> mixed() {
  const auto mixer = [](const char* id, const char* comment) {
    return CaseBuilder("phimoe", id, comment)
        .flag("SparseMixer")
        .set("shape.ffn_size=3")
        .set("router.sparsemixer_jitter=0.125")  // others share up to a quarter of the best away from it
        .set("aux=[]");
  };
  return {
      mixer("sparsemixer/two",
            "Near the best of all two others share in its weight, near the next one; a fourth is far from "
            "both.")
          .logits({{4, 3.5, 3.25, 0}, {1, 8, 7, 6.5}, {-8, 2, 1.75, 1.875}})
          .catches("one softmax for both choices"),
      mixer("sparsemixer/alone", "Nobody is near: both weights are 1, and no gradient passes them.")
          .logits({{4, 2, 1, 0}, {0, 1, 4, 16}})
          .catches("weights that sum to 1"),
      mixer("sparsemixer/negative",
            "Below 0 a distance is compared with the size of the other, which is larger.")
          .logits({{-4, -5, -5.5, -8}, {-1, -1.25, -1.5, -2}, {-0.5, -3, -4, -3.75}})
          .catches("distances over the best"),
      mixer("sparsemixer/around-zero", "The best is 0, or all others lie on its other side.")
          .logits({{0, -1, -2, -4}, {0.5, -0.5, 0.25, -1}, {0, 0, -1, -1}})
          .catches("a quotient of 0 by 0"),
      mixer("sparsemixer/at-the-limit", "As far as others may be, and a little farther.")
          .logits({{4, 3, 2.25, 0}, {4, 2.9375, 2, 1}, {-3, -4, 0, -8}})
          .catches("others that must be nearer"),
      mixer("sparsemixer/near-the-second", "One is near the second, and not the first.")
          .logits({{8, 6.5, 5.5, 0}, {2, 10, 5, 8}})
          .catches("those near the first for both"),
      mixer("sparsemixer/three",
            "Of three choices the last shares with nobody, or with the one that is left.")
          .set("shape.top_k=3")
          .logits({{4, 3.5, 3.25, 3}, {1, 8, 7, 6.5}, {2, 2, 2, -2}})
          .catches("those that were chosen before among the others"),
      mixer("sparsemixer/tie", "Two that are equal, of which the first is the first choice.")
          .flag("Tie")
          .logits({{2, 2, 1.75, 0}, {1, 3, 3, 3}})
          .catches("the other of the two as the first"),
      mixer("sparsemixer/one", "A single choice.").set("shape.top_k=1").catches("a weight of 1"),
      mixer("sparsemixer/default", "The jitter of Phi-3.5: near is what differs by a fiftieth.")
          .set("router.sparsemixer_jitter=0.01")
          .logits({{4, 3.9375, 3.875, 3.5}, {64, 63, 62.5, 62}})
          .catches("another jitter"),
      mixer("sparsemixer/losses", "With a loss of the softmax over all, a factor, factors of experts.")
          .flag("Loss")
          .set(R"(aux=[{"name":"b","kind":"switch","coefficient":0.5,"f_source":"all_k"}])")
          .set("router.routed_scaling_factor=1.5")
          .set("router.expert_scale=true")
          .catches("a loss of what shares in the weights"),
      mixer("sparsemixer/capped", "Near by what logits are drawn together to.")
          .set("router.logit_softcap=2")
          .catches("distances of the logits themselves"),
      mixer("sparsemixer/dropped", "One place: a dropped choice keeps its weight, and what was left stays.")
          .flag("Capacity")
          .set("capacity.mode=fixed")
          .set("capacity.fixed=1")
          .logits({{4, 3.5, 3.25, 0}, {8, 7, 1, 6.5}, {2, 1.75, 1, 0}})
          .catches("a second choice that takes the place of the first"),
  };
}

}  // namespace

std::vector<GoldenFile> remaining_family() { return {{"sparsemixer/weights.json", mixed()}}; }

}  // namespace moe
