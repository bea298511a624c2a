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
  float value(float z) const { return z * sigmoids(z).of; }
  float slope(float z) const {
    const Sigmoids s = sigmoids(z);
    return s.of * (1 + z * s.of_minus);
  }
};
struct FastQuickGelu {  // (A7), (A7')
  float alpha;
  float value(float z) const { return z * sigmoids(alpha * z).of; }
  float slope(float z) const { return FastSilu().slope(alpha * z); }
};
struct FastRelu {  // (A1), (A1')
  float value(float z) const { return z > 0 ? z : 0.0F; }
  float slope(float z) const { return z > 0 ? 1.0F : 0.0F; }
};
/// The others are rare, and taken from the layer.
template <Activation kActivation>
struct FromLayer {
  float value(float z) const { return moe::activate(kActivation, z); }
  float slope(float z) const { return activate_slope(kActivation, z); }
};

/// The numbers of (X2); a limit that there is not is infinite.
struct Limits {
  float gate, act, up, offset;
  explicit Limits(const Experts& e)
      : gate(clamps_gate(e) ? static_cast<float>(e.clamp_gate_max) : HUGE_VALF),
        act(clamps_act(e) ? static_cast<float>(e.clamp_act_max) : HUGE_VALF),
        up(clamps_up(e) ? static_cast<float>(e.clamp_up_abs) : HUGE_VALF),
        offset(static_cast<float>(e.up_offset)) {}
  float of_gate(float g) const { return g > gate ? gate : g; }
  float of_act(float a) const { return a > act ? act : a; }
  float of_up(float u) const { return (u > up ? up : u < -up ? -up : u) + offset; }
};
bool has_limits(const Experts& e) {
  return clamps_gate(e) || clamps_act(e) || clamps_up(e) || e.up_offset != 0;
}

template <typename F>
[[gnu::always_inline]] inline void forward(F f, const float* z, const float* u, Index n, float* h) {
  if (u == nullptr)
    for (Index j = 0; j < n; ++j) h[j] = f.value(z[j]);
  else
    for (Index j = 0; j < n; ++j) h[j] = f.value(z[j]) * u[j];
}
template <typename F>
[[gnu::always_inline]] inline void backward(F f, const float* z, const float* u, const float* dh, Index n,
                                            float* dz, float* du) {
  if (du != nullptr)
    for (Index j = 0; j < n; ++j) du[j] = dh[j] * f.value(z[j]);
  if (u == nullptr)
    for (Index j = 0; j < n; ++j) dz[j] = dh[j] * f.slope(z[j]);
  else
    for (Index j = 0; j < n; ++j) dz[j] = dh[j] * u[j] * f.slope(z[j]);
}
/// The same within limits, which only gated experts have.
template <typename F>
[[gnu::always_inline]] inline void forward(F f, const Limits& l, const float* z, const float* u, Index n,
                                           float* h) {
  for (Index j = 0; j < n; ++j) h[j] = l.of_act(f.value(l.of_gate(z[j]))) * l.of_up(u[j]);
}
template <typename F>
[[gnu::always_inline]] inline void backward(F f, const Limits& l, const float* z, const float* u,
                                            const float* dh, Index n, float* dz, float* du) {
  for (Index j = 0; j < n; ++j) {
    const float v = dh[j] * l.of_act(f.value(l.of_gate(z[j])));
    du[j] = std::abs(u[j]) < l.up ? v : 0.0F;
  }
  for (Index j = 0; j < n; ++j) {
    const float v = dh[j] * l.of_up(u[j]) * f.slope(l.of_gate(z[j]));
    dz[j] = z[j] < l.gate && f.value(l.of_gate(z[j])) < l.act ? v : 0.0F;
  }
}

MOE_VECTORISED void silu(const float* z, const float* u, Index n, float* h) {
  forward(FastSilu(), z, u, n, h);
}
MOE_VECTORISED void silu_back(const float* z, const float* u, const float* dh, Index n, float* dz,
                              float* du) {
  backward(FastSilu(), z, u, dh, n, dz, du);
}
MOE_VECTORISED void silu(const Limits& l, const float* z, const float* u, Index n, float* h) {
  forward(FastSilu(), l, z, u, n, h);
}
MOE_VECTORISED void silu_back(const Limits& l, const float* z, const float* u, const float* dh, Index n,
                              float* dz, float* du) {
  backward(FastSilu(), l, z, u, dh, n, dz, du);
}
MOE_VECTORISED void quick_gelu(float alpha, const Limits& l, const float* z, const float* u, Index n,
                               float* h) {
  forward(FastQuickGelu{alpha}, l, z, u, n, h);
}
MOE_VECTORISED void quick_gelu_back(float alpha, const Limits& l, const float* z, const float* u,
                                    const float* dh, Index n, float* dz, float* du) {
  backward(FastQuickGelu{alpha}, l, z, u, dh, n, dz, du);
}

/// use(f) for the f of an activation.
template <typename Use>
void with(const Experts& e, Use use) {
  switch (e.activation) {
    case Activation::Relu:
      return use(FastRelu());
    case Activation::GeluErf:
      return use(FromLayer<Activation::GeluErf>());
    case Activation::GeluTanh:
      return use(FromLayer<Activation::GeluTanh>());
    case Activation::Silu:
      return use(FastSilu());
    case Activation::Identity:
      return use(FromLayer<Activation::Identity>());
    case Activation::Relu2:
      return use(FromLayer<Activation::Relu2>());
    case Activation::QuickGelu:
      return use(FastQuickGelu{static_cast<float>(e.act_alpha)});
  }
}

}  // namespace

// SiLU and a gated quick GELU, which nearly all layers have, are vectorised.

void activate(const Experts& e, const float* z, const float* u, Index n, float* h) {
  const bool limited = u != nullptr && has_limits(e);
  const Limits l(e);
  if (is_silu(e.activation)) return limited ? silu(l, z, u, n, h) : silu(z, u, n, h);
  if (has_alpha(e.activation) && u != nullptr)
    return quick_gelu(static_cast<float>(e.act_alpha), l, z, u, n, h);
  with(e, [&](auto f) { limited ? forward(f, l, z, u, n, h) : forward(f, z, u, n, h); });
}

void activate_back(const Experts& e, const float* z, const float* u, const float* dh, Index n, float* dz,
                   float* du) {
  const bool limited = u != nullptr && has_limits(e);
  const Limits l(e);
  if (is_silu(e.activation))
    return limited ? silu_back(l, z, u, dh, n, dz, du) : silu_back(z, u, dh, n, dz, du);
  if (has_alpha(e.activation) && u != nullptr)
    return quick_gelu_back(static_cast<float>(e.act_alpha), l, z, u, dh, n, dz, du);
  with(e, [&](auto f) { limited ? backward(f, l, z, u, dh, n, dz, du) : backward(f, z, u, dh, n, dz, du); });
}

}  // namespace moe::cpu
