#include "families.h"

// The exact tier: small integers, weights of 1, 1/2 and 1/4, and activations that leave no dyadic number, so that a layer
// in floating point rounds nothing and is compared at zero tolerance.
namespace moe {
namespace {

using Chosen = std::vector<std::vector<Index>>;
using Sets = std::vector<const char*>;

struct Size {
  Index T, D, F, E, K;
};

/// Token t goes to expert 5 t + 3, of as many as there are, and to those that share all but the last log2 K bits with it.
Chosen spread(const Size& n) {
  Chosen chosen;
  for (Index t = 0; t < n.T; ++t) {
    chosen.emplace_back();
    for (Index k = 0; k < n.K; ++k) chosen.back().push_back((5 * t + 3) % n.E / n.K * n.K + k);
  }
  return chosen;
}

/// A renormalised mixture of plain experts with ReLU, unless `sets` say otherwise, on odd integers up to `most`. Where no ReLU
/// is to be at its kink, D - log2 K is odd: so many terms of a pre-activation are odd, and the others 0.
CaseBuilder exact(const char* id, const char* comment, const char* catches, const Size& n,
                  const Sets& sets = {}, Index most = 1) {
  CaseBuilder builder("mixtral", id, comment);
  builder.catches(catches).flag("Exact").flag("HandCheckable").tokens(n.T);
  for (const auto& [field, value] : {std::pair("shape.hidden_size=", n.D),
                                     {"shape.ffn_size=", n.F},
                                     {"shape.num_experts=", n.E},
                                     {"shape.top_k=", n.K}})
    builder.set((field + std::to_string(value)).c_str());
  for (const char* set : {"aux=[]", "experts.glu=false", "experts.activation=relu"}) builder.set(set);
  for (const char* set : sets) builder.set(set);
  return builder.grid(most).codes(spread(n));
}

constexpr Size kSmall{7, 9, 3, 2, 1};
constexpr const char *kGated = "experts.glu=true", *kIdentity = "experts.activation=identity",
                     *kRelu2 = "experts.activation=relu2", *kFixed = "capacity.mode=fixed",
                     *kOne = "capacity.fixed=1", *kTwo = "capacity.fixed=2";

std::vector<GoldenCase> forms() {
  return {
      exact("exact/identity", "Two linear maps.", "a transposed map, a row at another expert", kSmall,
            {kIdentity}),
      exact("exact/relu", "The ReLU between two linear maps.", "a row at another expert", kSmall),
      exact("exact/relu2", "A squared ReLU.", "a ReLU that is not squared", kSmall, {kRelu2}),
      exact("exact/identity-gated", "The product of two linear maps.", "gate and up from one matrix", kSmall,
            {kGated, kIdentity}),
      exact("exact/relu-gated", "A ReLU as the gate.", "gate and up interchanged", kSmall, {kGated}),
      exact("exact/relu2-gated", "A squared ReLU as the gate.", "gate and up interchanged", kSmall,
            {kGated, kRelu2}),
      exact("exact/wide-integers", "Integers up to 9: too many bits for narrow formats.",
            "sums kept in a narrow format", {7, 9, 8, 2, 1}, {kGated}, 9),
      exact("exact/biases", "All three biases.", "a bias of another expert", kSmall,
            {kGated, "experts.bias=per_expert"}),
      exact("exact/factor", "Weights of 5/2.", "the factor applied to no weight, or twice", kSmall,
            {"router.routed_scaling_factor=2.5"}),
      exact("exact/shared", "An expert for every token besides the chosen one.", "the shared expert left out",
            kSmall, {"shared.mode=add", "shared.ffn_size=5"}),
      exact("exact/shared-half", "A shared expert whose gate is sigmoid(0) = 1/2.",
            "the gate left out of the gradient", kSmall, {"shared.mode=sigmoid_gate", "shared.ffn_size=5"})
          .tensor(Tensor::shared_gate_weight, std::vector<double>(9, 0)),
  };
}

std::vector<GoldenCase> shapes() {
  const char* const rows = "the last rows of a tile";
  const char* const columns = "the last columns of a tile";
  return {
      exact("exact/ones", "T = D = F = E = K = 1.", "a squeezed axis", {1, 1, 1, 1, 1}, {kIdentity}),
      exact("exact/one-token", "T = 1.", "a squeezed axis", {1, 9, 3, 3, 1}),
      exact("exact/tokens-33", "T = 33.", rows, {33, 9, 3, 3, 1}),
      exact("exact/model-1", "D = 1.", "a squeezed axis", {7, 1, 3, 2, 1}, {kIdentity}),
      exact("exact/model-3", "D = 3.", columns, {7, 3, 8, 3, 1}),
      exact("exact/model-8", "D = 8.", columns, {7, 8, 3, 3, 1}, {kRelu2}),
      exact("exact/model-17", "D = 17.", columns, {7, 17, 3, 3, 1}),
      exact("exact/model-64", "D = 64.", columns, {7, 64, 3, 3, 1}, {kRelu2}),
      exact("exact/ffn-1", "F = 1.", "a squeezed axis", {7, 9, 1, 3, 1}),
      exact("exact/ffn-17", "F = 17.", columns, {7, 9, 17, 3, 1}),
      exact("exact/ffn-64", "F = 64.", columns, {7, 9, 64, 3, 1}),
      exact("exact/all-beside-tiles", "T = 33, D = 17, F = 17, E = 3, gated.", rows, {33, 17, 17, 3, 1},
            {kGated}),
      exact("exact/experts-16", "16 experts, two or three tokens each.", "an id cut to three bits",
            {33, 9, 3, 16, 1}),
      exact("exact/experts-257", "257 experts, and ids on both sides of 128 and 256.",
            "an id cut to a byte, or with a sign", {7, 9, 1, 257, 1})
          .codes({{256}, {255}, {0}, {128}, {1}, {127}, {254}}),
      exact("exact/one-takes-all", "One expert has every token, all others none.",
            "weight gradients of empty experts that are not 0", {7, 9, 3, 4, 1})
          .codes(Chosen(7, {2})),
      exact("exact/first-and-last-empty", "The first and the last expert are empty, and two between.",
            "offsets that skip an empty expert", {7, 9, 3, 8, 1})
          .codes({{5}, {2}, {5}, {1}, {2}, {5}, {6}}),
  };
}

std::vector<GoldenCase> weights() {
  return {
      exact("exact/halves", "K = 2 with equal logits: weights of 1/2.", "weights that do not share 1",
            {7, 8, 3, 4, 2}),
      exact("exact/quarters", "K = 4 with equal logits: weights of 1/4.", "weights that do not share 1",
            {7, 9, 3, 8, 4}),
      exact("exact/halves-gated", "Weights of 1/2 in a larger layer, gated.",
            "the outputs of two experts at one token's place", {33, 17, 8, 16, 2}, {kGated, kRelu2}, 3),
      exact("exact/uniform", "K = E = 2 with equal logits, not renormalised: scores of 1/2.",
            "a gradient that does not go through all scores", {7, 8, 3, 2, 2}, {"router.renorm=none"}),
      exact("exact/sigmoid-halves", "K = E = 2 with logits of 0: sigmoids of 1/2.", "softmax for sigmoid",
            {7, 8, 3, 2, 2}, {"router.score_function=sigmoid", "router.renorm=none"}),
      exact("exact/sigmoid-shares", "Sigmoids of 1/2 that share a weight of 1.",
            "a derivative that misses the denominator", {7, 8, 3, 2, 2}, {"router.score_function=sigmoid"}),
      exact("exact/bias-decides", "A selection bias that sends every token to expert 2, at a weight of 1.",
            "a weight that holds the bias", {7, 9, 3, 4, 1}, {"router.selection_bias=true"})
          .tensor(Tensor::router_selection_bias, {0, 0, 3, 0}),
      exact("exact/groups", "The best of two groups, and the best in it.", "groups of other experts",
            {7, 8, 3, 8, 2}, {"router.n_group=2", "router.topk_group=1"}),
  };
}

std::vector<GoldenCase> capacity() {
  const Size pairs{3, 8, 3, 4, 2}, one_each{7, 9, 3, 2, 1};
  // Expert 1 is the second choice of token 0 and the first of token 1; expert 3 is full with token 1.
  const Chosen contested{{0, 1}, {1, 3}, {2, 3}};
  return {
      exact("exact/overflow", "An expert takes two; who is dropped outputs 0.",
            "other tokens dropped, or a gradient through a dropped one", one_each, {kFixed, kTwo}),
      exact("exact/overflow-identity", "Who is dropped outputs its x.", "0 for a dropped token", one_each,
            {kFixed, kTwo, "capacity.dropped_output=identity"}),
      exact("exact/overflow-scaled", "Who is dropped outputs w x.", "a dropped token without a weight",
            one_each, {kFixed, kTwo, "capacity.dropped_output=scaled_identity"}),
      exact("exact/no-capacity", "C = 0: y is 0, and so is every gradient.", "a capacity of 0 taken for none",
            one_each, {kFixed, "capacity.fixed=0"}),
      exact("exact/token-major", "Token 0 takes both its experts before token 1 has any.",
            "first choices before second ones", pairs, {kFixed, kOne, "capacity.order=token_major"})
          .codes(contested),
      exact("exact/choice-major", "First choices come first: equal logits put the lower id there.",
            "token 0 before token 1", pairs, {kFixed, kOne, "capacity.order=choice_major"})
          .codes(contested),
      exact("exact/renorm-after-drop", "A choice that survives alone has a weight of 1.",
            "weights of 1/2 after the drop", pairs, {kFixed, kOne, "router.renorm_stage=after_drop"})
          .codes(contested),
      exact("exact/both-dropped", "The last token loses both choices, and outputs its x.", "weights of 0 / 0",
            pairs, {kFixed, kOne, "router.renorm_stage=after_drop", "capacity.dropped_output=identity"})
          .codes({{0, 1}, {2, 3}, {1, 3}}),
      exact("exact/groups-of-tokens", "Each half of the tokens has its own two places.",
            "one capacity for all tokens", {8, 9, 3, 2, 1},
            {kFixed, kTwo, "capacity.scope=group", "shape.num_groups=2"})
          .codes({{0}, {0}, {0}, {1}, {0}, {1}, {0}, {0}}),
  };
}

}  // namespace

std::vector<GoldenFile> exact_family() {
  return {{"exact/forms.json", forms()},
          {"exact/shapes.json", shapes()},
          {"exact/weights.json", weights()},
          {"exact/capacity.json", capacity()}};
}

}  // namespace moe
