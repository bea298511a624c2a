#include "../support.h"
#include "moe/layer/choose.h"
#include "moe/layer/gather.h"

using namespace moe;

TEST_CASE("gather: rows to their experts, and gradients back, adding") {
  const Plan plan = make_plan(ids({{1, 0}, {0, 1}}), rank_assignments({}, 2, 2, {}), 2, 2, 1, {});
  const Matrix<double> x = matrix({{1, 2}, {3, 4}});
  CHECK(difference(gather_forward(x, plan, 0), matrix({{1, 2}, {3, 4}}), 0) == "");
  Matrix<double> dx = matrix({{10, 0}, {0, 0}});
  gather_backward(matrix({{1, 2}, {3, 4}}), plan, 0, dx);
  gather_backward(matrix({{5, 5}, {7, 7}}), plan, 1, dx);
  CHECK(difference(dx, matrix({{16, 7}, {10, 11}}), 0) == "");
}

TEST_CASE("gather: an expert without tokens has no rows") {
  const Plan plan = make_plan(ids({{1}}), rank_assignments({}, 1, 1, {}), 2, 1, 1, {});
  CHECK(gather_forward(matrix({{1, 2}}), plan, 0).rows() == 0);
}

TEST_CASE("gather: weights multiply what goes in (G2), and get their gradients from there (G2')") {
  const Plan plan =
      make_plan(ids({{1, 0}, {0, 1}}), rank_assignments({}, 2, 2, {}), 2, 1, 1, {});  // token 1 has no place
  const Matrix<double> x = matrix({{1, 2}, {3, 4}}), weight = matrix({{0.5, 4}, {7, 7}});
  CHECK(difference(weigh_forward(x, weight, plan), matrix({{4, 8}, {0.5, 1}}), 0) == "");
  Matrix<double> dw = matrix({{100, 0}, {0, 0}});
  const Matrix<double> dxg = weigh_backward(matrix({{1, 1}, {2, -1}}), x, weight, plan, dw);
  CHECK(difference(dxg, matrix({{4, 4}, {1, -0.5}}), 0) == "");
  CHECK(difference(dw, matrix({{100, 3}, {0, 0}}), 0) == "");
}
