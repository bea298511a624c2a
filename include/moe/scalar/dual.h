#pragma once

#include <functional>
#include <utility>

#include "moe/scalar/scalar.h"

namespace moe {

/// v + d h with h^2 = 0: a value and its derivative in one direction. It overloads elementary operations and dot only,
/// never softmax or another composite, so that it shares no derivation with the hand-written backward functions.
template <typename S>
struct Dual {
  S v{}, d{};

  /// Where set, every stored element of a forward pass moves by what this returns, in storage order: the derivative
  /// in a direction of the stages, which is what the gradients of stages are checked against.
  static inline thread_local std::function<double(Tensor)> nudge;

  Dual() = default;
  Dual(double value) : v(value) {}
  Dual(S value, S derivative) : v(std::move(value)), d(std::move(derivative)) {}

  Dual& operator+=(const Dual& o) {
    v += o.v;
    d += o.d;
    return *this;
  }
  friend Dual operator+(const Dual& a, const Dual& b) { return {a.v + b.v, a.d + b.d}; }
  friend Dual operator-(const Dual& a, const Dual& b) { return {a.v - b.v, a.d - b.d}; }
  friend Dual operator-(const Dual& a) { return {-a.v, -a.d}; }
  friend Dual operator*(const Dual& a, const Dual& b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
  friend Dual operator/(const Dual& a, const Dual& b) {
    const S q = a.v / b.v;
    return {q, (a.d - q * b.d) / b.v};
  }
  friend Dual exp(const Dual& a) {
    using std::exp;
    const S e = exp(a.v);
    return {e, e * a.d};
  }
  friend Dual log1p(const Dual& a) {
    using std::log1p;
    return {log1p(a.v), a.d / (S(1) + a.v)};
  }
  friend Dual sqrt(const Dual& a) {
    using std::sqrt;
    const S r = sqrt(a.v);
    return {r, a.d / (r + r)};
  }
  /// d tanh(x) / dx = 4 s(2 x) s(-2 x) for the sigmoid s, free of cancellation
  friend Dual tanh(const Dual& a) {
    using std::tanh;
    const S twice = a.v + a.v;
    return {tanh(a.v), S(4) * sigmoid(twice) * sigmoid(-twice) * a.d};
  }
  /// d erfc(x) / dx = -2 / sqrt(pi) exp(-x^2)
  friend Dual erfc(const Dual& a) {
    using std::erfc, std::exp, std::sqrt;
    return {erfc(a.v), S(-2) / sqrt(pi<S>()) * exp(-square(a.v)) * a.d};
  }
  friend Dual dot(const Dual* a, const Dual* b, Index n, Index step = 1) {
    if (n == 0) return {};
    return {dot(&a->v, &b->v, n, 2 * step), dot(&a->v, &b->d, n, 2 * step) + dot(&a->d, &b->v, n, 2 * step)};
  }

  // Derivatives do not vote.
  friend double approx(const Dual& a) { return approx(a.v); }
  friend bool greater(const Dual& a, const Dual& b) { return greater(a.v, b.v); }
  friend bool same(const Dual& a, const Dual& b) { return same(a.v, b.v); }

  friend void store(Dual& a, Tensor id) {
    if (nudge) a.d += S(nudge(id));
  }
};

template <typename S>
struct Constants<Dual<S>> {
  static Dual<S> pi() { return {moe::pi<S>(), S(0)}; }
};

}  // namespace moe

template <typename S>
struct Eigen::NumTraits<moe::Dual<S>> : Eigen::GenericNumTraits<double> {
  using Real = moe::Dual<S>;
  using NonInteger = moe::Dual<S>;
  using Nested = moe::Dual<S>;
  using Literal = double;
  enum { RequireInitialization = 1, ReadCost = 20, AddCost = 200, MulCost = 400 };
};
