#include "numbers.h"

namespace moe::cpu {
namespace {

constexpr Index kPart = 256;  // numbers between two fetches

/// Fetches numbers [first, last) of `next`, if there is one.
[[gnu::always_inline]] inline void fetch(const float* next, Index first, Index last) {
  constexpr Index kLine = 16;
  for (Index i = first; next != nullptr && i < last; i += kLine) __builtin_prefetch(next + i);
}

/// f(i) for i < n, while `next` is fetched.
template <typename F>
[[gnu::always_inline]] inline void for_each(Index n, const float* next, F f) {
  for (Index first = 0; first < n; first += kPart) {
    const Index last = first + kPart < n ? first + kPart : n;
    fetch(next, first, last);
    for (Index i = first; i < last; ++i) f(i);
  }
}

}  // namespace

MOE_VECTORISED void round_to_bf16(float* x, Index n) {
  for (Index i = 0; i < n; ++i) x[i] = rounded_to_bf16(x[i]);
}

MOE_VECTORISED void widen(const std::uint16_t* from, Index n, float* to) {
  for (Index i = 0; i < n; ++i) to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i]) << 16);
}

MOE_VECTORISED void narrow(const float* from, Index n, std::uint16_t* to) {
  for (Index i = 0; i < n; ++i)
    to[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(rounded_to_bf16(from[i])) >> 16);
}

MOE_VECTORISED void scale(float w, const float* x, Index n, float* y) {
  for (Index i = 0; i < n; ++i) y[i] = w * x[i];
}

MOE_VECTORISED void add_scaled(float w, const float* x, Index n, float* y, const float* next) {
  for_each(n, next, [=](Index i) { y[i] += w * x[i]; });
}

MOE_VECTORISED void add_scaled_in_bf16(float w, const float* x, Index n, float* y, const float* next) {
  for_each(n, next, [=](Index i) { y[i] += rounded_to_bf16(w * x[i]); });
}

MOE_VECTORISED void add(const float* x, Index n, float* y, const float* next) {
  for_each(n, next, [=](Index i) { y[i] += x[i]; });
}

MOE_VECTORISED float dot_of(const float* a, const float* b, Index n, const float* next) {
  constexpr Index kLanes = 16;
  float lane[kLanes] = {}, total = 0;
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    if (next != nullptr) __builtin_prefetch(next + i);
    for (Index j = 0; j < kLanes; ++j) lane[j] += a[i + j] * b[i + j];
  }
  for (const float sum : lane) total += sum;
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

}  // namespace moe::cpu
