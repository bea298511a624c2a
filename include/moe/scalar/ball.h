#pragma once

// FLINT 3 took Arb in.
#if __has_include(<flint/arb.h>)
#include <flint/arb.h>
#include <flint/arb_hypgeom.h>
#else
#include <arb.h>
#include <arb_hypgeom.h>
#endif

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "moe/error.h"
#include "moe/scalar/scalar.h"

namespace moe {

/// A real number known to lie in [mid - rad, mid + rad]; every operation keeps that true.
/// Source: Johansson, Arb: Efficient Arbitrary-Precision Midpoint-Radius Interval Arithmetic (IEEE TC 66, 2017).
class Ball {
 public:
  static inline thread_local slong bits = 128;  // working precision of every midpoint

  Ball() { arb_init(v_); }  // NOLINT(cppcoreguidelines-pro-type-member-init): arb_init is what sets v_
  Ball(double x) : Ball() { *this = x; }
  Ball(const Ball& o) : Ball() { arb_set(v_, o.v_); }
  Ball(Ball&& o) noexcept : Ball() { arb_swap(v_, o.v_); }
  Ball& operator=(const Ball& o) {
    arb_set(v_, o.v_);
    return *this;
  }
  Ball& operator=(Ball&& o) noexcept {
    arb_swap(v_, o.v_);
    return *this;
  }
  /// arb_set_d, without a call where x is normal: weights are made by the hundred million.
  Ball& operator=(double x) {
    const auto pattern = std::bit_cast<std::uint64_t>(x);
    const auto exponent = static_cast<slong>(pattern >> 52 & 0x7ff);
    arf_ptr mid = arb_midref(v_);
    const bool plain = !ARF_HAS_PTR(mid) && !COEFF_IS_MPZ(ARF_EXP(mid)) && mag_is_zero(arb_radref(v_));
    if (!plain || exponent == 0 || exponent == 0x7ff) {
      arb_set_d(v_, x);
      return *this;
    }
    ARF_EXP(mid) = exponent - 1022;
    ARF_XSIZE(mid) = ARF_MAKE_XSIZE(1, pattern >> 63);
    ARF_NOPTR_D(mid)[0] = LIMB_TOP | pattern << 11;
    return *this;
  }
  ~Ball() { arb_clear(v_); }

  Ball& operator+=(const Ball& o) {
    arb_add(v_, v_, o.v_, bits);
    return *this;
  }
  friend Ball operator+(const Ball& a, const Ball& b) { return of(arb_add, a, b); }
  friend Ball operator-(const Ball& a, const Ball& b) { return of(arb_sub, a, b); }
  friend Ball operator*(const Ball& a, const Ball& b) { return of(arb_mul, a, b); }
  friend Ball operator/(const Ball& a, const Ball& b) { return of(arb_div, a, b); }
  friend Ball operator-(const Ball& a) {
    Ball r;
    arb_neg(r.v_, a.v_);
    return r;
  }
  friend Ball square(const Ball& a) { return of(arb_sqr, a); }
  friend Ball exp(const Ball& a) { return of(arb_exp, a); }
  friend Ball log1p(const Ball& a) { return of(arb_log1p, a); }
  friend Ball sqrt(const Ball& a) { return of(arb_sqrt, a); }
  friend Ball tanh(const Ball& a) { return of(arb_tanh, a); }
  friend Ball erfc(const Ball& a) { return of(arb_hypgeom_erfc, a); }
  static Ball pi() {
    Ball r;
    arb_const_pi(r.v_, bits);
    return r;
  }
  /// 2^exponent, exactly.
  static Ball power_of_two(slong exponent) {
    Ball r(1);
    arb_mul_2exp_si(r.v_, r.v_, exponent);
    return r;
  }

  /// arb_dot is five times faster than a loop of arb_addmul, and tighter: one rounding at the end. Short exact operands,
  /// which is what inputs and weights are, need no more than integers.
  friend Ball dot(const Ball* a, const Ball* b, Index n, Index step = 1) {
    Ball r;
    if (n == 0) return r;  // there may be no array at all
    if (!integer_dot(r.v_, a->v_, b->v_, n, step))
      arb_dot(r.v_, nullptr, 0, a->v_, step, b->v_, step, n, bits);
    return r;
  }

  friend double approx(const Ball& a) { return arf_get_d(arb_midref(a.v_), ARF_RND_NEAR); }
  friend bool overlap(const Ball& a, const Ball& b) { return arb_overlaps(a.v_, b.v_) != 0; }

  /// Is a > b? Two equal exact numbers are a tie, which is not greater.
  friend bool greater(const Ball& a, const Ball& b) {
    if (arb_gt(a.v_, b.v_)) return true;
    if (arb_le(a.v_, b.v_)) return false;
    throw Undecided("two enclosures overlap, so their order is undecided");
  }
  /// Both exact, and equal: whatever else is one number in truth is proven so elsewhere (choose.h).
  friend bool same(const Ball& a, const Ball& b) {
    return arb_is_exact(a.v_) && arb_is_exact(b.v_) && arb_equal(a.v_, b.v_);
  }

  /// floor(a), where the whole ball agrees on it and it fits a long.
  friend std::optional<slong> unique_floor(const Ball& a) {
    const Ball floor = of(arb_floor, a);
    fmpz_t n;
    fmpz_init(n);
    const bool unique = arb_get_unique_fmpz(n, floor.v_) != 0 && fmpz_fits_si(n) != 0;
    const slong value = unique ? fmpz_get_si(n) : 0;
    fmpz_clear(n);
    return unique ? std::optional(value) : std::nullopt;
  }

  /// The number correctly rounded to binary64, where both ends of the ball round to it: rounding is monotone. A zero
  /// has no sign here: a real number has none, and the sign that an end rounds to depends on the library's version.
  friend std::optional<double> correctly_rounded(const Ball& a) {
    const auto [low, high] = ends(a, ARF_RND_NEAR, ARF_RND_NEAR);
    return low == high ? std::optional(low) : std::nullopt;
  }
  /// Two doubles that hold the number between them.
  struct Interval {
    double low, high;
  };
  friend Interval enclosing_doubles(const Ball& a) { return ends(a, ARF_RND_FLOOR, ARF_RND_CEIL); }
  /// 2^(exponent - 1) <= |mid| < 2^exponent, clamped to 32 bits; for mid != 0.
  friend std::int32_t exponent_of(const Ball& a) {
    const slong e = ARF_EXP(arb_midref(a.v_));
    return COEFF_IS_MPZ(e) ? (fmpz_sgn(ARF_EXPREF(arb_midref(a.v_))) > 0 ? INT32_MAX : INT32_MIN)
                           : static_cast<std::int32_t>(std::clamp<slong>(e, INT32_MIN, INT32_MAX));
  }

 private:
  static Interval ends(const Ball& a, arf_rnd_t down, arf_rnd_t up) {
    arf_t end;
    arf_init(end);
    arb_get_lbound_arf(end, a.v_, 2 * bits);
    const double low = arf_get_d(end, down);
    arb_get_ubound_arf(end, a.v_, 2 * bits);
    const double high = arf_get_d(end, up);
    arf_clear(end);
    return {low == 0 ? 0.0 : low, high == 0 ? 0.0 : high};
  }
  /// 0 if a is exact and not zero, with at most 31 significant bits and an exponent below 2^40 in size: digits(a)
  /// 2^(exponent - 31). In one number, because a branch for each would cost more than the product.
  static std::uint64_t excess(arb_srcptr a) {
    arf_srcptr mid = arb_midref(a);
    const auto u = [](auto x) { return static_cast<std::uint64_t>(x); };
    return u(MAG_MAN(arb_radref(a))) | u(MAG_EXP(arb_radref(a))) | u(ARF_SIZE(mid) ^ 1) |
           u(ARF_NOPTR_D(mid)[0] << 31) | u(ARF_EXP(mid) + (slong{1} << 40)) >> 41;
  }
  static std::int64_t digits(arb_srcptr a) {
    const auto size = static_cast<std::int64_t>(ARF_NOPTR_D(arb_midref(a))[0] >> 33),
               minus = -static_cast<std::int64_t>(ARF_SGNBIT(arb_midref(a)));
    return (size ^ minus) - minus;
  }
  /// r = sum_i a_i b_i by 128-bit integers, rounded once to `bits`. False, and nothing done, where a factor has an excess
  /// or the products lie too far apart; a vector of balls shows it at its first element.
  static bool integer_dot(arb_t r, arb_srcptr a, arb_srcptr b, Index n, Index step) {
    // A product is below 2^62, so n of them, shifted by at most `most`, stay below 2^127.
    const slong most = 65 - static_cast<slong>(std::bit_width(static_cast<std::uint64_t>(n)));
    Int128 sum = 0;
    slong lowest = 0;  // the exponent of a product that is not shifted; the first one is, by half of `most`
    bool any = false;
    for (; n > 0; --n, a += step, b += step) {
      if ((excess(a) | excess(b)) != 0) {
        if (arb_is_zero(a) || arb_is_zero(b)) continue;
        return false;
      }
      const slong exponent = ARF_EXP(arb_midref(a)) + ARF_EXP(arb_midref(b));
      if (!any) any = true, lowest = exponent - most / 2;
      const slong shift = exponent - lowest;
      if (shift < 0 || shift > most) return false;
      const slong product = digits(a) * digits(b);  // of at most 31 bits each
      sum += Int128{product} << shift;
    }
    fmpz_t whole;
    fmpz_init(whole);
    fmpz_set_signed_uiui(whole, static_cast<ulong>(sum >> 64), static_cast<ulong>(sum));
    arb_set_fmpz(r, whole);
    fmpz_clear(whole);
    arb_mul_2exp_si(r, r, lowest - 62);
    arb_set_round(r, r, bits);
    return true;
  }
  template <typename Operation>
  static Ball of(Operation operation, const Ball& a, const Ball& b) {
    Ball r;
    operation(r.v_, a.v_, b.v_, bits);
    return r;
  }
  template <typename Operation>
  static Ball of(Operation operation, const Ball& a) {
    Ball r;
    operation(r.v_, a.v_, bits);
    return r;
  }

  arb_t v_;
};

/// Another precision for a scope.
class Bits {
 public:
  explicit Bits(slong bits) : before_(std::exchange(Ball::bits, bits)) {}
  ~Bits() { Ball::bits = before_; }
  Bits(const Bits&) = delete;
  Bits& operator=(const Bits&) = delete;

 private:
  slong before_;
};

static_assert(sizeof(Ball) == sizeof(arb_struct), "an array of Ball is an array of arb_struct");
static_assert(FLINT_BITS == 64, "a double fits one limb");

template <>
struct Constants<Ball> {
  static Ball pi() { return Ball::pi(); }
};

}  // namespace moe

template <>
struct Eigen::NumTraits<moe::Ball> : Eigen::GenericNumTraits<double> {
  using Real = moe::Ball;
  using NonInteger = moe::Ball;
  using Nested = moe::Ball;
  using Literal = double;
  enum { RequireInitialization = 1, ReadCost = 10, AddCost = 100, MulCost = 100 };
};
