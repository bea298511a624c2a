#include "activations.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "moe/layer/activation.h"
#include "numbers.h"

namespace moe::cpu {
namespace {

/// 2^n for -126 <= n <= 127.
inline float power_of_two(std::int32_t n) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(n + 127) << 23);
}

/// exp(x) for x <= 0, down to the subnormal numbers, and 0 below.
///   x = n log 2 + r, |r| <= log(2) / 2;   exp(r) by its Taylor polynomial of degree 7, off by less than 2^-27
/// log 2 is split so that n times its first part is exact; 2^n is applied in two steps, because it may be subnormal.
inline float exp_of_negative(float x) {
  constexpr float kLog2e = 0x1.715476p0F, kHigh = 0x1.62ep-1F, kLow = 0x1.0bfbe8p-15F, kRound = 0x1.8p23F;
  x = x < -104 ? -104.0F : x;
  const float n = (x * kLog2e + kRound) - kRound;
  const float r = (x - n * kHigh) - n * kLow;
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1;
  p = p * r + 1;
  const auto whole = static_cast<std::int32_t>(n), half = whole / 2;
  return p * power_of_two(half) * power_of_two(whole - half);
}

/// sigmoid(z) and sigmoid(-z), neither by cancellation: (R2).
struct Sigmoids {
  float of, of_minus;
};
inline Sigmoids sigmoids(float z) {
  const float small = exp_of_negative(-std::abs(z)), sum = 1 + small, large = 1 / sum, rest = small / sum;
  return {z >= 0 ? large : rest, z >= 0 ? rest : large};
}

struct FastSilu {  // (A4), (A4')
  static float value(float z) { return z * sigmoids(z).of; }
  static float slope(float z) {
    const Sigmoids s = sigmoids(z);
    return s.of * (1 + z * s.of_minus);
  }
};
struct FastRelu {  // (A1), (A1')
  static float value(float z) { return z > 0 ? z : 0.0F; }
  static float slope(float z) { return z > 0 ? 1.0F : 0.0F; }
};
/// The others are rare, and taken from the layer.
template <Activation kActivation>
struct FromLayer {
  static float value(float z) { return moe::activate(kActivation, z); }
  static float slope(float z) { return activate_slope(kActivation, z); }
};

template <typename F>
[[gnu::always_inline]] inline void forward(const float* z, const float* u, Index n, float* h) {
  if (u == nullptr)
    for (Index j = 0; j < n; ++j) h[j] = F::value(z[j]);
  else
    for (Index j = 0; j < n; ++j) h[j] = F::value(z[j]) * u[j];
}
template <typename F>
[[gnu::always_inline]] inline void backward(const float* z, const float* u, const float* dh, Index n,
                                            float* dz, float* du) {
  if (du != nullptr)
    for (Index j = 0; j < n; ++j) du[j] = dh[j] * F::value(z[j]);
  if (u == nullptr)
    for (Index j = 0; j < n; ++j) dz[j] = dh[j] * F::slope(z[j]);
  else
    for (Index j = 0; j < n; ++j) dz[j] = dh[j] * u[j] * F::slope(z[j]);
}

MOE_VECTORISED void silu(const float* z, const float* u, Index n, float* h) { forward<FastSilu>(z, u, n, h); }
MOE_VECTORISED void silu_back(const float* z, const float* u, const float* dh, Index n, float* dz,
                              float* du) {
  backward<FastSilu>(z, u, dh, n, dz, du);
}

/// use(F()) for the F of an activation other than SiLU, which nearly all layers have and which is above.
template <typename Use>
void with(Activation activation, Use use) {
  switch (activation) {
    case Activation::Relu:
      return use(FastRelu());
    case Activation::GeluErf:
      return use(FromLayer<Activation::GeluErf>());
    case Activation::GeluTanh:
      return use(FromLayer<Activation::GeluTanh>());
    case Activation::Silu:
      return;
    case Activation::Identity:
      return use(FromLayer<Activation::Identity>());
    case Activation::Relu2:
      return use(FromLayer<Activation::Relu2>());
  }
}

bool is_silu(Activation a) { return answer(a, {false, false, false, true, false, false}); }

}  // namespace

void activate(Activation activation, const float* z, const float* u, Index n, float* h) {
  if (is_silu(activation)) return silu(z, u, n, h);
  with(activation, [&]<typename F>(F) { forward<F>(z, u, n, h); });
}

void activate_back(Activation activation, const float* z, const float* u, const float* dh, Index n, float* dz,
                   float* du) {
  if (is_silu(activation)) return silu_back(z, u, dh, n, dz, du);
  with(activation, [&]<typename F>(F) { backward<F>(z, u, dh, n, dz, du); });
}

}  // namespace moe::cpu
