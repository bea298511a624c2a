#include "../support.h"
#include "backends/cpu/activations.h"
#include "moe/layer/activation.h"

using namespace moe;

namespace {

/// Numbers of all sizes, of both signs, and those where exp leaves its range.
std::vector<float> sweep() {
  std::vector<float> z{0, -0.0F, 88, -88, 104, -104, -1e30F, 1e30F, -87.34F, 0x1p-149F, -0x1p-149F};
  float x = 0x1p-30F;
  while (x < 110) {
    z.push_back(x), z.push_back(-x);
    x *= 1.0007F;
  }
  return z;
}

constexpr std::array kAll{Activation::Relu,     Activation::GeluErf, Activation::GeluTanh, Activation::Silu,
                          Activation::Identity, Activation::Relu2,   Activation::QuickGelu};

/// alpha z is rounded before its sigmoid is taken, which is off by that many units more.
double units(Activation activation, double z) {
  return 4 + (activation == Activation::QuickGelu ? 1.702 * std::abs(z) : 0);
}
Experts of(Activation activation) { return {.activation = activation}; }

Index size_of(const std::vector<float>& v) { return static_cast<Index>(v.size()); }

}  // namespace

// Where a sigmoid is rounded to a subnormal number, its product with z is off by |z| times as much.
TEST_CASE("activations: within 4 units in the last place of the true value, down to the smallest numbers") {
  const std::vector<float> z = sweep();
  std::vector<float> h(z.size());
  for (const Activation activation :
       {Activation::Relu, Activation::Silu, Activation::Identity, Activation::QuickGelu}) {
    cpu::activate(of(activation), z.data(), nullptr, size_of(z), h.data());
    for (std::size_t i = 0; i < z.size(); ++i) {
      const double want = activate(activation, approx(z[i]));
      CAPTURE(z[i]);
      CHECK(std::abs(approx(h[i]) - want) <= units(activation, approx(z[i])) * 0x1p-23 * std::abs(want) +
                                                 (1 + std::abs(approx(z[i]))) * 0x1p-149);
    }
  }
}

TEST_CASE("activations: slopes are as exact as what they are sums of") {
  const std::vector<float> z = sweep(), dh(z.size(), 1.0F);
  std::vector<float> dz(z.size());
  for (const Activation activation :
       {Activation::Relu, Activation::Silu, Activation::Identity, Activation::QuickGelu}) {
    cpu::activate_back(of(activation), z.data(), nullptr, dh.data(), size_of(z), dz.data(), nullptr);
    for (std::size_t i = 0; i < z.size(); ++i) {
      const double x = approx(z[i]), want = activate_slope(activation, x);
      const double v = activation == Activation::QuickGelu ? 1.702 * x : x;  // what the sigmoid is of
      const double terms = activation == Activation::Silu || activation == Activation::QuickGelu
                               ? sigmoid(v) * (1 + std::abs(v) * sigmoid(-v))
                               : want;
      CAPTURE(z[i]);
      CHECK(std::abs(approx(dz[i]) - want) <=
            units(activation, x) * 0x1p-23 * terms + (1 + std::abs(x)) * 0x1p-149);
    }
  }
}

TEST_CASE("activations: with a gate each is the product that (X2) and (X2') say") {
  const std::vector<float> z{-2.5F, -0.5F, 0.25F, 3}, u{0.5F, -2, 4, 0.25F}, dh{2, 0.5F, -1, 4};
  for (const Activation activation : kAll) {
    std::vector<float> h(4), act(4), slope(4), dz(4), du(4);
    const std::vector<float> one(4, 1.0F);
    cpu::activate(of(activation), z.data(), nullptr, 4, act.data());
    cpu::activate(of(activation), z.data(), u.data(), 4, h.data());
    cpu::activate_back(of(activation), z.data(), nullptr, one.data(), 4, slope.data(), nullptr);
    cpu::activate_back(of(activation), z.data(), u.data(), dh.data(), 4, dz.data(), du.data());
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(h[i] == act[i] * u[i]);
      CHECK(du[i] == dh[i] * act[i]);
      CHECK(dz[i] == dh[i] * u[i] * slope[i]);
      CHECK(std::abs(approx(act[i]) - activate(activation, approx(z[i]))) < 1e-6);
      CHECK(std::abs(approx(slope[i]) - activate_slope(activation, approx(z[i]))) < 1e-6);
    }
  }
}

TEST_CASE("activations: limits and an offset (X2), in all of their places") {
  const std::vector<float> z{-3, 0.25F, 0.5F, 0.75F, 3}, u{0.25F, -0.25F, 1, -1, 0.125F},
      dh{1, 2, -1, 0.5F, 4};
  for (const Activation activation : kAll) {
    Experts form = of(activation);
    form.clamp_gate_max = 0.5, form.clamp_up_abs = 0.25, form.up_offset = 1;
    std::vector<float> h(5), dz(5), du(5);
    cpu::activate(form, z.data(), u.data(), 5, h.data());
    cpu::activate_back(form, z.data(), u.data(), dh.data(), 5, dz.data(), du.data());
    for (std::size_t i = 0; i < 5; ++i) {
      CAPTURE(i);
      const double g = std::min(approx(z[i]), 0.5), up = std::clamp(approx(u[i]), -0.25, 0.25) + 1;
      CHECK(std::abs(approx(h[i]) - activate(activation, g) * up) < 1e-6);
      CHECK(std::abs(approx(dz[i]) -
                     (z[i] >= 0.5F ? 0 : approx(dh[i]) * up * activate_slope(activation, g))) < 1e-5);
      CHECK(std::abs(approx(du[i]) -
                     (std::abs(u[i]) >= 0.25F ? 0 : approx(dh[i]) * activate(activation, g))) < 1e-5);
    }
  }
}
