#include "families.h"

// Cases that can be checked by hand: one for the whole layer, one for overflow, one for the expert alone.
namespace moe {

std::vector<GoldenFile> worked_family() {
  // Logits by hand. Token 0: (1 - 1/4, -1/2 - 1/2, 3/4 + 1/8) = (0.75, -1, 0.875), so experts 2, 0 by a margin of 1.75.
  // Token 1: (1/4 + 1, -1/8 + 2, 3/16 - 1/2) = (1.25, 1.875, -0.3125), so experts 1, 0 by a margin of 1.5625.
  GoldenCase layer =
      CaseBuilder("mixtral", "worked/layer", "Two tokens, three experts, two each; every logit by hand.")
          .catches("any stage of the layer, forward or backward")
          .flag("HandCheckable")
          .set("shape.num_tokens=2")
          .set("shape.hidden_size=2")
          .set("shape.ffn_size=2")
          .set("shape.num_experts=3")
          .set(
              R"(aux=[{"name":"load_balance","kind":"switch","coefficient":0.0078125,"f_source":"all_k",
            "f_divide_by_k":true},
                                      {"name":"z","kind":"z","coefficient":0.0009765625}])")
          .tensor(Tensor::x, {1, -0.5, 0.25, 2})
          .tensor(Tensor::router_weight, {1, 0.5, -0.5, 1, 0.75, -0.25})
          .tensor(Tensor::experts_gate, {0.5, -1, 1, 0.25, -0.75, 0.5, 0.25, 1, 1, 1, -0.5, 0.75})
          .tensor(Tensor::experts_up, {1, 0.5, -0.25, 0.5, 0.5, 0.5, 1, -0.5, -1, 0.25, 0.5, 0.5})
          .tensor(Tensor::experts_down, {1, -0.5, 0.25, 1, 0.5, 0.5, -1, 0.75, -0.25, 1, 0.5, -0.5})
          .tensor(Tensor::dy, {1, -1, 0.5, -0.25});

  // C = floor(5 / 2) = 2. The logits are (x, 0), so tokens 0 to 3 prefer expert 0, and 2 and 3 are dropped: they output 0.
  // Tokens 0 and 1: up = x = (1, 2), relu keeps both, down = 3 gives out = (3, 6). Token 4: up = -x = 1, out = 5. Each
  // is multiplied by its score, 1 / (1 + exp(-|x|)).
  GoldenCase overflow = CaseBuilder("switch", "worked/overflow",
                                    "Four tokens for one expert that takes two, and one for the other.")
                            .catches("keeping the wrong two, or more than two")
                            .flag("HandCheckable")
                            .flag("Capacity")
                            .set("shape.num_tokens=5")
                            .set("shape.hidden_size=1")
                            .set("shape.ffn_size=1")
                            .set("shape.num_experts=2")
                            .set("capacity.factor=1")
                            .tensor(Tensor::x, {1, 2, 1, 0.5, -1})
                            .tensor(Tensor::router_weight, {1, 0})
                            .tensor(Tensor::experts_up, {1, -1})
                            .tensor(Tensor::experts_down, {3, 5})
                            .tensor(Tensor::dy, {1, 1, 1, 1, 1});

  // g = 1 2 = 2, u = 1 -1 = -1, h = 2 / (1 + e^-2) (-1), out = y = 4 h.
  GoldenCase expert = CaseBuilder("dense", "worked/expert", "One token, one number at every stage.")
                          .catches("the order of gate and up")
                          .flag("HandCheckable")
                          .flag("EdgeShape")
                          .set("shape.num_tokens=1")
                          .set("shape.hidden_size=1")
                          .set("shape.ffn_size=1")
                          .tensor(Tensor::x, {1})
                          .tensor(Tensor::experts_gate, {2})
                          .tensor(Tensor::experts_up, {-1})
                          .tensor(Tensor::experts_down, {4})
                          .tensor(Tensor::dy, {0.5});
  return {{"worked/layer.json", {std::move(layer)}},
          {"worked/stages.json", {std::move(overflow), std::move(expert)}}};
}

}  // namespace moe
