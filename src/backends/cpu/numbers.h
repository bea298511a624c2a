#pragma once

#include <bit>
#include <cstdint>

#include "moe/tensor.h"

/// Loops over rows of floats, written so that a compiler can vectorise them; each has one order of operations, whatever
/// the machine.
namespace moe::cpu {

/// x rounded to bfloat16, to nearest, ties to even; NaN stays NaN.
inline float rounded_to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t nearest = (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
  return std::bit_cast<float>(x == x ? nearest : (bits | 0x00400000U) & 0xffff0000U);
}

/// The upper half of a float is a bfloat16.
inline void widen(const std::uint16_t* from, Index n, float* to) {
  for (Index i = 0; i < n; ++i) to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i]) << 16);
}
/// ... of numbers that are bfloat16 already.
inline void narrow(const float* from, Index n, std::uint16_t* to) {
  for (Index i = 0; i < n; ++i)
    to[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(from[i]) >> 16);
}

/// sum_i a_i b_i in 16 sums side by side, which are then added in order.
inline float dot_of(const float* a, const float* b, Index n) {
  constexpr Index kLanes = 16;
  float lane[kLanes] = {}, total = 0;
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (Index j = 0; j < kLanes; ++j) lane[j] += a[i + j] * b[i + j];
  for (const float sum : lane) total += sum;
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

}  // namespace moe::cpu
