#pragma once

#include <utility>
#include <vector>

#include "moe/scalar/profile.h"
#include "moe/scalar/scalar.h"

namespace moe {

enum class Order { Sequential, Pairwise, Lanes32, Reversed };
/// Of two formulas in use for the same numbers (cover in scalar.h), which one is computed.
enum class Formula { Own, Other };

/// A plain implementation of current_profile(), with `order` for its sums and `formula` where there are two: what Bound and
/// Spread are about, so they are calibrated on it. Every operation is computed in binary64 and then rounded, which for up to 25 bits is one rounding.
struct Narrow {
  double v = 0;
  static inline thread_local Order order = Order::Sequential;
  static inline thread_local Formula formula = Formula::Own;

  Narrow() = default;
  Narrow(double value) : v(value) {}

  static double inside(double x) { return current_profile().inside.round(x); }
  static Narrow result(double x) { return {current_result().round(x)}; }

  friend Narrow operator+(Narrow a, Narrow b) { return result(a.v + b.v); }
  friend Narrow operator-(Narrow a, Narrow b) { return result(a.v - b.v); }
  friend Narrow operator-(Narrow a) { return {-a.v}; }
  friend Narrow operator*(Narrow a, Narrow b) { return result(a.v * b.v); }
  friend Narrow operator/(Narrow a, Narrow b) { return result(a.v / b.v); }
  Narrow& operator+=(Narrow o) { return *this = *this + o; }
  friend Narrow exp(Narrow a) { return result(inside(std::exp(a.v))); }
  friend Narrow log1p(Narrow a) { return result(inside(std::log1p(a.v))); }
  friend Narrow sqrt(Narrow a) { return result(inside(std::sqrt(a.v))); }
  friend Narrow tanh(Narrow a) { return result(inside(std::tanh(a.v))); }
  friend Narrow erfc(Narrow a) { return result(inside(std::erfc(a.v))); }

  friend Narrow dot(const Narrow* a, const Narrow* b, Index n, Index step = 1) {
    const Profile& p = current_profile();
    const auto factor = [&](double x) {  // towards 0
      const double y = p.operands.round(x);
      return std::abs(y) > std::abs(x) ? y - std::copysign(p.operands.spacing(x), x) : y;
    };
    return result(accumulated(
        n, [&](Index i) { return inside(factor(a[i * step].v) * factor(b[i * step].v)); },
        [](double x) { return inside(x); }));
  }
  friend Narrow sum(const Narrow* a, Index n) {
    const Precision& p = sums_in(n);
    return n == 1 ? a[0]
                  : result(accumulated(
                        n, [&](Index i) { return a[i].v; }, [&](double x) { return p.round(x); }));
  }
  friend void store(Narrow& a, Tensor id) { a.v = current_profile().of(id).round(a.v); }
  /// As kernels write them: the sum of a softmax accumulates inside; a dot, then differences.
  friend void normalize(const Narrow* s, Index n, Narrow* w) {
    const Narrow total = result(accumulated(
        n, [&](Index i) { return s[i].v; }, [](double x) { return inside(x); }));
    for (Index i = 0; i < n; ++i) w[i] = s[i] / total;
  }
  friend Narrow log_sum_exp(const Narrow* z, Index n) {
    const double shift = z[largest(z, n)].v;
    const double total = accumulated(
        n, [&](Index i) { return inside(std::exp(inside(z[i].v - shift))); },
        [](double x) { return inside(x); });
    return result(inside(shift + inside(std::log(total))));
  }
  friend void deviations(const Narrow* d, const Narrow* p, Index n, Narrow* c) {
    const Narrow mean = result(accumulated(
        n, [&](Index i) { return inside(d[i].v * p[i].v); }, [](double x) { return inside(x); }));
    for (Index i = 0; i < n; ++i) c[i] = d[i] - mean;
  }
  friend double approx(Narrow a) { return a.v; }
  friend bool greater(Narrow a, Narrow b) { return a.v > b.v; }
  friend bool same(Narrow a, Narrow b) { return a.v == b.v; }

 private:
  template <typename Term, typename Round>
  static double accumulated(Index n, Term term, Round round) {
    if (n == 0) return 0;
    if (order == Order::Pairwise) return pairwise(0, n, term, round);
    if (order == Order::Lanes32) {
      const Index lanes = std::min<Index>(n, 32);
      double total = 0;
      for (Index lane = 0; lane < lanes; ++lane) {
        double of_lane = term(lane);
        for (Index i = lane + lanes; i < n; i += lanes) of_lane = round(of_lane + term(i));
        total = lane == 0 ? of_lane : round(total + of_lane);
      }
      return total;
    }
    const auto at = [&](Index i) { return term(order == Order::Reversed ? n - 1 - i : i); };
    double total = at(0);
    for (Index i = 1; i < n; ++i) total = round(total + at(i));
    return total;
  }
  template <typename Term, typename Round>
  static double pairwise(Index from, Index to, Term term, Round round) {
    if (to - from == 1) return term(from);
    const Index middle = (from + to) / 2;
    return round(pairwise(from, middle, term, round) + pairwise(middle, to, term, round));
  }
};

/// Makes an order the one of Narrow's sums, and a formula the one that it computes, as long as it lives.
class OrderScope {
 public:
  explicit OrderScope(Order order, Formula formula = Formula::Own)
      : order_(std::exchange(Narrow::order, order)), formula_(std::exchange(Narrow::formula, formula)) {}
  ~OrderScope() { Narrow::order = order_, Narrow::formula = formula_; }
  OrderScope(const OrderScope&) = delete;
  OrderScope& operator=(const OrderScope&) = delete;

 private:
  Order order_;
  Formula formula_;
};

template <typename Other>
void cover(Narrow* a, Index n, Other other) {
  if (Narrow::formula == Formula::Own) return;
  std::vector<Narrow> b(static_cast<std::size_t>(n));
  other(b.data());
  std::copy(b.begin(), b.end(), a);
}

template <>
struct StageScope<Narrow> : RoundingStage {
  using RoundingStage::RoundingStage;
};

template <>
struct Constants<Narrow> {
  static Narrow configured(double c) { return {Narrow::inside(c)}; }
  static Narrow pi() { return configured(std::numbers::pi); }
};

}  // namespace moe

template <>
struct Eigen::NumTraits<moe::Narrow> : Eigen::GenericNumTraits<double> {
  using Real = moe::Narrow;
  using NonInteger = moe::Narrow;
  using Nested = moe::Narrow;
};
