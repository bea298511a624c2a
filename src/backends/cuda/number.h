#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

/// The numbers of the CUDA backend. A stage is kept as S: double, float, Bf16 or Half; sums of it are made in SumOf<S>.
namespace moe::cuda {

struct Bf16 {
  std::uint16_t bits;
};
struct Half {
  std::uint16_t bits;
};

template <typename S>
struct Kept {
  using Sum = float;
};
template <>
struct Kept<double> {
  using Sum = double;
};
template <typename S>
using SumOf = typename Kept<S>::Sum;

template <typename To, typename From>
__host__ __device__ inline To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

__host__ __device__ inline double widen(double x) { return x; }
__host__ __device__ inline float widen(float x) { return x; }
/// The upper half of a float is a bfloat16.
__host__ __device__ inline float widen(Bf16 x) {
  return same_bits<float>(static_cast<std::uint32_t>(x.bits) << 16);
}
/// The exponents of half start at -15, those of float at -127; a product with 2^112 moves subnormal numbers, too.
__host__ __device__ inline float widen(Half x) {
  const std::uint32_t sign = (x.bits & 0x8000U) << 16, rest = (x.bits & 0x7fffU) << 13;
  const float size =
      rest >= 0x0f800000U ? same_bits<float>(rest | 0x7f800000U) : same_bits<float>(rest) * 0x1p112F;
  return same_bits<float>(same_bits<std::uint32_t>(size) | sign);
}

/// x as S, to nearest, ties to even; NaN stays NaN, and what is too large becomes infinite.
template <typename S>
__host__ __device__ inline S narrow(SumOf<S> x) {
  return x;
}
template <>
__host__ __device__ inline Bf16 narrow<Bf16>(float x) {
  const auto bits = same_bits<std::uint32_t>(x);
  const std::uint32_t nearest = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  return {static_cast<std::uint16_t>(x == x ? nearest : (bits | 0x00400000U) >> 16)};
}
template <>
__host__ __device__ inline Half narrow<Half>(float x) {
  const auto all = same_bits<std::uint32_t>(x);
  const std::uint32_t sign = (all >> 16) & 0x8000U, bits = all & 0x7fffffffU;
  const float size = same_bits<float>(bits);
  std::uint32_t half = 0;
  if (x != x)
    half = 0x7e00U;
  else if (size >= 65520.0F)  // nearer to 2^16 than to the largest
    half = 0x7c00U;
  else if (size < 0x1p-14F)  // in [1/2, 1) floats are 2^-24 apart, as subnormal halves are: the sum rounds
    half = same_bits<std::uint32_t>(size + 0.5F) - same_bits<std::uint32_t>(0.5F);
  else
    half = (bits + 0xfffU + ((bits >> 13) & 1U) - (112U << 23)) >> 13;
  return {static_cast<std::uint16_t>(half | sign)};
}

}  // namespace moe::cuda
