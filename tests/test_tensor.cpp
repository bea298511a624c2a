#include "moe/tensor.h"
#include "support.h"

using namespace moe;

TEST_CASE("tensor: rows in, rows out") {
  Matrix<double> m = zeros<double>(3, 2);
  place_rows(matrix({{1, 2}, {3, 4}}), 1, m);
  CHECK(difference(m, matrix({{0, 0}, {1, 2}, {3, 4}}), 0) == "");
  CHECK(difference(rows_of(m, 1, 1), matrix({{1, 2}}), 0) == "");
  CHECK(row(m, 2)[1] == 4);
}

TEST_CASE("tensor: the comparison of these tests sees a NaN, another shape and emptiness") {
  const double nan = std::nan("");
  CHECK(difference(matrix({{1, nan}}), matrix({{1, nan}}), 1) != "");
  CHECK(difference(matrix({{1, 2}}), matrix({{1, 2.5}}), 0.25) != "");
  CHECK(difference(matrix({{1, 2}}), matrix({{1}, {2}}), 1) != "");
  CHECK(difference(Matrix<double>(0, 2), Matrix<double>(0, 2), 1) != "");
  CHECK(difference(matrix({{1, 2}}), matrix({{1, 2.25}}), 0.25) == "");
}
