#pragma once

#include <cmath>

#include "moe/layer/conventions.h"
#include "number.h"

/// (A1) to (A6) and their slopes on the device: a second writing of layer/activation.h, where a constant is the float or
/// double nearest it.
namespace moe::cuda {

/// 1 / (1 + exp(-z)), without overflow for either sign.
template <typename A>
__host__ __device__ A sigmoid(A z) {
  if (z >= 0) return 1 / (1 + exp(-z));
  const A small = exp(z);
  return small / (1 + small);
}

template <typename A>
__host__ __device__ A normal_cdf(A z) {
  constexpr A kRootHalf = static_cast<A>(0.70710678118654752440L);
  return erfc(-z * kRootHalf) / 2;
}

/// (A3)'s 2 v = 2 sqrt(2 / pi) (z + 0.044715 z^3), and its slope.
template <typename A>
__host__ __device__ A twice_v(A z) {
  constexpr A kTwice = static_cast<A>(1.59576912160573071175L), kCubic = static_cast<A>(0.044715L);
  return kTwice * z * (1 + kCubic * (z * z));
}
template <typename A>
__host__ __device__ A twice_v_slope(A z) {
  constexpr A kTwice = static_cast<A>(1.59576912160573071175L), kCubic = static_cast<A>(0.134145L);
  return kTwice * (1 + kCubic * (z * z));
}

template <typename A>
__host__ __device__ A activate(Activation activation, A z) {
  switch (activation) {
    case Activation::Relu:
      return z > 0 ? z : 0;
    case Activation::GeluErf:
      return z * normal_cdf(z);
    case Activation::GeluTanh:
      return z * sigmoid(twice_v(z));
    case Activation::Silu:
      return z * sigmoid(z);
    case Activation::Identity:
      return z;
    case Activation::Relu2:
      return z > 0 ? z * z : 0;
    case Activation::QuickGelu:
      break;
  }
  return static_cast<A>(NAN);  // what this backend declines
}

template <typename A>
__host__ __device__ A activate_slope(Activation activation, A z) {
  constexpr A kDensity = static_cast<A>(0.39894228040143267794L);  // 1 / sqrt(2 pi)
  switch (activation) {
    case Activation::Relu:
      return z > 0 ? 1 : 0;
    case Activation::GeluErf:
      return normal_cdf(z) + z * (kDensity * exp(-(z * z) / 2));
    case Activation::GeluTanh:
      return sigmoid(twice_v(z)) * (1 + z * sigmoid(-twice_v(z)) * twice_v_slope(z));
    case Activation::Silu:
      return sigmoid(z) * (1 + z * sigmoid(-z));
    case Activation::Identity:
      return 1;
    case Activation::Relu2:
      return z > 0 ? 2 * z : 0;
    case Activation::QuickGelu:
      break;
  }
  return static_cast<A>(NAN);  // what this backend declines
}

}  // namespace moe::cuda
