#pragma once

#include <tuple>

#include "moe/scalar/blur.h"
#include "moe/scalar/dual.h"
#include "moe/scalar/profile.h"

namespace moe {

/// A value v and the variance, around it, of what a correct implementation of current_profile() computes, were its
/// roundings independent and uniform. An estimate, and calibrated as one: docs/MATH.md, section 14.
struct Spread {
  double v = 0, var = 0;
  int bits = 0;  // it is what a store of so many bits left, perhaps copied; 0: not known

  Spread() = default;
  Spread(double value, double variance = 0) : v(value), var(variance) {}

  static Spread uncertain(double n, double off) { return {n, off * off}; }
  /// (W1)  one rounding of x: spacing(x)^2 / 12; all of it where it is flushed
  static double uniform(double x, const Precision& p) {
    if (std::abs(x) < current_profile().underflow(p)) return x * x;
    return p.spacing(x) * p.spacing(x) / 12;
  }
  /// Within eight standard deviations of 0: a quotient by it says nothing.
  static bool may_vanish(double x, double variance) { return x * x < 64 * variance; }
  static Spread rounded(double value, double moved) {
    return {value, moved + uniform(value, current_result())};
  }
  /// (W2)  n roundings of partial sums: of sums that wander, `squares`, and of sums that drift to `total`
  static double accumulated(Index n, double u, double squares, double total) {
    const auto m = static_cast<double>(n);
    return u * u / 3 * (m / 2 * squares + m / 3 * total * total);
  }
  /// Relative, of a sum of n + 1 terms that are alike: added one by one, they are rounded the same way each time.
  static double alike(Index n, double u) { return moe::square(static_cast<double>(n) * u / 4); }
  static double rounding(double value) { return rounds_results() ? uniform(value, current_result()) : 0; }

  friend Spread operator+(const Spread& a, const Spread& b) { return rounded(a.v + b.v, a.var + b.var); }
  friend Spread operator-(const Spread& a, const Spread& b) { return rounded(a.v - b.v, a.var + b.var); }
  friend Spread operator-(Spread a) {
    a.v = -a.v;
    return a;
  }
  friend Spread operator*(const Spread& a, const Spread& b) {
    if (a.v == 1 && a.var == 0) return b;
    return rounded(a.v * b.v, a.v * a.v * b.var + a.var * (b.v * b.v + b.var));
  }
  friend Spread operator/(const Spread& a, const Spread& b) {
    const double q = a.v / b.v;
    return rounded(q, may_vanish(b.v, b.var) ? HUGE_VAL : (a.var + q * q * b.var) / (b.v * b.v));
  }
  Spread& operator+=(const Spread& o) { return *this = *this + o; }
  friend Spread square(const Spread& a) { return rounded(a.v * a.v, 4 * a.v * a.v * a.var); }

  friend Spread exp(const Spread& a) {
    const double y = std::exp(a.v), u = current_profile().inside.u * (1 + std::abs(a.v));
    return rounded(y, y * y * (a.var + u * u / 3));
  }
  friend Spread log1p(const Spread& a) { return rounded(std::log1p(a.v), a.var / ((1 + a.v) * (1 + a.v))); }
  friend Spread sqrt(const Spread& a) { return rounded(std::sqrt(a.v), a.v > 0 ? a.var / (4 * a.v) : 0); }
  friend Spread tanh(const Spread& a) {
    const double y = std::tanh(a.v), slope = 1 - y * y, u = current_profile().inside.u;
    return rounded(y, slope * slope * a.var + y * y * u * u / 3);
  }
  /// Also as 1 - erf(x).
  friend Spread erfc(const Spread& a) {
    const double slope = 2 * std::numbers::inv_sqrtpi * std::exp(-a.v * a.v), u = current_profile().inside.u;
    return rounded(std::erfc(a.v), slope * slope * a.var + u * u / 3);
  }

  friend Spread dot(const Spread* a, const Spread* b, Index n, Index step = 1) {
    const Profile& p = current_profile();
    const double normal = std::ldexp(1.0, p.inside.low), lost = moe::square(p.underflow(p.inside)) / 3;
    double total = 0, moved = 0, squares = 0;
    for (Index i = 0; i < n; ++i) {
      const Spread &x = a[i * step], &y = b[i * step];
      const double product = x.v * y.v;
      if (product != 0 && std::abs(product) < normal) moved += lost;
      moved += rounding(product);
      total += product;
      moved += x.v * x.v * y.var + x.var * (y.v * y.v + y.var);
      squares += product * product;
    }
    if (n == 0) return {};
    const double truncated = 2 * p.operands.u;
    moved += (2 * truncated * truncated + p.inside.u * p.inside.u) / 3 * squares +
             truncated * truncated * total * total;
    return {total, moved + accumulated(n, p.inside.u, squares, total) + rounding(total)};
  }
  friend Spread sum(const Spread* a, Index n) {
    double total = 0, moved = 0, squares = 0;
    for (Index i = 0; i < n; ++i) {
      total += a[i].v;
      moved += a[i].var;
      squares += a[i].v * a[i].v;
    }
    if (n <= 1) return n == 0 ? Spread() : a[0];
    return {total, moved + accumulated(n - 1, sums_in(n).u, squares, total) + (n > 64 ? rounding(total) : 0)};
  }

  /// Near the kink the slope is not known; eight standard deviations are near.
  friend Spread relu(const Spread& z) {
    if (z.v > 0) return z;
    return {0.0, z.v * z.v < 64 * z.var ? z.var : 0.0};
  }
  friend Spread relu_slope(const Spread& z) {
    return {z.v > 0 ? 1.0 : 0.0, z.v * z.v < 64 * z.var ? 1.0 : 0.0};
  }

  friend Spread at_most(const Spread& z, const Spread& limit) {
    if (z.v < limit.v) return z;
    return {limit.v, near(z, limit) ? z.var + limit.var : limit.var};
  }
  friend Spread at_most_slope(const Spread& z, const Spread& limit) {
    return {z.v < limit.v ? 1.0 : 0.0, near(z, limit) ? 1.0 : 0.0};
  }
  /// ... exactly at the limit, too: PyTorch has 0 there, JAX 1/2.
  static bool near(const Spread& a, const Spread& b) {
    return (a.v - b.v) * (a.v - b.v) <= 64 * (a.var + b.var);
  }

  friend Spread unstored(const Spread& a, Tensor id) {
    return {a.v, a.var + uniform(a.v, current_profile().of(id))};
  }
  friend void store(Spread& a, Tensor id) {
    const Precision& p = current_profile().of(id);
    const bool fits = (a.bits > 0 && a.bits <= p.bits) || (a.var == 0 && p.round(a.v) == a.v);
    if (!fits) a.var += uniform(a.v, p);
    a.bits = p.bits;
    std::tie(a.v, a.var) = isolated({a.v, a.var}, id, uniform);
  }
  friend double approx(const Spread& a) { return a.v; }
  /// For group scores only; all other decisions are given.
  friend bool greater(const Spread& a, const Spread& b) { return a.v > b.v; }
  friend bool same(const Spread& a, const Spread& b) { return a.v == b.v; }
  friend bool in_doubt(const Spread& a, const Spread& b) { return a.var + b.var > 0 && near(a, b); }
};

template <>
struct StageScope<Spread> : RoundingStage {
  using RoundingStage::RoundingStage;
};

template <>
struct Constants<Spread> {
  static Spread configured(double c) {
    const double off = current_profile().inside.round(c) - c;
    return {c, off * off};
  }
  static Spread pi() { return configured(std::numbers::pi); }
};

template <typename Other>
void cover(Spread* a, Index n, Other other) {
  std::vector<Spread> b = buffer<Spread>(n);
  other(b.data());
  for (Index i = 0; i < n; ++i) a[i].var = std::max(a[i].var, at(b, i).var + square(a[i].v - at(b, i).v));
}

/// By (Q10): it may be 0.
inline Spread sigmoid(const Spread& z) {
  Spread s = sigmoid<Spread>(z);
  if (overflows(-z.v)) s.var += square(s.v);
  return s;
}

/// (W3)  f(z) spreads as f'(z) z does, and as its own roundings do.
template <typename F>
Spread smooth(const F& f, const Spread& z) {
  const Dual<double> y = f(Dual<double>(z.v, 1.0));
  double lost = blur(f, std::abs(z.v)) * current_profile().inside.u;
  if constexpr (requires { f.blur_of_result(); }) lost += f.blur_of_result() * current_result().u;
  return {y.v, y.d * y.d * z.var + f(Spread(z.v)).var + lost * lost / 3};
}

/// (W4)  dw_i = w_i (dr_i - sum_j w_j dr_j) for relative moves dr of variance r
inline void shares(const std::vector<double>& v, const std::vector<double>& r, Spread* w) {
  double total = 0, all = 0, squares = 0;
  for (const double x : v) total += x;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double s = v[i] / total;
    all += s * s * r[i], squares += s * s;
  }
  const Profile& p = current_profile();
  const auto n = static_cast<Index>(v.size());
  if (Spread::may_vanish(1, all)) {
    for (std::size_t i = 0; i < v.size(); ++i) w[i] = {v[i] / total, HUGE_VAL};
    return;
  }
  const double sum = Spread::accumulated(n - 1, p.inside.u, squares, 1) + Spread::alike(n - 1, p.inside.u) +
                     (rounds_results() ? square(current_result().u) / 3 : 0);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double s = v[i] / total;
    w[i] = Spread::rounded(s, s * s * ((1 - s) * (1 - s) * r[i] + std::max(all - s * s * r[i], 0.0) + sum));
  }
}

inline void normalize(const Spread* s, Index n, Spread* w) {
  std::vector<double> v, r;
  for (Index i = 0; i < n; ++i) {
    v.push_back(s[i].v);
    r.push_back(s[i].v > 0 ? s[i].var / (s[i].v * s[i].v) : 0);
  }
  shares(v, r, w);
}

/// Relative variances of exp(z_i - shift).
inline std::vector<double> exp_variances(const Spread* z, Index n, double shift) {
  const Profile& p = current_profile();
  std::vector<double> r;
  for (Index i = 0; i < n; ++i) {
    const double u = p.inside.u * (1 + std::abs(z[i].v - shift)),
                 result = rounds_results() ? current_result().u : 0;
    r.push_back(z[i].var + u * u + result * result / 3);
  }
  return r;
}

inline void softmax(const Spread* z, Index n, Spread* p) {
  if (n == 0) return;
  const double shift = z[largest(z, n)].v;
  std::vector<double> v;
  for (Index i = 0; i < n; ++i) v.push_back(std::exp(z[i].v - shift));
  shares(v, exp_variances(z, n, shift), p);
}

/// d lse = sum_i p_i dz_i
inline Spread log_sum_exp(const Spread* z, Index n) {
  const double shift = z[largest(z, n)].v;
  const std::vector<double> r = exp_variances(z, n, shift);
  double total = 0, moved = 0, squares = 0;
  for (Index i = 0; i < n; ++i) total += std::exp(z[i].v - shift);
  for (Index i = 0; i < n; ++i) {
    const double p = std::exp(z[i].v - shift) / total;
    moved += p * p * r[static_cast<std::size_t>(i)];
    squares += p * p;
  }
  const double log_total = std::log(total), u = current_profile().inside.u;
  moved += Spread::accumulated(n - 1, u, squares, 1) + Spread::alike(n - 1, u);
  return Spread(shift) + Spread::rounded(log_total, moved + u * u / 3);
}

/// (W5)  dc_i = dd_i - sum_j (p_j dd_j + (d_j - mean) dp_j)
inline void deviations(const Spread* d, const Spread* p, Index n, Spread* c) {
  double mean = 0, whole = 0, all = 0, squares = 0, products = 0;
  for (Index j = 0; j < n; ++j) mean += p[j].v * d[j].v, whole += p[j].v;
  for (Index j = 0; j < n; ++j) {
    all += p[j].v * p[j].v * d[j].var + (d[j].v - mean) * (d[j].v - mean) * p[j].var;
    squares += p[j].v * p[j].v * d[j].v * d[j].v;
    products += Spread::rounding(p[j].v * d[j].v);
  }
  const Profile& of = current_profile();
  const double own =
      Spread::accumulated(n + 1, of.inside.u, squares, mean) + products + Spread::rounding(mean);
  for (Index i = 0; i < n; ++i) {
    const double q = p[i].v;
    const double rest = d[i].v * (1 - whole);  // of an implementation's own p, which need not sum to 1
    c[i] = Spread::rounded(d[i].v - mean, (1 - q) * (1 - q) * d[i].var +
                                              std::max(all - q * q * d[i].var, 0.0) + own + square(rest));
  }
}

}  // namespace moe

template <>
struct Eigen::NumTraits<moe::Spread> : Eigen::GenericNumTraits<double> {
  using Real = moe::Spread;
  using NonInteger = moe::Spread;
  using Nested = moe::Spread;
};
