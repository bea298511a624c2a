#pragma once

#include <cmath>
#include <numbers>
#include <type_traits>

#include "moe/tensor.h"

/// What the layer asks of a scalar. The definitions here are the mathematics and serve every scalar; a scalar
/// overloads one only to be faster (Ball) or to state what *any* correct evaluation of it may do.
///
/// A scalar Num has: Num(), Num(double), + - * /, unary -, +=; exp log1p sqrt erfc tanh pi<Num>(), by argument-dependent
/// lookup; approx(a) for decisions that need no certainty; and, if it may choose, greater(a, b) and
/// same(a, b) for decisions that change the result.
/// Operators take independent operands: where one number enters twice there is a primitive for it.
namespace moe {

inline double approx(double a) { return a; }
inline double approx(float a) { return static_cast<double>(a); }

/// a > b, or Undecided where the scalar cannot tell. same(a, b): provably one number.
inline bool greater(double a, double b) { return a > b; }
inline bool greater(float a, float b) { return a > b; }
inline bool same(double a, double b) { return a == b; }
inline bool same(float a, float b) { return a == b; }

template <typename Num>
struct Constants {
  static Num pi() { return Num(std::numbers::pi); }
};
template <typename Num>
Num pi() {
  return Constants<Num>::pi();
}

/// A number of the config, which an implementation holds in a precision of its own.
template <typename Num>
Num configured(double c) {
  if constexpr (requires { Constants<Num>::configured(c); })
    return Constants<Num>::configured(c);
  else
    return Num(c);
}

/// sum_i a_i b_i over elements `step` apart. Any order, with or without fma, is a correct evaluation.
template <typename Num>
Num dot(const Num* a, const Num* b, Index n, Index step = 1) {
  Num total(0);
  for (Index i = 0; i < n; ++i) total += a[i * step] * b[i * step];
  return total;
}

/// b_i = w a_i: the multiply-adds of the combine, whose adds are a `sum`.
template <typename Num>
void scale(const Num& w, const Num* a, Index n, Num* b) {
  for (Index i = 0; i < n; ++i) b[i] = w * a[i];
}

/// sum_i a_i, in any order.
template <typename Num>
Num sum(const Num* a, Index n) {
  Num total(0);
  for (Index i = 0; i < n; ++i) total += a[i];
  return total;
}

/// The sum of `chosen`, the n largest of `all` m numbers.
template <typename Num>
Num sum_of_largest(const Num* chosen, Index n, const Num*, Index) {
  return sum(chosen, n);
}

/// a^2: one operand, not two independent ones.
template <typename Num>
Num square(const Num& a) {
  return a * a;
}

/// f(z) for a smooth f of one variable: a function object with f(Num) and f.curvature() >= sup |f''|.
template <typename F, typename Num>
Num smooth(const F& f, const Num& z) {
  return f(z);
}

/// max(z, 0), and its slope; at z = 0 both are 0.
template <typename Num>
Num relu(const Num& z) {
  return greater(z, Num(0)) ? z : Num(0);
}
template <typename Num>
Num relu_slope(const Num& z) {
  return greater(z, Num(0)) ? Num(1) : Num(0);
}

/// min(z, limit), and its slope in z; at z = limit that is 0.
template <typename Num>
Num at_most(const Num& z, const Num& limit) {
  return greater(limit, z) ? z : limit;
}
template <typename Num>
Num at_most_slope(const Num& z, const Num& limit) {
  return greater(limit, z) ? Num(1) : Num(0);
}

/// max(z, limit), and its slope in z; at z = limit that is 0.
template <typename Num>
Num at_least(const Num& z, const Num& limit) {
  return -at_most(Num(-z), Num(-limit));
}
template <typename Num>
Num at_least_slope(const Num& z, const Num& limit) {
  return at_most_slope(Num(-z), Num(-limit));
}

/// a_i is also what other(b) writes to b_i, by another formula in use. Exact scalars have it already; one that states what
/// any correct evaluation does covers both.
template <typename Num, typename Other>
void cover(Num*, Index, Other) {}

/// May rounding decide whether a or b is larger?
template <typename Num>
bool in_doubt(const Num&, const Num&) {
  return false;
}

/// A whole number that a decision made: up to `off` more or less where rounding may decide otherwise.
template <typename Num>
Num counted(double n, double off) {
  if constexpr (requires { Num::uncertain(n, off); })
    return Num::uncertain(n, off);
  else
    return Num(n);
}

/// An element of tensor `id` as it was before it was stored, which a program may go on with that fuses what follows: a
/// scalar that states what any correct evaluation does covers that, too.
template <typename Num>
Num unstored(const Num& a, Tensor) {
  return a;
}

/// 1 / (1 + exp(-z)), without overflow for either sign.
template <typename Num>
Num sigmoid(const Num& z) {
  using std::exp;
  if (approx(z) >= 0) return Num(1) / (Num(1) + exp(-z));
  const Num small = exp(z);
  return small / (Num(1) + small);
}

/// log(1 + exp(z)), without overflow for either sign. Its slope is sigmoid(z).
template <typename Num>
Num softplus(const Num& z) {
  using std::exp, std::log1p;
  return approx(z) > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

/// The index of a largest element; any of those that the scalar cannot tell apart.
template <typename Num>
Index largest(const Num* z, Index n) {
  Index top = 0;
  for (Index i = 1; i < n; ++i)
    if (approx(z[i]) > approx(z[top])) top = i;
  return top;
}

/// w_i = s_i / sum_j s_j for s >= 0.
template <typename Num>
void normalize(const Num* s, Index n, Num* w) {
  const Num total = sum(s, n);
  for (Index i = 0; i < n; ++i) w[i] = s[i] / total;
}

/// p_i = exp(z_i) / sum_j exp(z_j), the same for any shift of z; the largest z keeps exp in range. Nothing for n = 0.
template <typename Num>
void softmax(const Num* z, Index n, Num* p) {
  using std::exp;
  if (n == 0) return;
  const Num shift = Num(approx(z[largest(z, n)]));
  for (Index i = 0; i < n; ++i) p[i] = exp(z[i] - shift);
  normalize(p, n, p);
}

/// log sum_i exp(z_i) for n >= 1: what the others add to the largest z, however little.
template <typename Num>
Num log_sum_exp(const Num* z, Index n) {
  using std::exp, std::log1p;
  const Index top = largest(z, n);
  Num others(0);
  for (Index i = 0; i < n; ++i)
    if (i != top) others += exp(z[i] - z[top]);
  return z[top] + log1p(others);
}

/// c_i = d_i - sum_j p_j d_j, where sum p = 1: how far d_i lies from the weighted mean (both softmax' and
/// normalize' need it). Written with differences so that equal d, or n = 1, give exactly zero; and with the sums side by
/// side, each in the order of j, so that they do not wait for themselves.
template <typename Num>
void deviations(const Num* d, const Num* p, Index n, Num* c) {
  for (Index i = 0; i < n; ++i) c[i] = Num(0);
  for (Index j = 0; j < n; ++j) {
    const Num share = p[j], other = d[j];
    for (Index i = 0; i < j; ++i) c[i] += share * (d[i] - other);
    for (Index i = j + 1; i < n; ++i) c[i] += share * (d[i] - other);
  }
}

/// The vector-Jacobian products of p = softmax(z) and w = normalize(s).
///   dz_i = p_i (dp_i - sum_j p_j dp_j)           ds_i = (dw_i - sum_j w_j dw_j) / sum_j s_j
template <typename Num>
void softmax_backward(const Num* p, const Num* dp, Index n, Num* dz) {
  deviations(dp, p, n, dz);
  for (Index i = 0; i < n; ++i) dz[i] = p[i] * dz[i];
}
template <typename Num>
void normalize_backward(const Num* s, const Num* w, const Num* dw, Index n, Num* ds) {
  const Num total = sum(s, n);
  deviations(dw, w, n, ds);
  for (Index i = 0; i < n; ++i) ds[i] = ds[i] / total;
  cover(ds, n, [&](Num* other) {  // divided first, as automatic differentiation has it
    for (Index i = 0; i < n; ++i) other[i] = dw[i] / total;
    const Num mean = dot(other, w, n);
    for (Index i = 0; i < n; ++i) other[i] = other[i] - mean;
  });
}

/// What is computed as long as it lives is part of computing tensor `id`. A scalar that models rounding specializes it: what
/// an operator gives back may depend on that.
template <typename Num>
struct StageScope {
  explicit StageScope(Tensor) {}
};

/// `a` is an element of tensor `id`, which the implementation may have rounded to a storage format.
template <typename Num>
void store(Num&, Tensor) {}

/// The storage point: what `compute()` gives, as memory would give it back. Costs nothing for exact scalars.
template <typename Compute>
auto stored(Tensor id, Compute compute) {
  using Num = typename std::invoke_result_t<Compute>::Scalar;
  const StageScope<Num> stage(id);
  Matrix<Num> m = compute();
  for (Index i = 0; i < m.size(); ++i) store(m.data()[i], id);
  return m;
}

}  // namespace moe
