#include "../support.h"
#include "moe/layer/expert.h"

using namespace moe;

namespace {

// gate = (2, -1), up = (3, 4) for x = (1, 2); with ReLU the second hidden unit is off.
const Matrix<double> kToken = matrix({{1, 2}});
ExpertParams<double> params(bool biases) {
  ExpertParams<double> p{as_weight(matrix({{2, 0}, {1, -1}})),
                         as_weight(matrix({{1, 1}, {2, 1}})),
                         as_weight(matrix({{5, 6}, {7, 8}})),
                         {},
                         {},
                         {}};
  if (biases)
    p.gate_bias = as_weight(matrix({{1, 2}})), p.up_bias = as_weight(matrix({{-1, 0}})),
    p.down_bias = as_weight(matrix({{0.5, 0.25}}));
  return p;
}

}  // namespace

TEST_CASE("expert: gated, by hand") {
  const auto a = expert_forward({true, Activation::Relu}, kToken, params(false));
  CHECK(difference(a.gate, matrix({{2, -1}}), 0) == "");
  CHECK(difference(a.up, matrix({{3, 4}}), 0) == "");
  CHECK(difference(a.hidden, matrix({{6, 0}}), 0) == "");
  CHECK(difference(a.out, matrix({{30, 42}}), 0) == "");
}

TEST_CASE("expert: plain, by hand") {
  const auto a = expert_forward({false, Activation::Relu}, kToken, params(false));
  CHECK(a.gate.size() == 0);
  CHECK(difference(a.hidden, matrix({{3, 4}}), 0) == "");
  CHECK(difference(a.out, matrix({{39, 53}}), 0) == "");
}

TEST_CASE("expert: biases, by hand") {
  const auto a = expert_forward({true, Activation::Relu, ExpertBias::PerExpert}, kToken, params(true));
  CHECK(difference(a.gate, matrix({{3, 1}}), 0) == "");
  CHECK(difference(a.up, matrix({{2, 4}}), 0) == "");
  CHECK(difference(a.out, matrix({{54.5, 74.25}}), 0) == "");
}

TEST_CASE("expert: gated gradients by hand") {
  const Experts experts{true, Activation::Relu, ExpertBias::PerExpert};
  const auto a = expert_forward(experts, kToken, params(true));  // gate (3, 1), up (2, 4), hidden (6, 4)
  const auto g = expert_backward(experts, a, params(true), matrix({{1, 1}}));
  CHECK(difference(g.hidden, matrix({{12, 14}}), 0) == "");
  CHECK(difference(g.gate, matrix({{24, 56}}), 0) == "");  // dh u
  CHECK(difference(g.up, matrix({{36, 14}}), 0) == "");    // dh g
  CHECK(difference(g.x, matrix({{24 * 2 + 56 + 36 + 14 * 2, -56 + 36 + 14}}), 0) == "");
  CHECK(difference(g.weight.gate, matrix({{24, 48}, {56, 112}}), 0) == "");
  CHECK(difference(g.weight.up, matrix({{36, 72}, {14, 28}}), 0) == "");
  CHECK(difference(g.weight.down, matrix({{6, 4}, {6, 4}}), 0) == "");
  CHECK(difference(g.weight.gate_bias, matrix({{24, 56}}), 0) == "");
  CHECK(difference(g.weight.up_bias, matrix({{36, 14}}), 0) == "");
  CHECK(difference(g.weight.down_bias, matrix({{1, 1}}), 0) == "");
}

TEST_CASE("expert: plain gradients by hand") {
  const Experts experts{false, Activation::Relu};
  const auto g = expert_backward(experts, expert_forward(experts, kToken, params(false)), params(false),
                                 matrix({{1, 0}}));
  CHECK(g.gate.size() == 0);
  CHECK(g.weight.gate.size() == 0);
  CHECK(g.weight.up_bias.size() == 0);
  CHECK(difference(g.up, matrix({{5, 6}}), 0) == "");
  CHECK(difference(g.x, matrix({{17, 11}}), 0) == "");
  CHECK(difference(g.weight.down, matrix({{3, 4}, {0, 0}}), 0) == "");
}

TEST_CASE("expert: limits and an offset (X2), by hand") {
  Experts experts{true, Activation::Relu};
  experts.clamp_gate_max = 1.5, experts.clamp_up_abs = 3.5, experts.up_offset = 1;
  const auto a = expert_forward(experts, kToken, params(false));  // gate (2, -1), up (3, 4)
  CHECK(difference(a.gate, matrix({{2, -1}}), 0) == "");          // as it was before its limit
  CHECK(difference(a.hidden, matrix({{1.5 * 4, 0}}), 0) == "");
  const auto g = expert_backward(experts, a, params(false), matrix({{1, 1}}));  // dh (12, 14)
  CHECK(difference(g.gate, matrix({{0, 0}}), 0) == "");
  CHECK(difference(g.up, matrix({{12 * 1.5, 0}}), 0) == "");
}

TEST_CASE("expert: at a limit and beyond it the slope is 0, on each side (X2')") {
  Experts experts{true, Activation::Identity};
  experts.clamp_gate_max = 2, experts.clamp_up_abs = 2;
  ExpertTrace<double> a;
  a.gate = matrix({{2, 2.5, -9, 1, 1, 1, 1}}), a.up = matrix({{1, 1, 1, 2, -2, 2.5, -2.5}});
  const Matrix<double> dh = matrix({{1, 1, 1, 1, 1, 1, 1}});
  CHECK(difference(hidden_forward(experts, a.gate, a.up), matrix({{2, 2, -9, 2, -2, 2, -2}}), 0) == "");
  CHECK(difference(gate_backward(experts, a, dh), matrix({{0, 0, 1, 2, -2, 2, -2}}), 0) == "");
  CHECK(difference(up_backward(experts, a, dh), matrix({{2, 2, -9, 0, 0, 0, 0}}), 0) == "");
}

TEST_CASE("expert: what the activation gives is limited, and at the limit the slope is 0 (X2')") {
  Experts experts{true, Activation::Relu2};
  experts.clamp_act_max = 4;
  ExpertTrace<double> a;
  a.gate = matrix({{1, 2, 3, -3}}), a.up = matrix({{5, 5, 5, 5}});
  const Matrix<double> dh = matrix({{1, 1, 1, 1}});
  CHECK(difference(hidden_forward(experts, a.gate, a.up), matrix({{5, 20, 20, 0}}), 0) == "");
  CHECK(difference(gate_backward(experts, a, dh), matrix({{10, 0, 0, 0}}), 0) == "");
  CHECK(difference(up_backward(experts, a, dh), matrix({{1, 4, 4, 0}}), 0) == "");
}
