#include "../support.h"
#include "moe/layer/linear.h"

using namespace moe;

namespace {

/// A weight that is just a matrix.
Weight<double> weight(const Matrix<double>& m) {
  return {m.rows(), m.cols(), [m](Index i, double* to) { std::copy_n(row(m, i), m.cols(), to); },
          [m](Index j, double* to) {
            for (Index i = 0; i < m.rows(); ++i) to[i] = m(i, j);
          }};
}

const Matrix<double> x = matrix({{1, 2, 3}, {4, 5, 6}}), W = matrix({{1, 0, -1}, {2, 1, 0}}),
                     dy = matrix({{1, -1}, {2, 3}});

}  // namespace

TEST_CASE("linear: y = x W^T + b, by hand") {
  CHECK(difference(linear_forward(x, weight(W)), matrix({{-2, 4}, {-2, 13}}), 0) == "");
  CHECK(difference(linear_forward(x, weight(W), weight(matrix({{10, 20}}))), matrix({{8, 24}, {8, 33}}), 0) ==
        "");
}

TEST_CASE("linear: dx = dy W, dW = dy^T x, db = sum dy, by hand") {
  CHECK(difference(linear_backward(dy, weight(W)), matrix({{-1, -1, -1}, {8, 3, -2}}), 0) == "");
  CHECK(difference(linear_backward_weight(dy, x), matrix({{9, 12, 15}, {11, 13, 15}}), 0) == "");
  CHECK(difference(linear_backward_bias(dy), matrix({{3, 2}}), 0) == "");
}

TEST_CASE("linear: no rows give a weight gradient of exactly zero") {
  CHECK(difference(linear_backward_weight(Matrix<double>(0, 2), Matrix<double>(0, 3)), zeros<double>(2, 3),
                   0) == "");
  CHECK(difference(linear_backward_bias(Matrix<double>(0, 2)), zeros<double>(1, 2), 0) == "");
}
