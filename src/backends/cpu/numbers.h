#pragma once

#include <bit>
#include <cstdint>

#include "moe/tensor.h"

/// Loops over rows of floats, which a compiler can vectorise; each has one order of operations, whatever the machine.
namespace moe::cpu {

/// On a function: it is compiled for several kinds of vectors, and the program takes those of the machine that it runs on.
/// Sanitizers are not ready when that is decided.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MOE_VECTORISED
#elif defined(__has_feature) && (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#define MOE_VECTORISED
#elif defined(__x86_64__) && defined(__linux__)
#define MOE_VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MOE_VECTORISED
#endif

/// x rounded to bfloat16, to nearest, ties to even; NaN stays NaN.
inline float rounded_to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t nearest = (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
  return std::bit_cast<float>(x == x ? nearest : (bits | 0x00400000U) & 0xffff0000U);
}

/// Rounds each of n numbers to bfloat16.
void round_to_bf16(float* x, Index n);
/// The upper half of a float is a bfloat16.
void widen(const std::uint16_t* from, Index n, float* to);
/// ... of each number, rounded as above.
void narrow(const float* from, Index n, std::uint16_t* to);

/// y_i = w x_i
void scale(float w, const float* x, Index n, float* y);
/// Rows that lie anywhere are read faster where the next one is known: if there is a `next`, its n numbers are fetched.
/// y_i = y_i + w x_i, or with w x_i rounded to bfloat16
void add_scaled(float w, const float* x, Index n, float* y, const float* next = nullptr);
void add_scaled_in_bf16(float w, const float* x, Index n, float* y, const float* next = nullptr);
/// y_i = y_i + x_i
void add(const float* x, Index n, float* y, const float* next = nullptr);

/// sum_i a_i b_i in 16 sums side by side, which are then added in order.
float dot_of(const float* a, const float* b, Index n, const float* next = nullptr);

}  // namespace moe::cpu
