#include "../src/certify/ledger.h"
#include "moe/certify.h"
#include "support.h"

using namespace moe;

namespace {

Inputs with(Inputs inputs, Tensor id, const std::vector<double>& values) {
  inputs.at(id) = array_of(inputs.at(id).dims, values.data());
  return inputs;
}

/// Two experts, D = 1, and these logits for one token x = 1.
Config two_experts(const std::vector<std::string>& sets = {}) {
  std::vector<std::string> all{"shape.num_tokens=1", "shape.hidden_size=1", "shape.ffn_size=1",
                               "shape.num_experts=2"};
  all.insert(all.end(), sets.begin(), sets.end());
  return load_config("mixtral", all).config;
}

}  // namespace

TEST_CASE("certify: proven numbers agree with plain doubles to their rounding errors, and none is refused") {
  for (const char* preset : {"dense", "switch", "mixtral"}) {
    const Config config = small(preset);
    const Inputs inputs = seeded_inputs(config, 12);
    const Certified proof = certify(config, inputs, {});
    CHECK(proof.refused.empty());
    CHECK(proof.numbers > 400);
    CHECK(difference(proof.arrays, evaluate<double>(config, inputs, &proof.decisions, true), 0x1p-43) == "");
    REQUIRE(proof.gradient);
    CHECK(proof.gradient->differentiable);
    CHECK(proof.gradient->differences == 4);
  }
}

TEST_CASE("certify: the same numbers at any precision") {
  const Config config = small("mixtral");
  const Inputs inputs = seeded_inputs(config, 12);
  const auto rounded_at = [&](slong bits) {
    Ball::bits = bits;
    const auto params = params_of<Ball>(config, inputs);
    Ledger ledger;
    const Matrix<Ball> y = layer_forward(config, params, decide(config, params)).y;
    ledger("y", {5, 6}, 0, y.data(), y.size());
    CHECK(ledger.open_after_pass() == 0);
    Certified result;
    ledger.close(result);
    return result.arrays.at(0).second.bytes;
  };
  CHECK(rounded_at(128) == rounded_at(400));
}

TEST_CASE("certify: a cancelled gradient is proven to be zero, at more bits") {
  // One choice, renormalised: w = 1. Without a loss the task's gradient of x is sum_f du_f up_f, with du = (1, -1) s and
  // equal rows of up: exactly zero, though every term carries the transcendental factor s = silu'(0.5).
  const Config config = load_config("dense", {"experts.glu=false", "shape.num_tokens=1",
                                              "shape.hidden_size=1", "shape.ffn_size=2"})
                            .config;
  Inputs inputs = seeded_inputs(config);
  inputs = with(inputs, Tensor::x, {1});
  inputs = with(inputs, Tensor::experts_up, {0.5, 0.5});
  inputs = with(inputs, Tensor::experts_down, {1, -1});
  const Certified proof = certify(config, inputs, {true, false, 0, [](double) {}});
  CHECK(proof.refused.empty());
  CHECK(proof.bits == 1280);
  CHECK(values_in(proof.arrays, "grad.x") == std::vector<double>{0});
}

TEST_CASE("certify: an exact rounding midpoint that balls only surround is refused, with its enclosure") {
  // Both experts say 3 * 3002399751580331 = 2^53 + 1, halfway between two doubles; their weights sum to 1 in truth, and
  // to a ball around 1 at every precision.
  const Config config = two_experts({"experts.glu=false", "experts.activation=relu", "aux=[]"});
  Inputs inputs = with(with(seeded_inputs(config), Tensor::x, {1}), Tensor::dy, {1});
  inputs = with(with(inputs, Tensor::router_weight, {0.5, 0.25}), Tensor::experts_up, {3, 3});
  inputs = with(inputs, Tensor::experts_down, {3002399751580331, 3002399751580331});
  const Certified proof = certify(config, inputs, {false, false, 0, [](double) {}});
  REQUIRE(proof.refused.size() == 3);  // y, loss.task, loss.total
  CHECK(proof.refused[0].tensor == "y");
  CHECK(proof.refused[0].low == 0x1p53);
  CHECK(proof.refused[0].high == 0x1p53 + 2);
  CHECK(proof.bits == 2560);
  CHECK(tensor_in(proof.arrays, "expert.out").real(0) == 0x1p53);  // exact, so its rounding to even is known
}

TEST_CASE("certify: a choice that 2560 bits do not settle is refused, not guessed") {
  const Config config = load_config("mixtral", {"shape.num_tokens=1", "shape.hidden_size=2",
                                                "shape.ffn_size=1", "shape.num_experts=2", "shape.top_k=1"})
                            .config;
  Inputs inputs = with(seeded_inputs(config), Tensor::x, {0x1p900, 0x1p-900});
  inputs = with(inputs, Tensor::router_weight, {0x1p900, 0, 0x1p900, 0x1p-900});  // logits differ in bit 3600
  try {
    certify(config, inputs, {});
    FAIL("not refused");
  } catch (const CannotRun& e) {
    CHECK(std::string(e.what()) == "refused: a decision stays undecided at 2560 bits");
  }
}

TEST_CASE(
    "certify: margins go down to three digits, ties are found, and a boundary tie is no differentiable "
    "place") {
  const Config config = load_config("mixtral", {"shape.num_tokens=3", "shape.hidden_size=3",
                                                "shape.ffn_size=1", "shape.num_experts=4"})
                            .config;
  Inputs inputs = with(seeded_inputs(config), Tensor::x, {1, 0, 0, 0, 1, 0, 0, 0, 1});
  inputs = with(inputs, Tensor::router_weight,
                {3, 1, 2, 2, 1, 2, 1.00390625, 1, 0.5, 0, 0, 1});  // columns are tokens
  const Certified proof = certify(config, inputs, {});
  CHECK(proof.margin == std::vector<double>{0.996, 0, 1});  // 2 - 1.00390625 = 0.99609375
  REQUIRE(proof.ties.size() == 2);
  CHECK(proof.ties[0].token == 1);
  CHECK(proof.ties[0].members == std::vector<Index>{0, 1, 2});
  CHECK(proof.ties[0].at_boundary);
  CHECK(proof.ties[1].token == 2);
  CHECK(proof.ties[1].members == std::vector<Index>{0, 1});
  CHECK(!proof.ties[1].at_boundary);
  CHECK(!proof.gradient->differentiable);
}

TEST_CASE("certify: margins beyond binary64 are bounds from below") {
  for (const auto& [size, margin] : {std::pair{0x1p-600, 0.0}, std::pair{1e300, 1e300}}) {
    const Config config = two_experts({"shape.top_k=1", "aux=[]"});
    Inputs inputs = with(seeded_inputs(config), Tensor::x, {size});
    inputs = with(inputs, Tensor::router_weight, {size, -size});
    CHECK(certify(config, inputs, {}).margin == std::vector<double>{margin});
  }
  const Config config = two_experts({"shape.top_k=1"});
  Inputs inputs = with(seeded_inputs(config), Tensor::x, {0x1p-515});
  CHECK(certify(config, with(inputs, Tensor::router_weight, {0x1p-515, 0}), {}).margin ==
        std::vector<double>{0});
}

TEST_CASE("certify: what lies next to a kink, or bends within a step, is no broken certificate") {
  const Config relu = load_config("dense", {"experts.glu=false", "experts.activation=relu",
                                            "shape.num_tokens=1", "shape.hidden_size=1", "shape.ffn_size=1"})
                          .config;
  for (const double z : {0x1p-81, 0x1p-150, 0x1p-450}) {
    Inputs inputs = with(with(seeded_inputs(relu), Tensor::x, {1}), Tensor::experts_up, {z});
    inputs = with(with(inputs, Tensor::experts_down, {0.75}), Tensor::dy, {1});
    const Certified proof = certify(relu, inputs, {});
    CHECK(proof.gradient->differentiable);
    CHECK(proof.gradient->differences == (z < 0x1p-400 ? 2 : 3));  // a step in up reaches the kink
  }
  const Config silu =
      load_config("dense", {"shape.num_tokens=1", "shape.hidden_size=1", "shape.ffn_size=1"}).config;
  Inputs inputs = with(seeded_inputs(silu), Tensor::x, {0x1p40});
  inputs = with(with(inputs, Tensor::experts_gate, {0x1p-40}), Tensor::experts_up, {0x1p-39});
  CHECK(certify(silu, inputs, {}).gradient->differences == 4);
}

TEST_CASE(
    "certify: thousands of ties are said to be many, those that change nothing are not said to matter") {
  const auto of = [](const std::vector<std::string>& sets) {
    std::vector<std::string> all{"shape.num_tokens=3000", "shape.hidden_size=1", "shape.ffn_size=1",
                                 "shape.num_experts=2", "aux=[]"};
    all.insert(all.end(), sets.begin(), sets.end());
    const Config config = load_config("mixtral", all).config;
    const Inputs inputs = with(seeded_inputs(config), Tensor::x, std::vector<double>(3000));
    return certify(config, inputs, {false, false, 0, [](double) {}});
  };
  const Certified open = of({"shape.top_k=1"});
  CHECK(open.ties.size() == 3000);
  CHECK(open.others.list.size() == kMostAlternatives);
  CHECK(!open.others.complete);
  const Certified settled = of({"shape.top_k=2"});
  CHECK(settled.ties.size() == 3000);
  CHECK(settled.others.list.empty());
  CHECK(settled.others.complete);
  const Certified ranked =
      of({"shape.top_k=1", "capacity.mode=fixed", "capacity.fixed=1", "capacity.priority=bpr_top1"});
  CHECK(!ranked.others.complete);
}

TEST_CASE("certify: the precision of the caller stays as it is") {
  Ball::bits = 77;
  const Config config = two_experts();
  certify(config, seeded_inputs(config), {});
  CHECK(Ball::bits == 77);
  Ball::bits = 128;
}

TEST_CASE("certify: progress of a forward pass runs to the end, also where most experts are not read") {
  const Config config = small("mixtral", {"shape.num_experts=64", "shape.num_tokens=1"});
  double last = 0;
  certify(config, seeded_inputs(config), {false, false, 0, [&](double share) {
                                            CHECK(share >= last);
                                            last = share;
                                          }});
  CHECK(last >= 0.95);
  CHECK(last <= 1);
}

TEST_CASE("certify: K = E leaves no margin to speak of") {
  const Config config = two_experts();
  CHECK(certify(config, seeded_inputs(config), {}).margin == std::vector<double>{HUGE_VAL});
}

TEST_CASE("certify: a ReLU at its kink is noted, and no central difference is taken across it") {
  const Config config =
      load_config("dense", {"experts.glu=false", "experts.activation=relu", "shape.num_tokens=1",
                            "shape.hidden_size=1", "shape.ffn_size=1"})
          .config;
  const Certified proof = certify(config, with(seeded_inputs(config), Tensor::x, {0}), {});
  CHECK(!proof.gradient->differentiable);
  CHECK(proof.gradient->differences == 0);
}

TEST_CASE("certify: a squared ReLU has a derivative at its kink, and central differences confirm it") {
  const Config config =
      load_config("dense", {"experts.glu=false", "experts.activation=relu2", "shape.num_tokens=1",
                            "shape.hidden_size=1", "shape.ffn_size=1"})
          .config;
  const Certified proof = certify(config, with(seeded_inputs(config), Tensor::x, {0}), {});
  CHECK(proof.gradient->differentiable);
  CHECK(proof.gradient->differences == 3);  // x, up and down
}
