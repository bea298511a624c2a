#pragma once

#include <bit>
#include <climits>
#include <cstdint>
#include <limits>
#include <optional>

#include "moe/scalar/scalar.h"

namespace moe {

/// What a binary format needs so that nothing is rounded: `bits` significant bits, and exponents that reach from
/// 2^low, of which everything is a multiple, to 2^high, which nothing exceeds. No bits: there was nothing but zeros.
struct Need {
  int bits = 0, low = INT_MAX, high = INT_MIN;

  void include(const Need& o) {
    bits = std::max(bits, o.bits), low = std::min(low, o.low), high = std::max(high, o.high);
  }
};

/// A dyadic number m 2^e with |m| <= 2^53, or nothing known, which spreads as NaN does: what leaves the dyadic numbers.
/// With it goes what every evaluation of every sum on the way needs to be exact, in any order, with or without fma: a
/// partial sum is a multiple of the smallest granule g of the terms, and lies between the sum -N of the negative terms
/// and the sum P of the positive ones.
///   (E1)  bits = max(1, ceil(log2(max(P, N) / g)))
/// So a number is kept as the sum that made it. Products by a power of two keep the terms: a kernel may scale before or
/// after it adds. So do the outputs of experts, which a kernel may add to y term by term; all else that is stored is one.
class Exact {
 public:
  Exact() = default;
  Exact(double x) {
    int exponent = 0;
    const double fraction = std::frexp(x, &exponent);
    if (std::isfinite(x))
      *this = term(static_cast<std::int64_t>(std::ldexp(fraction, 53)), exponent - 53, {});
    else
      known_ = false;
  }
  /// A real number of which nothing is known.
  static Exact unknown() { return {std::numeric_limits<double>::quiet_NaN()}; }

  bool known() const { return known_; }
  const Need& need() const { return need_; }
  /// The number; NaN where it is not known.
  friend double approx(const Exact& a) {
    return a.known_ ? std::ldexp(static_cast<double>(a.sum()), a.exponent_) : std::nan("");
  }

  friend Exact operator-(Exact a) {
    std::swap(a.plus_, a.minus_);
    return a;
  }
  Exact& operator+=(const Exact& o) {
    if (!known_ || !o.known_) return *this = unknown();
    need_.include(o.need_);
    if (o.empty()) return *this;
    if (empty()) exponent_ = o.exponent_;
    const int low = std::min(exponent_, o.exponent_), mine = exponent_ - low, other = o.exponent_ - low;
    if (std::max(mine, other) > 63) return *this = unknown();
    hold((Wide{plus_} << mine) + (Wide{o.plus_} << other), (Wide{minus_} << mine) + (Wide{o.minus_} << other),
         low);
    return *this;
  }
  friend Exact operator+(Exact a, const Exact& b) { return a += b; }
  friend Exact operator-(Exact a, const Exact& b) { return a += -b; }

  friend Exact operator*(const Exact& a, const Exact& b) {
    if (a.known_ && b.known_ && !a.is_zero() && !b.is_zero()) {
      if (const Term l = a.alone(); std::abs(l.m) == 1) return b.scaled(l, a.need_);
      if (const Term r = b.alone(); std::abs(r.m) == 1) return a.scaled(r, b.need_);
    }
    return product(a, b);
  }
  /// Known where it comes out. Division by zero does not, and the layer has none.
  friend Exact operator/(const Exact& a, const Exact& b) {
    if (!a.known_ || !b.known_ || b.is_zero()) return unknown();
    const Term num = a.alone(), den = b.alone();
    if (num.m % den.m != 0) return unknown();
    Need need = a.need_;
    need.include(b.need_);
    return term(num.m / den.m, num.e - den.e, need);
  }
  friend Exact exp(const Exact& a) { return a.is_zero() ? a.makes(1) : unknown(); }
  friend Exact log1p(const Exact& a) { return a.is_zero() ? a.makes(0) : unknown(); }
  friend Exact tanh(const Exact& a) { return a.is_zero() ? a.makes(0) : unknown(); }
  friend Exact erfc(const Exact& a) { return a.is_zero() ? a.makes(1) : unknown(); }
  friend Exact sqrt(const Exact& a) {
    if (a.is_zero()) return a.makes(0);
    if (!a.known_ || a.sum() < 0) return unknown();
    Term t = a.alone();
    if (t.e % 2 != 0) t = {2 * t.m, t.e - 1};
    const auto root = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(t.m))));
    return root * root == t.m ? term(root, t.e / 2, a.need_) : unknown();
  }

  /// The products are the terms: what a factor was summed from is over.
  friend Exact dot(const Exact* a, const Exact* b, Index n, Index step = 1) {
    Exact total;
    for (Index i = 0; i < n; ++i) total += product(a[i * step], b[i * step]);
    return total;
  }
  /// The mean may be subtracted at once, too, and is exact then as well; that of one number is the number.
  friend void deviations(const Exact* d, const Exact* p, Index n, Exact* c) {
    const Exact mean = dot(p, d, n).settled();
    for (Index i = 0; i < n; ++i) {
      Exact total;
      for (Index j = 0; j < n; ++j)
        if (j != i) total += p[j] * (d[i].settled() - d[j].settled());
      const Exact at_once = n > 1 ? d[i].settled() - mean : Exact();
      c[i] = at_once.known_ ? total.with(at_once.need_) : unknown();
    }
  }
  /// The side of the kink is known only as well as z.
  friend Exact relu(const Exact& z) { return !z.known_ ? unknown() : z.sum() > 0 ? z.settled() : z.makes(0); }
  friend Exact relu_slope(const Exact& z) { return z.known_ ? z.makes(z.sum() > 0 ? 1 : 0) : unknown(); }

  friend Exact at_most(const Exact& z, const Exact& limit) {
    return !z.known_ ? unknown() : approx(z) > approx(limit) ? limit.with(z.need_) : z.settled();
  }
  friend Exact at_most_slope(const Exact& z, const Exact& limit) {
    return z.known_ ? z.makes(approx(z) < approx(limit) ? 1 : 0) : unknown();
  }

  friend bool greater(const Exact& a, const Exact& b) {
    if (!a.known_ || !b.known_) throw Undecided("the order of a number that is not dyadic");
    return approx(a) > approx(b);
  }
  friend bool same(const Exact& a, const Exact& b) { return a.known_ && b.known_ && approx(a) == approx(b); }

  friend void store(Exact& a, Tensor id) {
    const bool adds_up =
        id == Tensor::expert_out || id == Tensor::combine_weighted || id == Tensor::shared_stage_out;
    if (!adds_up) a = a.settled();
  }

 private:
  __extension__ using Wide = unsigned __int128;
  static constexpr std::uint64_t kMost = std::uint64_t{1} << 53;

  /// A number as an odd integer times a power of two; 0 as 0 2^0.
  struct Term {
    std::int64_t m;
    int e;
  };

  std::int64_t sum() const { return static_cast<std::int64_t>(plus_) - static_cast<std::int64_t>(minus_); }
  bool empty() const { return plus_ == 0 && minus_ == 0; }
  bool is_zero() const { return known_ && plus_ == minus_; }
  Term alone() const {
    const std::int64_t m = sum();
    if (m == 0) return {0, 0};
    const int zeros = std::countr_zero(static_cast<std::uint64_t>(m));
    return {m >> zeros, exponent_ + zeros};
  }
  /// The same number as a single term.
  Exact settled() const {
    if (!known_) return *this;
    const Term t = alone();
    return term(t.m, t.e, need_);
  }
  Exact with(const Need& need) const {
    Exact a = *this;
    a.need_.include(need);
    return a;
  }
  /// `value`, which follows from this number, or from this and, if it is known, `other`.
  Exact makes(double value) const { return Exact(value).with(need_); }
  Exact makes(double value, const Exact& other) const {
    return makes(value).with(other.known_ ? other.need_ : Need{});
  }
  /// These terms times a power of two, which needs `need`.
  Exact scaled(const Term& power, Need need) const {
    need.include(need_);
    return of_terms(power.m > 0 ? plus_ : minus_, power.m > 0 ? minus_ : plus_, exponent_ + power.e, need);
  }

  /// a b as one term. 0 times what is not known is 0: it is a real number all the same.
  static Exact product(const Exact& a, const Exact& b) {
    if (a.is_zero()) return a.makes(0, b);
    if (b.is_zero()) return b.makes(0, a);
    if (!a.known_ || !b.known_) return unknown();
    const Term l = a.alone(), r = b.alone();
    Need need = a.need_;
    need.include(b.need_);
    std::int64_t m = 0;
    return __builtin_mul_overflow(l.m, r.m, &m) ? unknown() : term(m, l.e + r.e, need);
  }
  static Exact term(std::int64_t m, int e, const Need& need) {
    const int zeros = m == 0 ? 0 : std::countr_zero(static_cast<std::uint64_t>(m));
    const auto size = static_cast<std::uint64_t>(std::abs(m)) >> zeros;
    return of_terms(m > 0 ? size : 0, m > 0 ? 0 : size, m == 0 ? 0 : e + zeros, need);
  }
  static Exact of_terms(Wide plus, Wide minus, int e, const Need& need) {
    Exact a;
    a.need_ = need;
    a.hold(plus, minus, e);
    return a;
  }
  /// Becomes (plus - minus) 2^e, whose terms are multiples of 2^e; not known beyond 53 bits or the range of binary64.
  void hold(Wide plus, Wide minus, int e) {
    const Wide most = std::max(plus, minus);
    if (most == 0) return;
    const int log2 =
        most > kMost ? 54
                     : static_cast<int>(std::bit_width(static_cast<std::uint64_t>(most) - 1));  // rounded up
    known_ = log2 <= 53 && e >= -1074 && e + log2 <= 1023;
    plus_ = static_cast<std::uint64_t>(plus), minus_ = static_cast<std::uint64_t>(minus), exponent_ = e;
    need_.include({std::max(1, log2), e, e + log2});
  }

  std::uint64_t plus_ = 0, minus_ = 0;  // the sums P and N of (E1) in units of 2^exponent_
  int exponent_ = 0;
  bool known_ = true;
  Need need_;
};

template <>
struct Constants<Exact> {
  static Exact pi() { return Exact::unknown(); }
};

}  // namespace moe

template <>
struct Eigen::NumTraits<moe::Exact> : Eigen::GenericNumTraits<double> {
  using Real = moe::Exact;
  using NonInteger = moe::Exact;
  using Nested = moe::Exact;
  using Literal = double;
  enum { RequireInitialization = 1, ReadCost = 5, AddCost = 20, MulCost = 20 };
};
