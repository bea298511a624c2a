#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "moe/tensor.h"

namespace moe {

constexpr double power_of_two(int exponent) {
  double x = 1;
  for (; exponent > 0; --exponent) x *= 2;
  for (; exponent < 0; ++exponent) x /= 2;
  return x;
}

/// A binary floating-point format, as rounding to nearest sees it. Made by `binary`; the default rounds nothing.
struct Precision {
  int bits = 0;    // of the significand, the hidden one included
  int low = 0;     // the smallest exponent of normal numbers
  double u = 0;    // the largest relative error of one rounding
  double eta = 0;  // what underflow adds to it, where subnormal numbers are kept
  double largest = HUGE_VAL;

  /// The distance of neighbours around x.
  double spacing(double x) const {
    if (bits == 0 || x == 0 || !std::isfinite(x)) return 0;
    return std::ldexp(1.0, std::max(std::ilogb(x), low) - bits + 1);
  }
  /// x rounded to nearest, ties to even; what is too large becomes infinite.
  double round(double x) const {
    if (bits == 0 || bits == 53 || x == 0 || !std::isfinite(x)) return x;
    if (bits == 24) return static_cast<double>(static_cast<float>(x));
    const double unit = spacing(x), y = std::nearbyint(x / unit) * unit;
    return std::abs(y) > largest ? std::copysign(HUGE_VAL, y) : y;
  }
};
constexpr Precision binary(int bits, int low, int high) {
  const double eta = std::max(power_of_two(low - bits), std::numeric_limits<double>::denorm_min());
  return {bits, low, power_of_two(-bits), eta, (2 - power_of_two(1 - bits)) * power_of_two(high)};
}
inline constexpr Precision kBinary64 = binary(53, -1022, 1023), kBinary32 = binary(24, -126, 127),
                           kTf32 = binary(11, -126, 127), kBfloat16 = binary(8, -126, 127),
                           kBinary16 = binary(11, -14, 15);

/// How an implementation computes. What a profile says of every implementation that has it: docs/MATH.md, section 13.
struct Profile {
  using OfTensors = std::array<Precision, static_cast<std::size_t>(Tensor::count)>;

  std::string name, words;       // "PASS as <words>"
  Precision inside = kBinary32;  // accumulators, and all that happens within one operator
  Precision result =
      kBinary32;              // what an operator gives back: a product, a sum, a function, a matrix product
  Precision operands = {};    // what the factors of matrix products are truncated to
  bool flush = false;         // numbers below the normal ones become 0
  double function_ulps = 4;   // a function is off by at most this many units inside.u of its value,
  double function_slope = 2;  // exp by this many more for each unit of its argument
  OfTensors store{};          // what each tensor is kept in
  OfTensors operators{};      // what the operators that compute it give back, where that is not `result`

  const Precision& of(Tensor id) const { return store[static_cast<std::size_t>(id)]; }
  /// What an operator gives back that is part of computing tensor `id`; Tensor::count for none of them.
  const Precision& result_of(Tensor id) const {
    if (id == Tensor::count) return result;
    const Precision& own = operators[static_cast<std::size_t>(id)];
    return own.bits > 0 ? own : result;
  }
  /// What underflow adds to a result in format `p`.
  double underflow(const Precision& p) const { return flush && p.bits > 0 ? std::ldexp(1.0, p.low) : p.eta; }
};

/// Real arithmetic.
inline const Profile kNoRounding{.name = {}, .words = {}, .inside = {}, .result = {}};

/// What Bound, Spread and Narrow model now, in this thread, and what an operator gives back there.
inline thread_local const Profile* current_profile_ = nullptr;
inline thread_local const Precision* current_result_ = nullptr;
inline const Profile& current_profile() { return *current_profile_; }
inline const Precision& current_result() { return *current_result_; }
/// Has a number left the range of what it is kept in, so that infinity, and what follows from it, is no fault?
inline thread_local bool left_range_ = false;
/// Does an operator round what it accumulated?
inline bool rounds_results() { return current_result().bits != current_profile().inside.bits; }
/// Does exp(z) leave the range of what is computed in?
inline bool overflows(double z) {
  return std::exp(z) > std::min(current_profile().inside.largest, current_result().largest);
}
/// A sum of so few terms may be a scatter-add, which rounds after each; a longer one accumulates inside.
inline const Precision& sums_in(Index n) { return n <= 64 ? current_result() : current_profile().inside; }

/// Puts both back when it goes.
class ArithmeticScope {
 public:
  ArithmeticScope(const Profile* profile, const Precision* result)
      : profile_(std::exchange(current_profile_, profile)), result_(std::exchange(current_result_, result)) {}
  ~ArithmeticScope() { current_profile_ = profile_, current_result_ = result_; }
  ArithmeticScope(const ArithmeticScope&) = delete;
  ArithmeticScope& operator=(const ArithmeticScope&) = delete;

 private:
  const Profile* profile_;
  const Precision* result_;
};

/// Makes a profile the current one as long as it lives.
class ProfileScope {
 public:
  explicit ProfileScope(Profile profile) : profile_(std::move(profile)), now_(&profile_, &profile_.result) {}

 private:
  Profile profile_;
  ArithmeticScope now_;
};

/// What follows is part of computing tensor `id`, as long as it lives: of scalars that model rounding.
class RoundingStage {
 public:
  explicit RoundingStage(Tensor id) : now_(current_profile_, &current_profile().result_of(id)) {}

 private:
  ArithmeticScope now_;
};

/// What a candidate returned of one tensor, in our order, and the format in which it did.
struct Held {
  Precision precision;
  std::vector<double> values;
};

/// A pass that meets, at every storage point, what the candidate holds there: each stage is computed from the candidate's
/// own inputs to it. What the stage itself gave is kept aside, as value and error, to judge the candidate by.
struct Isolation {
  std::array<const Held*, static_cast<std::size_t>(Tensor::count)> held{};
  std::array<std::vector<std::pair<double, double>>, static_cast<std::size_t>(Tensor::count)> computed;
};
inline thread_local Isolation* isolation_ = nullptr;

/// Makes an isolation the current one as long as it lives; none for nullptr.
class IsolationScope {
 public:
  explicit IsolationScope(Isolation* isolation) : before_(std::exchange(isolation_, isolation)) {}
  ~IsolationScope() { isolation_ = before_; }
  IsolationScope(const IsolationScope&) = delete;
  IsolationScope& operator=(const IsolationScope&) = delete;

 private:
  Isolation* before_;
};

/// For `store`: keeps {value, error} aside and gives back what the candidate holds; its error is what rounding for the
/// return may have hidden, `hidden(value, precision)`, unless the tensor is kept in that format anyway.
template <typename Hidden>
std::pair<double, double> isolated(std::pair<double, double> computed, Tensor id, Hidden hidden) {
  if (isolation_ == nullptr) return computed;
  auto& list = isolation_->computed[static_cast<std::size_t>(id)];
  list.push_back(computed);
  const Held* held = isolation_->held[static_cast<std::size_t>(id)];
  if (held == nullptr) return computed;
  const double value = held->values[list.size() - 1];
  const int kept = current_profile().of(id).bits;
  return {value, kept > 0 && kept <= held->precision.bits ? 0 : hidden(value, held->precision)};
}

}  // namespace moe
