#include "../src/certify/invariants.h"
#include "backward.h"

using namespace moe;

namespace {

const std::vector<std::string> kBiased{"experts.bias=per_expert",
                                       R"(aux=[{"name":"z","kind":"z","coefficient":0.25}])"};

/// One of the layer's numbers, made wrong, and the rule that must say so.
struct Wrong {
  const char* rule;
  Config config;
  std::function<Ball&(Backward&)> number;
};

std::string broken_by(const Wrong& wrong) {
  Inputs inputs = seeded_inputs(wrong.config, 12);
  if (wrong.rule == std::string("I9"))  // a bias of 0 is not in (I7)
    inputs.at(Tensor::experts_down_bias) = array_of({4, 6}, std::vector<double>(24).data());
  Backward layer(wrong.config, inputs);
  wrong.number(layer) += Ball::power_of_two(-60);
  Invariants rules(layer.config, layer.params, layer.trace);
  for (Index e = 0; e < layer.config.shape.num_experts; ++e) rules.add(e, at(layer.of_expert, e));
  try {
    rules.values(layer.grads);
  } catch (const CertificateBroken& broken) {
    return std::string(broken.what()).substr(0, 13);
  }
  return "all hold";
}

Index empty_expert(const Backward& layer) {
  Index e = 0;
  while (layer.trace.dispatch.count(e) > 0) ++e;
  return e;
}

}  // namespace

TEST_CASE("invariants: an error of 2^-60 breaks the rule that it concerns") {
  const Bits bits(128);
  const Config mixtral = small("mixtral"), biased = small("mixtral", kBiased),
               gated = small("mixtral", {"shared.mode=sigmoid_gate", "shared.ffn_size=3"}),
               sparse = small("mixtral", {"shape.num_tokens=1"}),
               top1 = small("mixtral", {"shape.top_k=1", "aux=[]"}),
               sigmoid = small("mixtral", {"router.score_function=sigmoid"}),
               inward = small("mixtral", {"combine.weight_location=input"}),
               logit_bias = small("mixtral", {"router.logit_bias=true"});
  for (const Wrong& wrong : std::vector<Wrong>{
           {"I1", mixtral, [](Backward& b) -> Ball& { return b.grads.logits(2, 1); }},
           {"I1", biased, [](Backward& b) -> Ball& { return b.trace.router.logsumexp(0, 0); }},
           {"I2", sparse, [](Backward& b) -> Ball& { return at(b.of_expert, empty_expert(b)).down(5, 6); }},
           {"I3", sigmoid, [](Backward& b) -> Ball& { return b.grads.scores(4, 3); }},
           {"I4", mixtral, [](Backward& b) -> Ball& { return b.grads.router_weight(3, 5); }},
           {"I4", logit_bias, [](Backward& b) -> Ball& { return b.grads.router_bias(0, 1); }},
           {"I5", mixtral, [](Backward& b) -> Ball& { return b.grads.topk_weights(4, 1); }},
           {"I5", inward, [](Backward& b) -> Ball& { return b.grads.in(3, 2); }},
           {"I6", mixtral, [](Backward& b) -> Ball& { return b.trace.loss.task; }},
           {"I6", gated, [](Backward& b) -> Ball& { return b.grads.shared.down(1, 2); }},
           {"I7", mixtral,
            [](Backward& b) -> Ball& { return at(b.of_expert, b.decisions.expert(0, 0)).up(6, 0); }},
           {"I7", biased,
            [](Backward& b) -> Ball& { return at(b.of_expert, b.decisions.expert(0, 0)).gate_bias(0, 6); }},
           {"I8", mixtral, [](Backward& b) -> Ball& { return b.grads.hidden(9, 6); }},
           {"I9", biased, [](Backward& b) -> Ball& {
              return at(b.of_expert, b.decisions.expert(0, 0)).down_bias(0, 5);
            }}}) {
    CAPTURE(wrong.rule);
    CHECK(broken_by(wrong) == "sum rule (" + std::string(wrong.rule) + ')');
  }
  // With K = 1 renormalised a gradient in the logits also breaks (I1); for sigmoids, which (I1) says nothing of, it is (I2).
  const Config alone = small("mixtral", {"shape.top_k=1", "aux=[]", "router.score_function=sigmoid"});
  CHECK(broken_by({"I2", alone, [](Backward& b) -> Ball& { return b.grads.logits(0, 0); }}) ==
        "sum rule (I2)");
  CHECK(broken_by({"I1", top1, [](Backward& b) -> Ball& { return b.grads.logits(0, 0); }}) ==
        "sum rule (I1)");
}

namespace {

/// The sums of golden/README.md as a reader of a golden file takes them: from published numbers alone, in doubles.
class Reader {
 public:
  Reader(const Inputs& inputs, const Arrays& arrays) : inputs_(inputs), arrays_(arrays) {}

  /// <a, b>, or the sum of a for no b; and what its error in doubles may be.
  void add(const std::string& a, const std::string& b = "") {
    const std::vector<double> x = numbers(a), y = b.empty() ? std::vector<double>(x.size(), 1.0) : numbers(b);
    REQUIRE(x.size() == y.size());
    for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i], size += std::abs(x[i] * y[i]);
  }
  double sum = 0, size = 0;

 private:
  std::vector<double> numbers(const std::string& name) const {
    for (const auto& [id, a] : inputs_)
      if (name == name_of(id)) return values_in({{name, a}}, name);
    return values_in(arrays_, name);
  }
  const Inputs& inputs_;
  const Arrays& arrays_;
};

}  // namespace

TEST_CASE(
    "invariants: every preset states the rules that it keeps, and a reader finds their values in doubles") {
  using Terms = std::vector<std::pair<std::string, std::string>>;
  struct Sum {
    const char* rule;
    std::size_t value;
    Terms terms;
  };
  const auto sums_of = [](const Config& config) {
    Terms router{{"grad.router.weight", "router.weight"}}, up{{"grad.experts.up", "experts.up"}};
    if (config.router.logit_bias) router.emplace_back("grad.router.bias", "router.bias");
    if (has_bias(config)) up.emplace_back("grad.experts.up_bias", "experts.up_bias");
    const std::string weighed = weighs_input(config)    ? "expert.in"
                                : norms_experts(config) ? "expert.normed"
                                                        : "expert.out";
    std::vector<Sum> sums{{"I4", 0, router},
                          {"I4", 0, {{"grad.router.logits", "router.logits"}}},
                          {"I5", 0, {{"grad.router.topk_weights", "router.topk_weights"}}},
                          {"I5", 0, {{"grad." + weighed, weighed}}},
                          {"I6", 0, {{"loss.task", ""}}},
                          {"I7", 1, up},
                          {"I7", 1, {{"grad.expert.up", "expert.up"}}},
                          {"I8", 0, {{"grad.expert.hidden", "expert.hidden"}}},
                          {"I8", 0, {{"grad.expert.up", "expert.up"}}}};
    if (config.experts.identity_experts == 0)  // else of the rows of the others only
      sums.push_back({"I7", 0, {{"grad.expert.out", "expert.out"}}});
    return sums;
  };
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    const Config config = load_config(preset.name, {"shape.num_tokens=8"}).config;
    const Inputs inputs = seeded_inputs(config, 12);
    const Certified proof = certify(config, inputs, {});
    REQUIRE(proof.gradient);
    std::map<std::string, std::vector<double>> stated;
    for (const Invariant& i : proof.gradient->invariants) stated[i.rule] = i.values;
    CHECK(stated.count("I7") == 1);
    CHECK(stated.count("I4") == (has_router(config) ? 1 : 0));
    for (const Sum& sum : sums_of(config)) {
      if (stated.count(sum.rule) == 0) continue;
      CAPTURE(sum.rule);
      Reader reader(inputs, proof.arrays);
      for (const auto& [a, b] : sum.terms) reader.add(a, b);
      CHECK(std::abs(reader.sum - stated.at(sum.rule).at(sum.value)) <= 0x1p-40 * reader.size);
    }
    for (const char* rule : {"I2", "I3"})
      for (const double value : stated[rule]) CHECK(value == 0);
  }
}

TEST_CASE("invariants: the sum over logits is what the z-loss leaves, by hand") {
  // Two equal logits of 0: l = log 2, and a z-loss of coefficient 1/2 for one token adds 2 / 1 log 2 / 2 = log 2.
  Config config =
      load_config("mixtral", {"shape.num_tokens=1", "shape.num_experts=2", "shape.hidden_size=1",
                              "shape.ffn_size=1", R"(aux=[{"name":"z","kind":"z","coefficient":0.5}])"})
          .config;
  Inputs inputs = seeded_inputs(config);
  inputs.at(Tensor::x) = array_of({1, 1}, std::vector<double>(1).data());
  const Certified proof = certify(config, inputs, {});
  const Invariant& first = proof.gradient->invariants.at(0);
  CHECK(first.rule == "I1");
  CHECK(first.values == std::vector<double>{std::log(2.0)});
}
