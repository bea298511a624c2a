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
