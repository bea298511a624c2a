#include "../support.h"
#include "moe/layer/score.h"

using namespace moe;

TEST_CASE("score: softmax shares, sigmoid each for itself, gradients by hand") {
  const Matrix<double> z = matrix({{0, std::log(3.0)}}), d = matrix({{8, 0}});
  Matrix<double> s(1, 2), dz(1, 2);
  score_forward(ScoreFunction::Softmax, z.data(), 2, s.data());
  CHECK(difference(s, matrix({{0.25, 0.75}}), 4 * kUnit) == "");
  score_backward(ScoreFunction::Softmax, z.data(), s.data(), d.data(), 2, dz.data());
  CHECK(difference(dz, matrix({{1.5, -1.5}}), 8 * kUnit) == "");  // s (d - 2)
  score_forward(ScoreFunction::Sigmoid, z.data(), 2, s.data());
  CHECK(difference(s, matrix({{0.5, 0.75}}), 4 * kUnit) == "");
  score_backward(ScoreFunction::Sigmoid, z.data(), s.data(), d.data(), 2, dz.data());
  CHECK(difference(dz, matrix({{2, 0}}), 8 * kUnit) == "");  // 8 / 4
}

TEST_CASE("score: (R7) logits are drawn together, and their gradients with them") {
  const Router router{.logit_softcap = 2};
  const Matrix<double> z = matrix({{0, std::log(3.0), -400}});  // tanh(ln 3 / 2) = 1/2
  const std::vector<double> drawn = capped(router, z.data(), 3);
  CHECK(drawn[0] == 0);
  CHECK(std::abs(drawn[1] - 1) <= 4 * kUnit);
  CHECK(drawn[2] == -2);
  CHECK(capped(Router{}, z.data(), 3) == std::vector<double>{z(0, 0), z(0, 1), z(0, 2)});
  Matrix<double> dz = matrix({{8, 8, 8}});
  uncap(router, z, dz);
  CHECK(difference(dz, matrix({{8, 6, 0}}), 8 * kUnit) == "");
  Matrix<double> same = matrix({{8, 8, 8}});
  uncap(Router{}, z, same);
  CHECK(difference(same, matrix({{8, 8, 8}}), 0) == "");
}
