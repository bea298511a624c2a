#include "numbers.h"

namespace moe::cpu {

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

MOE_VECTORISED void add_scaled(float w, const float* x, Index n, float* y) {
  for (Index i = 0; i < n; ++i) y[i] += w * x[i];
}

MOE_VECTORISED void add_scaled_in_bf16(float w, const float* x, Index n, float* y) {
  for (Index i = 0; i < n; ++i) y[i] += rounded_to_bf16(w * x[i]);
}

MOE_VECTORISED void add(const float* x, Index n, float* y) {
  for (Index i = 0; i < n; ++i) y[i] += x[i];
}

MOE_VECTORISED float dot_of(const float* a, const float* b, Index n) {
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
