#include "../support.h"
#include "moe/layer/score.h"
#include "moe/scalar/dual.h"

using namespace moe;
using D = Dual<double>;

namespace {

/// f'' at z: the derivative of the derivative.
template <typename F>
double second_derivative(const F& f, double z) {
  return f(Dual<D>(D(z, 1), D(1, 0))).d.d;
}

template <typename F>
double largest_second_derivative(const F& f) {
  double largest = 0;
  for (int i = -8000; i <= 8000; ++i)
    largest = std::max(largest, std::abs(second_derivative(f, i * 0x1p-10)));
  return largest;
}

}  // namespace

TEST_CASE("activation: values to seventeen digits, computed with mpmath at 30") {
  CHECK(std::abs(activate(Activation::Silu, 1.0) - 0.73105857863000488) <= kUnit);
  CHECK(std::abs(activate(Activation::GeluErf, 1.0) - 0.84134474606854295) <= kUnit);
  CHECK(std::abs(activate(Activation::GeluTanh, 1.0) - 0.84119199060827670) <= 2 * kUnit);
  CHECK(std::abs(activate(Activation::GeluErf, -8.0) - -4.97676845941742730e-15) <=
        1e-28);  // no cancellation in the tail
  CHECK(std::abs(activate(Activation::QuickGelu, 1.0) - 0.8457957659328212) <= kUnit);
  CHECK(activate(Activation::QuickGelu, 1.0, 1.0) == activate(Activation::Silu, 1.0));
  CHECK(activate(Activation::Relu, 1.5) == 1.5);
  CHECK(activate(Activation::Relu, -1.5) == 0);
  CHECK(activate(Activation::Identity, -1.5) == -1.5);
  CHECK(activate(Activation::Relu2, 1.5) == 2.25);
  CHECK(activate(Activation::Relu2, -1.5) == 0);
}

TEST_CASE("activation: the slope of the squared ReLU passes through its kink without a jump") {
  for (const double z : {-0x1p-30, 0.0, 0x1p-30}) {
    CAPTURE(z);
    CHECK(activate_slope(Activation::Relu2, z) == 2 * std::max(z, 0.0));
    CHECK(activate(Activation::Relu2, D(z, 1)).d == 2 * std::max(z, 0.0));
  }
}

TEST_CASE("activation: slopes are the derivatives that dual numbers give") {
  for (const Activation a : {Activation::Relu, Activation::GeluErf, Activation::GeluTanh, Activation::Silu,
                             Activation::Identity, Activation::Relu2, Activation::QuickGelu})
    for (int i = -40; i <= 40; ++i) {
      const double z = i * 0.25 + 0.0625;
      CAPTURE(z);
      CHECK(std::abs(activate_slope(a, z) - activate(a, D(z, 1)).d) <= 16 * kUnit);
    }
  for (int i = -40; i <= 40; ++i)
    CHECK(std::abs(SigmoidSlope()(i * 0.25) - sigmoid(D(i * 0.25, 1)).d) <= 4 * kUnit);
  for (int i = -40; i <= 40; ++i)
    CHECK(std::abs(SoftcapSlope{2}(i * 0.25) - Softcap{2}(D(i * 0.25, 1)).d) <= 8 * kUnit);
  for (const double c : {0.5, 4.0})
    for (int i = -40; i <= 40; ++i)
      CHECK(std::abs(CappedSiluSlope{c}(i * 0.25) - CappedSilu{c}(D(i * 0.25, 1)).d) <= 16 * kUnit);
  CHECK(CappedSilu{2}(2.0) == 2 * std::tanh(1.0) * sigmoid(2.0));
}

TEST_CASE("activation: each curvature bounds |f''|, and by less than 1 percent") {
  const auto judge = [](const auto& f) {
    const double largest = largest_second_derivative(f);
    CHECK(largest <= f.curvature());
    CHECK(largest >= 0.99 * f.curvature());
  };
  judge(Silu());
  judge(SiluSlope());
  judge(SigmoidSlope());
  judge(GeluErf());
  judge(GeluErfSlope());
  judge(GeluTanh());
  judge(GeluTanhSlope());
  judge(NormalCdf());
  judge(NormalDensity());
  judge(SqrtSoftplus());
  judge(SqrtSoftplusSlope());
  for (const double alpha : {1.0, 1.702, 2.5}) judge(QuickGelu{alpha}), judge(QuickGeluSlope{alpha});
  for (const double c : {0.5, 1.0, 2.0}) judge(Softcap{c}), judge(SoftcapSlope{c});
  for (const double c : {0.25, 0.5, 1.0, 2.0, 4.0, 25.0}) {  // bounds of all c, which are loose
    CHECK(largest_second_derivative(CappedSilu{c}) <= CappedSilu{c}.curvature());
    CHECK(largest_second_derivative(CappedSiluSlope{c}) <= CappedSiluSlope{c}.curvature());
  }
}
