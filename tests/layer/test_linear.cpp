#include "../support.h"
#include "moe/layer/linear.h"

using namespace moe;

namespace {

const Matrix<double> kX = matrix({{1, 2, 3}, {4, 5, 6}}), kW = matrix({{1, 0, -1}, {2, 1, 0}}),
                     kDy = matrix({{1, -1}, {2, 3}});

}  // namespace

TEST_CASE("linear: y = x W^T + b, by hand") {
  CHECK(difference(linear_forward(kX, as_weight(kW)), matrix({{-2, 4}, {-2, 13}}), 0) == "");
  CHECK(difference(linear_forward(kX, as_weight(kW), as_weight(matrix({{10, 20}}))),
                   matrix({{8, 24}, {8, 33}}), 0) == "");
}

TEST_CASE("linear: dx = dy W, dW = dy^T x, db = sum dy, by hand") {
  CHECK(difference(linear_backward(kDy, as_weight(kW)), matrix({{-1, -1, -1}, {8, 3, -2}}), 0) == "");
  CHECK(difference(linear_backward_weight(kDy, kX), matrix({{9, 12, 15}, {11, 13, 15}}), 0) == "");
  CHECK(difference(linear_backward_bias(kDy), matrix({{3, 2}}), 0) == "");
}

TEST_CASE("linear: no rows give a weight gradient of exactly zero") {
  CHECK(difference(linear_backward_weight(Matrix<double>(0, 2), Matrix<double>(0, 3)), zeros<double>(2, 3),
                   0) == "");
  CHECK(difference(linear_backward_bias(Matrix<double>(0, 2)), zeros<double>(1, 2), 0) == "");
}
