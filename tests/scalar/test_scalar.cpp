#include "../support.h"
#include "moe/scalar/scalar.h"

using namespace moe;

TEST_CASE("scalar: sigmoid is 1/2 at 0, and has both tails without overflow") {
  CHECK(sigmoid(0.0) == 0.5);
  CHECK(sigmoid(1000.0) == 1);
  CHECK(sigmoid(-1000.0) == 0);
  CHECK(sigmoid(-40.0) == std::exp(-40.0) / (1 + std::exp(-40.0)));
  CHECK(std::abs(sigmoid(2.0) + sigmoid(-2.0) - 1) <= 2 * kUnit);
}

TEST_CASE("scalar: softmax of (log 1, log 2, log 5) is (1, 2, 5) / 8, whatever is added to all") {
  for (const double shift : {0.0, 700.0, -5000.0}) {
    const double z[] = {shift, std::log(2.0) + shift, std::log(5.0) + shift};
    double p[3];
    softmax(z, 3, p);
    const double error = 8 * kUnit * std::max(1.0, std::abs(shift));
    CHECK(std::abs(p[0] - 0.125) <= error);
    CHECK(std::abs(p[1] - 0.25) <= error);
    CHECK(std::abs(p[2] - 0.625) <= error);
    CHECK(std::abs(log_sum_exp(z, 3) - (std::log(8.0) + shift)) <= error);
  }
}

TEST_CASE("scalar: log_sum_exp keeps what the small ones add, and of one number is that number") {
  const double z[] = {-200, 0};
  CHECK(std::abs(log_sum_exp(z, 2) - std::exp(-200.0)) <= 4 * kUnit * std::exp(-200.0));
  CHECK(log_sum_exp(z, 1) == -200);
}

TEST_CASE("scalar: softmax of nothing is nothing, and of one number is exactly 1") {
  double p = 7;
  softmax(&p, 0, &p);
  CHECK(p == 7);
  softmax(&p, 1, &p);
  CHECK(p == 1);
}

TEST_CASE("scalar: normalize makes shares") {
  const double s[] = {1, 3, 4};
  double w[3];
  normalize(s, 3, w);
  CHECK(w[0] == 0.125);
  CHECK(w[1] == 0.375);
  CHECK(w[2] == 0.5);
}

TEST_CASE("scalar: deviations are d_i less the mean, and exactly 0 for equal d") {
  const double p[] = {0.25, 0.25, 0.5}, d[] = {4, 8, 2}, equal[] = {0.1, 0.1, 0.1};
  double c[3];
  deviations(d, p, 3, c);  // the mean is 4
  CHECK(c[0] == 0);
  CHECK(c[1] == 4);
  CHECK(c[2] == -2);
  deviations(equal, p, 3, c);
  for (const double x : c) CHECK(x == 0);
}

TEST_CASE("scalar: the backward of softmax and of normalize, by hand") {
  const double p[] = {0.25, 0.75}, dp[] = {1, 5};  // the mean is 4
  double dz[2];
  softmax_backward(p, dp, 2, dz);
  CHECK(dz[0] == -0.75);
  CHECK(dz[1] == 0.75);
  const double s[] = {2, 6};
  normalize_backward(s, p, dp, 2, dz);
  CHECK(dz[0] == -0.375);
  CHECK(dz[1] == 0.125);
}

TEST_CASE("scalar: dot, sum, scale and square") {
  const double a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
  CHECK(dot(a, b, 4) == 70);
  CHECK(dot(a, b, 2, 2) == 26);
  CHECK(dot(a, b, 0) == 0);
  CHECK(sum(a, 4) == 10);
  CHECK(sum(a, 0) == 0);
  double c[4];
  scale(2.0, a, 4, c);
  CHECK(c[3] == 8);
  CHECK(square(-3.0) == 9);
}

TEST_CASE("scalar: relu and its slope are 0 at 0") {
  CHECK(relu(2.0) == 2);
  CHECK(relu(0.0) == 0);
  CHECK(relu(-1.0) == 0);
  CHECK(relu_slope(1e-300) == 1);
  CHECK(relu_slope(0.0) == 0);
  CHECK(relu_slope(-1.0) == 0);
}

TEST_CASE("scalar: float works in index order") {
  const float a[] = {1e8F, 1, -1e8F}, ones[] = {1, 1, 1};
  CHECK(greater(a[0], a[1]));
  CHECK(!greater(a[1], a[1]));
  CHECK(same(a[1], ones[0]));
  CHECK(!same(a[0], a[1]));
  CHECK(dot(a, ones, 3) == 0);  // (1e8 + 1) rounds to 1e8
  CHECK(greater(1.5F, 1.0F));
  CHECK(same(1.5F, 1.5F));
  CHECK(approx(1.5F) == 1.5);
  CHECK(std::abs(approx(pi<float>()) - pi<double>()) < 1e-7);
}
