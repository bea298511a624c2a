#pragma once

#include "moe/scalar/scalar.h"

namespace moe {

/// A double that counts multiply-adds: those of `dot` and of `scale` (the combine). Everything else is `other`.
struct Count {
  double v = 0;
  static inline thread_local Index multiply_adds = 0, other = 0;

  Count() = default;
  Count(double value) : v(value) {}
  static Count did(double value) {
    ++other;
    return {value};
  }

  friend Count operator+(Count a, Count b) { return did(a.v + b.v); }
  friend Count operator-(Count a, Count b) { return did(a.v - b.v); }
  friend Count operator-(Count a) { return {-a.v}; }
  friend Count operator*(Count a, Count b) { return did(a.v * b.v); }
  friend Count operator/(Count a, Count b) { return did(a.v / b.v); }
  Count& operator+=(Count o) { return *this = *this + o; }
  friend Count exp(Count a) { return did(std::exp(a.v)); }
  friend Count log1p(Count a) { return did(std::log1p(a.v)); }
  friend Count sqrt(Count a) { return did(std::sqrt(a.v)); }
  friend Count tanh(Count a) { return did(std::tanh(a.v)); }
  friend Count erfc(Count a) { return did(std::erfc(a.v)); }

  friend Count dot(const Count* a, const Count* b, Index n, Index step = 1) {
    multiply_adds += n;
    double total = 0;
    for (Index i = 0; i < n; ++i) total += a[i * step].v * b[i * step].v;
    return {total};
  }
  friend void scale(Count w, const Count* a, Index n, Count* b) {
    multiply_adds += n;
    for (Index i = 0; i < n; ++i) b[i] = {w.v * a[i].v};
  }

  friend double approx(Count a) { return a.v; }
  friend bool greater(Count a, Count b) { return a.v > b.v; }
  friend bool same(Count a, Count b) { return a.v == b.v; }
};

}  // namespace moe

template <>
struct Eigen::NumTraits<moe::Count> : Eigen::GenericNumTraits<double> {
  using Real = moe::Count;
  using NonInteger = moe::Count;
  using Nested = moe::Count;
};
