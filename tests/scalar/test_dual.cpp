#include "../support.h"
#include "moe/scalar/dual.h"

using namespace moe;
using D = Dual<double>;

TEST_CASE("dual: the rules of differentiation") {
  const D x(3, 1);
  CHECK((x + x).d == 2);
  CHECK((x - D(1)).d == 1);
  CHECK((-x).d == -1);
  CHECK((x * x).d == 6);
  CHECK((D(1) / x).d == -1.0 / 3 / 3);
  CHECK((x / x).d == 0);
  CHECK(exp(x).d == std::exp(3.0));
  CHECK(log1p(x).d == 0.25);
  CHECK(sqrt(D(4, 1)).d == 0.25);
  CHECK(square(x).d == 6);
  D total(1, 0);
  total += x;
  CHECK(total.v == 4);
  CHECK(total.d == 1);
}

TEST_CASE("dual: tanh against a central difference, and where it is flat") {
  for (const double x : {-2.0, -0.25, 0.5, 1.5}) {
    const double h = 1e-5, difference = (std::tanh(x + h) - std::tanh(x - h)) / (2 * h);
    CHECK(std::abs(tanh(D(x, 1)).d - difference) <= 1e-9);
  }
  CHECK(tanh(D(0, 1)).d == 1);
  CHECK(tanh(D(100, 1)).v == 1);
  CHECK(tanh(D(100, 1)).d > 0);  // 4 exp(-200) does not underflow as 1 - tanh^2 does
}

TEST_CASE("dual: erfc against a central difference") {
  for (const double x : {-2.0, -0.5, 0.0, 0.75, 3.0}) {
    const double h = 1e-5, difference = (std::erfc(x + h) - std::erfc(x - h)) / (2 * h);
    CHECK(std::abs(erfc(D(x, 1)).d - difference) <= 1e-9);
  }
  CHECK(erfc(D(0, 1)).d == -2 / std::sqrt(std::numbers::pi));
}

TEST_CASE("dual: dot is the sum of products, derivative included, with and without steps") {
  const D a[] = {{1, 2}, {3, 4}, {5, 6}}, b[] = {{7, 1}, {8, 0}, {9, -1}};
  CHECK(dot(a, b, 3).v == 76);
  CHECK(dot(a, b, 3).d == 14 + 1 + 32 + 54 - 5);
  CHECK(dot(a, b, 2, 2).v == 52);
  CHECK(dot(a, b, 2, 2).d == 14 + 1 + 54 - 5);
  CHECK(dot(a, b, 0).v == 0);
}

TEST_CASE("dual: derivatives do not vote") {
  CHECK(greater(D(2, 0), D(1, 5)));
  CHECK(!greater(D(1, 5), D(1, 0)));
  CHECK(same(D(1, 5), D(1, 0)));
  CHECK(approx(D(2, 7)) == 2);
}

TEST_CASE("dual: the constant pi has no derivative") {
  CHECK(pi<D>().v == std::numbers::pi);
  CHECK(pi<D>().d == 0);
}

TEST_CASE("dual: a nudge moves stored elements one by one, and only those") {
  int calls = 0;
  D::nudge = [&](Tensor id) { return id == Tensor::y ? static_cast<double>(++calls) : 0.0; };
  const Matrix<D> y = stored(Tensor::y,
                             [] {
                               return matrix<D>({{1, 2}, {3, 4}});
                             }),
                  x = stored(Tensor::expert_up, [] { return matrix<D>({{5}}); });
  D::nudge = nullptr;
  CHECK(y(0, 0).d == 1);
  CHECK(y(1, 1).d == 4);
  CHECK(y(1, 1).v == 4);
  CHECK(x(0, 0).d == 0);
}
