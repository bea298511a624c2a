#include "families.h"

// Forms of an expert: activation, gate, biases.
namespace moe {
namespace {

CaseBuilder form(const char* id, const char* comment, const char* activation) {
  return CaseBuilder("mixtral", id, comment).flag("Activation").set(activation);
}

}  // namespace

std::vector<GoldenFile> experts_family() {
  const auto plain = [](const char* id, const char* comment, const char* activation) {
    return form(id, comment, activation).set("experts.glu=false");
  };
  // A kink: the first column of x is the pre-activation of every hidden unit, and 0 for token 1.
  const auto kink = [](const char* id, const char* comment, const char* activation) {
    return CaseBuilder("dense", id, comment)
        .flag("Activation")
        .set(activation)
        .set("experts.glu=false")
        .set("shape.num_tokens=3")
        .set("shape.hidden_size=2")
        .set("shape.ffn_size=2")
        .tensor(Tensor::x, {1, 0.5, 0, 0.75, -1, 0.25});
  };
  std::vector<GoldenCase> cases{
      form("experts/gelu-erf", "GELU by the error function.", "experts.activation=gelu_erf")
          .catches("the tanh form of GELU"),
      form("experts/gelu-tanh", "GELU by the tanh form.", "experts.activation=gelu_tanh")
          .catches("the error function, or sigmoid(1.702 z)"),
      form("experts/biases", "All three biases, in a mixture.", "experts.bias=per_expert")
          .catches("the bias of down added once a token, not once a choice"),
      form("experts/relu-gated", "ReLU as the gate.", "experts.activation=relu")
          .catches("another activation of the gate"),
      form("experts/zero-biases", "Biases of 0: as without any.", "experts.bias=per_expert")
          .catches("biases that are added twice, or of another expert")
          .tensor(Tensor::experts_gate_bias, std::vector<double>(16))
          .tensor(Tensor::experts_up_bias, std::vector<double>(16))
          .tensor(Tensor::experts_down_bias, std::vector<double>(16)),
      form("experts/down-bias-only", "A bias of down alone, weighted with its expert.",
           "experts.bias=per_expert")
          .catches("a bias of down that the weight does not multiply")
          .tensor(Tensor::experts_gate_bias, std::vector<double>(16))
          .tensor(Tensor::experts_up_bias, std::vector<double>(16)),
      kink("experts/relu-kink", "A pre-activation of exactly 0 in a plain expert: its slope is 0.",
           "experts.activation=relu")
          .flag("Kink")
          .catches("a slope of 1/2 at 0")
          .tensor(Tensor::experts_up, {1, 0, 2, 0}),
      form("experts/identity-gated", "A bilinear expert: gate times up.", "experts.activation=identity")
          .catches("an activation where there is none"),
      plain("experts/identity", "Two linear maps, and nothing between them.", "experts.activation=identity")
          .catches("a ReLU between the two maps"),
      form("experts/relu2-gated", "The square of a ReLU, times up.", "experts.activation=relu2")
          .catches("a ReLU that is not squared, or a square whose slope lacks its 2"),
      plain("experts/relu2", "The square of a ReLU.", "experts.activation=relu2")
          .catches("the square of what ReLU cuts off"),
      kink("experts/relu2-kink",
           "A pre-activation of exactly 0: the slope of a squared ReLU is 0 there, and no matter of "
           "convention.",
           "experts.activation=relu2")
          .catches("a slope of 0 / 0 at 0")
          .tensor(Tensor::experts_up, {1, 0, 2, 0}),
  };
  return {{"experts/forms.json", std::move(cases)}};
}

}  // namespace moe
