#pragma once

#include <tuple>

#include "moe/scalar/blur.h"
#include "moe/scalar/dual.h"
#include "moe/scalar/profile.h"

namespace moe {

/// A value v and a bound e: what any correct implementation of current_profile() computes lies within e of v. The bound
/// covers the rounding of v itself (unit kOwn) and is rounded up, so it is a theorem and not an estimate; docs/MATH.md,
/// section 13, proves it rule by rule. An infinite e says nothing.
struct Bound {
  double v = 0, e = 0;
  static constexpr double kOwn = 0x1p-53;

  Bound() = default;
  Bound(double value, double error = 0) : v(value), e(error) {}

  static Bound uncertain(double n, double off) { return {n, off}; }
  /// x, computed in n nonnegative operations at binary64, made an upper bound; what is not a number bounds nothing.
  static double up(double x, Index n = 0) {
    return std::isnan(x) ? HUGE_VAL : x * (1 + static_cast<double>(n + 16) * 0x1p-52);
  }
  /// (1 + x)(1 + y) - 1
  static double both(double x, double y) { return x + y + x * y; }
  static double eta() {
    const Profile& p = current_profile();
    return std::max(p.underflow(p.inside), p.underflow(current_result()));
  }
  /// What an operator adds by rounding its result, if it does.
  static double rounding() { return rounds_results() ? current_result().u : 0; }
  /// (Q2)  gamma_n = n u / (1 - n u): n roundings of unit u and n of ours, in any order
  static double gamma(Index n, double u) {
    const double nu = static_cast<double>(n) * (u + kOwn);
    return nu < 1 ? up(nu / (1 - nu)) : HUGE_VAL;
  }
  static double gamma(Index n) { return gamma(n, current_profile().inside.u); }

  /// What an operator gives back: without a bound where it may leave the range.
  static Bound given_back(double value, double e) {
    if (std::abs(value) + e <= current_result().largest) return {value, e};
    left_range_ = left_range_ || std::isfinite(e);
    return {value, HUGE_VAL};
  }
  /// (Q1)  an operator: `value` after its operands moved it by at most `moved`, rounded once
  static Bound rounded(double value, double moved) {
    return given_back(value, up(moved + (current_result().u + kOwn) * (std::abs(value) + moved) + eta()));
  }
  /// (Q4)  a function: off by `ulps` units of the precision inside, then rounded if results are
  static Bound function(double value, double moved, double ulps) {
    const double unit = ulps * (current_profile().inside.u + 4 * kOwn) + rounding();
    return given_back(value, up(moved + unit * (std::abs(value) + moved) + eta()));
  }

  friend Bound operator+(const Bound& a, const Bound& b) { return rounded(a.v + b.v, a.e + b.e); }
  friend Bound operator-(const Bound& a, const Bound& b) { return rounded(a.v - b.v, a.e + b.e); }
  friend Bound operator-(const Bound& a) { return {-a.v, a.e}; }
  friend Bound operator*(const Bound& a, const Bound& b) {
    return rounded(a.v * b.v, std::abs(a.v) * b.e + a.e * (std::abs(b.v) + b.e));
  }
  friend Bound operator/(const Bound& a, const Bound& b) {
    const double q = a.v / b.v, room = std::abs(b.v) - b.e;
    return rounded(q, room > 0 ? (a.e + std::abs(q) * b.e) / room * (1 + 0x1p-50) : HUGE_VAL);
  }
  Bound& operator+=(const Bound& o) { return *this = *this + o; }
  friend Bound square(const Bound& a) { return rounded(a.v * a.v, a.e * (2 * std::abs(a.v) + a.e)); }

  /// exp(e) - 1 <= e / (1 - e/2) for e < 2, without a library's exp.
  static double expm1_up(double e) { return e < 2 ? up(e / (1 - e / 2)) : HUGE_VAL; }
  friend Bound exp(const Bound& a) {
    const Profile& p = current_profile();
    const double y = std::exp(a.v);
    return function(y, y * expm1_up(a.e), p.function_ulps + p.function_slope * (std::abs(a.v) + a.e));
  }
  friend Bound log1p(const Bound& a) {
    const double room = 1 + a.v - a.e;
    return function(std::log1p(a.v), room > 0 ? a.e / room : HUGE_VAL, current_profile().function_ulps);
  }
  friend Bound sqrt(const Bound& a) {
    const double y = std::sqrt(a.v);
    return rounded(y, a.e == 0 ? 0 : a.e <= a.v ? a.e / y : HUGE_VAL);
  }
  friend Bound tanh(const Bound& a) { return function(std::tanh(a.v), a.e, current_profile().function_ulps); }
  /// erfc(x), also as 1 - erf(x), which loses what is small beside 1; |erfc'| <= 2 / sqrt(pi) < 1.13.
  friend Bound erfc(const Bound& a) {
    Bound y = function(std::erfc(a.v), 1.13 * a.e, current_profile().function_ulps);
    y.e = up(y.e + 2 * (current_profile().inside.u + kOwn));
    return y;
  }

  /// (Q3)  n products and n - 1 sums: n roundings on every path from input to output, whatever the order
  friend Bound dot(const Bound* a, const Bound* b, Index n, Index step = 1) {
    double total = 0, moved = 0, size = 0, largest = 0;
    for (Index i = 0; i < n; ++i) {
      const Bound &x = a[i * step], &y = b[i * step];
      const double larger = std::abs(y.v) + y.e;
      total += x.v * y.v;
      largest = std::max(largest, std::abs(x.v * y.v));
      moved += std::abs(x.v) * y.e + x.e * larger;
      size += (std::abs(x.v) + x.e) * larger;
    }
    if (n == 0) return {};
    const double truncated = 2 * current_profile().operands.u,
                 unit = both(gamma(n), both(truncated, truncated));
    const double error = moved + both(unit, rounding()) * size + static_cast<double>(n) * eta() +
                         underflow_of_operands(a, b, n, step);
    // Where each product is rounded, the largest of them has to fit, too.
    const double most = rounds_results() ? std::max(largest, std::abs(total)) : std::abs(total);
    Bound given = given_back(most, up(error + rounding() * (std::abs(total) + error), n));
    given.v = total;
    return given;
  }
  /// Truncation is off by two units where rounding is off by one.
  static double underflow_of_operands(const Bound* a, const Bound* b, Index n, Index step) {
    const Profile& p = current_profile();
    if (p.operands.bits == 0) return 0;
    const double each = 2 * p.underflow(p.operands);
    double size = 0;
    for (Index i = 0; i < n; ++i) {
      const Bound &x = a[i * step], &y = b[i * step];
      size += std::abs(x.v) + x.e + std::abs(y.v) + y.e + each;
    }
    return each * size;
  }
  /// (Q3)  n - 1 sums, each rounded as an operator's result
  friend Bound sum(const Bound* a, Index n) {
    double total = 0, moved = 0, size = 0;
    for (Index i = 0; i < n; ++i) {
      total += a[i].v;
      moved += a[i].e;
      size += std::abs(a[i].v) + a[i].e;
    }
    if (n == 0) return {};
    const double error = moved + gamma(n - 1, sums_in(n).u) * size + static_cast<double>(n - 1) * eta();
    return given_back(total, up(n == 1 ? error : error + rounding() * (std::abs(total) + error), n));
  }
  /// The sum of the n largest of m moves by at most n times what one of them does, whichever they are.
  friend Bound sum_of_largest(const Bound* chosen, Index n, const Bound* all, Index m) {
    Bound total = sum(chosen, n);
    double widest = 0;
    for (Index i = 0; i < m; ++i) widest = std::max(widest, all[i].e);
    total.e = up(total.e + static_cast<double>(n) * widest);
    return total;
  }

  /// (Q6)  |relu(a) - relu(b)| <= |a - b|; the slope is known where the sign is
  friend Bound relu(const Bound& z) { return {std::max(z.v, 0.0), z.v + z.e <= 0 ? 0 : z.e}; }
  friend Bound relu_slope(const Bound& z) { return {z.v > 0 ? 1.0 : 0.0, std::abs(z.v) > z.e ? 0.0 : 1.0}; }
  /// (Q6)  likewise |min(a, l) - min(b, m)| <= max(|a - b|, |l - m|)
  friend Bound at_most(const Bound& z, const Bound& limit) {
    if (z.v + z.e <= limit.v - limit.e) return z;
    return {std::min(z.v, limit.v), z.v - z.e >= limit.v + limit.e ? limit.e : std::max(z.e, limit.e)};
  }
  friend Bound at_most_slope(const Bound& z, const Bound& limit) {
    return {z.v < limit.v ? 1.0 : 0.0, std::abs(z.v - limit.v) > z.e + limit.e ? 0.0 : 1.0};
  }

  friend void store(Bound& a, Tensor id) {
    const Profile& profile = current_profile();
    const Precision& p = profile.of(id);
    if (a.e > 0 || p.round(a.v) != a.v) a.e = up(a.e + p.u * (std::abs(a.v) + a.e) + profile.underflow(p));
    if (std::abs(a.v) + a.e > p.largest) left_range_ = left_range_ || std::isfinite(a.e), a.e = HUGE_VAL;
    std::tie(a.v, a.e) = isolated({a.v, a.e}, id, [&](double x, const Precision& q) {
      return up(q.u * std::abs(x) * 1.01 + profile.underflow(q));
    });
  }
  friend Bound unstored(const Bound& a, Tensor id) {
    const Precision& p = current_profile().of(id);
    return {a.v, up(a.e + p.u * (std::abs(a.v) + a.e) + (p.bits > 0 ? current_profile().underflow(p) : 0))};
  }
  friend double approx(const Bound& a) { return a.v; }
  /// For group scores only, whose bound holds whatever is chosen; all other decisions are given.
  friend bool greater(const Bound& a, const Bound& b) { return a.v > b.v; }
  friend bool same(const Bound& a, const Bound& b) { return a.v == b.v; }
  friend bool in_doubt(const Bound& a, const Bound& b) {
    return a.e + b.e > 0 && std::abs(a.v - b.v) <= a.e + b.e;
  }
};

template <>
struct StageScope<Bound> : RoundingStage {
  using RoundingStage::RoundingStage;
};

/// A number of the config that need not be one of the profile's format.
template <>
struct Constants<Bound> {
  static Bound configured(double c) {
    const Precision& p = current_profile().inside;
    return {c, p.round(c) == c ? 0 : p.u * std::abs(c)};
  }
  static Bound pi() { return configured(std::numbers::pi); }
};

template <typename Other>
void cover(Bound* a, Index n, Other other) {
  std::vector<Bound> b = buffer<Bound>(n);
  other(b.data());
  for (Index i = 0; i < n; ++i)
    a[i].e = Bound::up(std::max(a[i].e, std::abs(a[i].v - at(b, i).v) + at(b, i).e));
}

/// (Q10)  1 / (1 + exp(-z)) is 0 where exp(-z) leaves the range of the format.
inline Bound sigmoid(const Bound& z) {
  Bound s = sigmoid<Bound>(z);
  if (overflows(-z.v + z.e)) s.e = Bound::up(s.v + s.e);
  return s;
}

/// (Q5)  f(z) moves by at most |f'(v)| e + sup|f''| e^2 / 2. The roundings inside f are what the bound taken op by op has
/// more than the one taken op by op without roundings; blur(z) units more cover formulas that subtract from 1, and so many times
/// what a function may be off, where it is a function's value whose square they subtract.
template <typename F>
Bound smooth(const F& f, const Bound& z) {
  const Dual<double> y = f(Dual<double>(z.v, 1.0));
  const double op_by_op = f(z).e;
  const double without = [&] {
    const ArithmeticScope exact(&kNoRounding, &kNoRounding.result);
    return f(z).e;
  }();
  const double own = 0x1p-45 * (1 + std::abs(z.v));  // y.v and y.d are doubles
  const double moved = (std::abs(y.d) + own) * z.e + f.curvature() / 2 * z.e * z.e + own * std::abs(y.v);
  double lost = blur(f, std::abs(z.v) + z.e) * current_result().u;
  if constexpr (requires { f.blur_of_function(); })
    lost += f.blur_of_function() * current_profile().function_ulps *
            (current_profile().inside.u + 4 * Bound::kOwn);
  return {y.v, Bound::up(std::min(op_by_op, moved + (op_by_op - without)) + lost)};
}

/// (Q7)  w_i = v_i / sum_j v_j for v_i known to relative error r_i, whose share of the sum cancels:
///         |w~_i - w_i| / w_i <= (r_i (1 - w_i) + sum_{j != i} w_j r_j) / (1 - sum_j w_j r_j)
inline void shares(const std::vector<double>& v, const std::vector<double>& r, Bound* w) {
  const auto n = static_cast<Index>(v.size());
  double total = 0, mean = 0;
  for (const double x : v) total += x;
  for (std::size_t i = 0; i < v.size(); ++i) mean += v[i] / total * r[i];
  const double summed = Bound::both(Bound::gamma(n), 2 * Bound::rounding());
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double share = v[i] / total;
    const double others = mean * (1 + 0x1p-50) - share * r[i];
    const double moved = (r[i] * std::max(1 - share, 0.0) + others) / (1 - mean);
    w[i] = Bound::rounded(share, mean < 1 ? Bound::up(share * Bound::both(moved, summed), n) : HUGE_VAL);
  }
}

inline void normalize(const Bound* s, Index n, Bound* w) {
  std::vector<double> v, r;
  for (Index i = 0; i < n; ++i) {
    v.push_back(s[i].v);
    r.push_back(s[i].v > 0 ? s[i].e / s[i].v : s[i].e > 0 ? HUGE_VAL : 0);
  }
  shares(v, r, w);
}

/// Relative errors of exp(z_i - shift) where the shift is the implementation's own largest z: whatever it is, it cancels.
/// One unit more covers a softmax over all experts that is divided again by the sum over the chosen.
inline std::vector<double> exp_errors(const Bound* z, Index n, double shift) {
  const Profile& p = current_profile();
  double reach = 0;
  for (Index i = 0; i < n; ++i) reach = std::max(reach, z[i].e);
  std::vector<double> r;
  for (Index i = 0; i < n; ++i) {
    const double distance = std::abs(z[i].v - shift) + z[i].e + reach;
    const double moved = Bound::expm1_up(z[i].e + (current_result().u + Bound::kOwn) * distance);
    const double unit = (p.function_ulps + p.function_slope * distance + 1) * (p.inside.u + 4 * Bound::kOwn) +
                        2 * Bound::rounding();
    r.push_back(Bound::up(Bound::both(moved, unit)));
  }
  return r;
}

inline void softmax(const Bound* z, Index n, Bound* p) {
  if (n == 0) return;
  const double shift = z[largest(z, n)].v;
  std::vector<double> v;
  for (Index i = 0; i < n; ++i) v.push_back(std::exp(z[i].v - shift));
  shares(v, exp_errors(z, n, shift), p);
}

/// (Q8)  d lse = sum_i p_i dz_i
inline Bound log_sum_exp(const Bound* z, Index n) {
  const double shift = z[largest(z, n)].v;
  const std::vector<double> r = exp_errors(z, n, shift);
  double total = 0, mean = 0;
  for (Index i = 0; i < n; ++i) total += std::exp(z[i].v - shift);
  for (Index i = 0; i < n; ++i) mean += std::exp(z[i].v - shift) / total * r[static_cast<std::size_t>(i)];
  mean = Bound::both(mean, Bound::both(Bound::gamma(n), Bound::rounding()));
  const double e = mean < 1 ? Bound::up(mean / (1 - mean)) : HUGE_VAL;
  const Bound log_total = Bound::function(std::log(total), e, current_profile().function_ulps);
  return Bound(shift) + log_total;
}

/// (Q9)  c_i = d_i - sum_j p_j d_j. Moves of d_i meet (1 - p_i) only. Roundings are those of the usual formula, a dot and
/// then a difference: kernels do not subtract first. An implementation's p need not sum to exactly 1, which p.e says, or p
/// itself where it is what was stored.
inline void deviations(const Bound* d, const Bound* p, Index n, Bound* c) {
  double size = 0, moved_d = 0, moved_p = 0, rest = 1;
  for (Index j = 0; j < n; ++j) {
    rest -= p[j].v;
    size += (p[j].v + p[j].e) * (std::abs(d[j].v) + d[j].e);
    moved_d += p[j].v * d[j].e;
    moved_p += p[j].e * (std::abs(d[j].v) + d[j].e);
  }
  const double inner = Bound::both(Bound::gamma(n), 2 * Bound::rounding());
  const double unit = current_result().u + Bound::kOwn;
  const double underflow =
      static_cast<double>(n + 1) * Bound::eta();  // of each product, and of the difference
  for (Index i = 0; i < n; ++i) {
    double v = 0;
    for (Index j = 0; j < n; ++j) v += j == i ? 0 : p[j].v * (d[i].v - d[j].v);
    const double others = moved_d * (1 + 0x1p-50) - p[i].v * d[i].e;
    const double moved =
        std::max(1 - p[i].v, 0.0) * d[i].e + others + moved_p +
        (std::abs(rest) + static_cast<double>(n) * Bound::kOwn) * (std::abs(d[i].v) + d[i].e);
    const double larger = std::abs(d[i].v) + d[i].e + size;
    c[i] = Bound::rounded(v, Bound::up(moved + inner * size + unit * larger + underflow, 4 * n));
  }
}

}  // namespace moe

template <>
struct Eigen::NumTraits<moe::Bound> : Eigen::GenericNumTraits<double> {
  using Real = moe::Bound;
  using NonInteger = moe::Bound;
  using Nested = moe::Bound;
};
