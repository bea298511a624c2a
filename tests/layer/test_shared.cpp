#include "../support.h"
#include "moe/layer/layer.h"

using namespace moe;

namespace {

/// Two tokens of width 1; the shared expert says 3 relu(2 x), the gate sees x.
struct Setup {
  Config config;
  Inputs inputs;
  explicit Setup(SharedMode mode) {
    config.shape = {2, 1, 1, 2, 1};
    config.experts = {false, Activation::Relu, ExpertBias::None};
    config.shared = {mode, 1};
    inputs = seeded_inputs(config);
    const auto set = [&](Tensor id, const std::vector<double>& values) {
      if (inputs.count(id) > 0) inputs.at(id) = array_of(inputs.at(id).dims, values.data());
    };
    set(Tensor::x, {1, std::log(3.0)});
    set(Tensor::shared_up, {2}), set(Tensor::shared_down, {3}), set(Tensor::shared_gate_weight, {1});
  }
};

}  // namespace

TEST_CASE("shared: adds its output, or its output times a gate") {
  for (const auto& [mode, share] :
       {std::pair{SharedMode::Add, 1.0}, std::pair{SharedMode::SigmoidGate, 0.75}}) {
    const Setup s(mode);
    const auto p = params_of<double>(s.config, s.inputs);
    const auto a = shared_forward(s.config, all_rows(p.x), p.shared, p.shared_gate);
    CHECK(std::abs(a.y(1, 0) - share * 6 * std::log(3.0)) <= 16 * kUnit);
  }
}

TEST_CASE("shared: gradients by hand") {
  const Setup s(SharedMode::SigmoidGate);
  const auto p = params_of<double>(s.config, s.inputs);
  const Matrix<double> x = all_rows(p.x), dy = matrix({{0}, {4}});
  const auto g = shared_backward(s.config, x, shared_forward(s.config, x, p.shared, p.shared_gate), p.shared,
                                 p.shared_gate, dy);
  const double l = std::log(3.0);  // f = 6 l, sigmoid 3/4, its slope 3/16
  CHECK(std::abs(g.gate_weight(0, 0) - 4 * 6 * l * 0.1875 * l) <= 64 * kUnit);
  CHECK(std::abs(g.weight.down(0, 0) - 4 * 0.75 * 2 * l) <= 64 * kUnit);
  CHECK(std::abs(g.weight.up(0, 0) - 4 * 0.75 * 3 * l) <= 64 * kUnit);
  CHECK(std::abs(g.x(1, 0) - (4 * 0.75 * 6 + 4 * 6 * l * 0.1875)) <= 64 * kUnit);
  CHECK(g.x(0, 0) == 0);
}
