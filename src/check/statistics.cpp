#include "statistics.h"

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/statistics/univariate_statistics.hpp>
#include <set>

#include "moe/scalar/profile.h"
#include "text.h"

namespace moe {
namespace {

constexpr double kBlock = 1.3;  // a row's share of the allowance
constexpr Index kMostRemembered = 65536;

/// Sums over one row, or over all.
struct Sums {
  double n = 0, sum = 0, squares = 0, along = 0,
         size = 0;  // of z, z^2; of expected times error, and expected^2, over sigma^2

  void add(double error, double expected, double sigma) {
    const double z = error / sigma, y = expected / sigma;
    n += 1, sum += z, squares += z * z, along += y * z, size += y * y;
  }
  void add(const Sums& o) { n += o.n, sum += o.sum, squares += o.squares, along += o.along, size += o.size; }
  /// Without what all errors have in common, where there are enough to tell: shares of one sum have the error of that sum.
  Sums apart() const {
    Sums rest = *this;
    if (n > 1) rest.n = n - 1, rest.squares = squares - sum * sum / n;
    return rest;
  }
  double rms() const { return n > 0 ? std::sqrt(squares / n) : 0; }
  ///   (J4)  the slope of got on expected, less 1, in standard deviations: sum w y (got - y) / sqrt(sum w y^2), w = 1 / sigma^2
  double slope_z() const { return size > 0 ? along / std::sqrt(size) : 0; }
};

/// In which of the log2 buckets a distance lies.
std::size_t bucket(double ulps) {
  if (!(ulps >= 0.5)) return 0;
  return std::min<std::size_t>(static_cast<std::size_t>(std::ilogb(ulps + 0.5)) + 1, kUlpBuckets - 1);
}

/// (J2)  The quantile of chi-squared with n degrees of freedom beyond which lies 1e-9 / tests.
double chi_squared_quantile(double n, double tests) {
  return boost::math::quantile(boost::math::complement(boost::math::chi_squared(n), 1e-9 / tests));
}

/// The statistics of one tensor as they are collected.
class Tally {
 public:
  Tally(const Comparison& c, TensorVerdict& v) : c_(c), v_(v), precision_(precision_of(v.format)) {
    v_.numbers = static_cast<Index>(c.expected->size());
    width_ = v.dims.empty() ? 1 : std::max<Index>(v.dims.back(), 1);
    stride_ = std::max<Index>(1, v_.numbers / 4096);
  }

  void run() {
    for (Index first = 0; first < v_.numbers; first += width_) {
      Sums row;
      double ratio = 0;
      for (Index i = first; i < std::min(first + width_, v_.numbers); ++i)
        ratio = std::max(ratio, number(i, row));
      v_.row_ratio.push_back(ratio);
      const Sums tested = c_.soft.by_row ? row.apart() : row;
      const double rms = tested.rms();
      if (row.n > 0 && rms > v_.row_rms) v_.row_rms = rms, v_.row_worst = first / width_, worst_row_ = tested;
      row_slope_ = std::max(row_slope_, std::abs(row.slope_z()));
      all_.add(row), rows_ += row.n > 0 ? 1 : 0;
    }
    v_.tested = static_cast<Index>(all_.n), v_.z_rms = all_.rms(), v_.slope_z = all_.slope_z();
    v_.validated_bits = bits_.empty() ? 0 : boost::math::statistics::median(bits_);
    if (v_.numbers > 0) v_.zeros = static_cast<double>(zeros_) / static_cast<double>(v_.numbers);
  }

  /// (J1) to (J5), the first that fails.
  void decide() {
    if (nonfinite_ >= 0)
      return fail(nonfinite_,
                  "is " + short_text(c_.got->real(nonfinite_)) + " where a finite number is expected");
    if (v_.hard_ratio > 1)
      return fail(v_.worst, "is off by " + short_text(v_.got - v_.expected) + ", " +
                                short_text(v_.hard_ratio) + " times what any correct evaluation may be");
    if (all_.n > 0) test_soft();
    if (v_.status != Status::Pass) return;
    const double needed = std::min(6, std::max(precision_.bits - 6, 1));
    if (v_.numbers > 0 && v_.judged == 0 && v_.tested == 0)
      low_power("no number has a budget");
    else if (v_.numbers > 0 && v_.zeros > 0.5)
      low_power("more than half of the expected numbers are 0");
    else if (!bits_.empty() && v_.validated_bits < needed)
      low_power("the budget leaves " + short_text(v_.validated_bits) + " bits to see an error by");
  }

 private:
  /// Returns the share of HARD that number i uses up.
  double number(Index i, Sums& row) {
    const double got = c_.got->real(i), expected = at(*c_.expected, i), hard = at(*c_.hard, i);
    if (expected == 0) ++zeros_;
    // Infinity is right where the format's range may be left, and anything where there is no bound because that happened on
    // the way; where a bound is missing for another reason, neither infinity nor NaN ever.
    const bool bounded = std::isfinite(hard);
    const bool may_be_infinite = std::isinf(got) && 2 * std::abs(expected) > c_.range;
    if (!std::isfinite(got) && !bounded && (c_.overflowed || may_be_infinite)) return 0;
    if (!std::isfinite(got)) {
      if (nonfinite_ < 0) nonfinite_ = i;
      return HUGE_VAL;
    }
    if (bounded) v_.judged += 1;
    const double error = got - expected, unit = precision_.spacing(expected);
    v_.ulps[bucket(error == 0 || unit == 0 ? (error == 0 ? 0 : 0x1p30)
                                           : std::abs(got - precision_.round(expected)) / unit)] += 1;
    const double ratio = error == 0 || !bounded ? 0 : hard > 0 ? std::abs(error) / hard : HUGE_VAL;
    if (ratio > v_.hard_ratio || v_.worst < 0)
      v_.hard_ratio = ratio, v_.worst = i, v_.got = got, v_.expected = expected;
    const double sigma = at(*c_.sigma, i);
    if (!(sigma > 0) || !std::isfinite(sigma) || !is_new(expected, got)) return ratio;
    row.add(error, expected, sigma);
    if (std::abs(error) / sigma > v_.z_max) v_.z_max = std::abs(error) / sigma, v_.z_worst = i;
    if (expected != 0 && i % stride_ == 0) bits_.push_back(std::log2(std::abs(expected) / (6 * sigma)));
    return ratio;
  }

  /// Numbers that are the same, as those of tied experts are, have one error and not many: it counts once. In large tensors
  /// they would have to be many to matter, and cost time to find.
  bool is_new(double expected, double got) {
    return v_.numbers > kMostRemembered || seen_.insert({expected, got}).second;
  }

  /// (J3) and (J4).
  void test_soft() {
    const SoftTests& soft = c_.soft;
    const auto tests = static_cast<double>(c_.tests);
    const double allowed = soft.allowance * soft.allowance, n = soft.by_row ? rows_ : all_.n;
    if (v_.z_rms * v_.z_rms * n > chi_squared_quantile(n, tests) * allowed)
      return flag("errors are " + short_text(v_.z_rms) + " times their typical size in the mean");
    if (v_.z_max * v_.z_max > (49 + 2 * std::log(all_.n)) * allowed)
      return flag(place(v_.dims, v_.z_worst) + " is " + short_text(v_.z_max) + " standard deviations off");
    if (std::abs(v_.slope_z) > soft.slope)
      return flag("all is scaled by a common factor: " + short_text(v_.slope_z) + " standard deviations");
    if (!soft.rows) return;
    if (worst_row_.n > 0 &&
        worst_row_.squares > chi_squared_quantile(worst_row_.n, tests * rows_) * allowed * kBlock * kBlock)
      return flag("errors of row " + std::to_string(v_.row_worst) + " are " + short_text(v_.row_rms) +
                  " times their typical size");
    if (row_slope_ > 2 * soft.slope)
      return flag("a row is scaled by a common factor: " + short_text(row_slope_) + " standard deviations");
  }

  void fail(Index i, const std::string& what) {
    v_.status = Status::Fail, v_.worst = i, v_.got = c_.got->real(i), v_.expected = at(*c_.expected, i);
    v_.reason = place(v_.dims, i) + ' ' + what;
  }
  void flag(std::string reason) { v_.status = Status::Flag, v_.reason = std::move(reason); }
  void low_power(std::string reason) { v_.status = Status::LowPower, v_.reason = std::move(reason); }

  const Comparison& c_;
  TensorVerdict& v_;
  Precision precision_;
  Index width_, stride_, zeros_ = 0, nonfinite_ = -1;
  Sums all_, worst_row_;
  double row_slope_ = 0, rows_ = 0;
  std::vector<double> bits_;
  std::set<std::pair<double, double>> seen_;
};

}  // namespace

SoftTests soft_tests_of(const std::string& name, bool isolated, const Profile& profile) {
  SoftTests soft;
  const bool of_experts = name == "expert.out" || name == "combine.weighted" || name == "y";
  const bool linear =
      name == "expert.gate" || name == "expert.up" || name == "expert.hidden" || name == "router.logits";
  const bool of_shares = name == "router.scores" || name == "router.topk_weights" ||
                         name == "grad.router.scores" || name == "grad.router.logits" ||
                         name == "grad.router.noisy_logits";
  if (of_shares) soft.by_row = true;  // they share a sum
  if (!isolated && of_experts) soft.slope = 24;
  if (!isolated && !of_experts && !linear) {  // sums over what came from one row of an expert
    const bool scalar = name.starts_with("loss.") || name.starts_with("grad.router.") || name == "grad.x";
    soft = {.allowance = scalar ? 2 : 1.15, .by_row = true, .slope = 48, .rows = false};
  }
  if (profile.operands.bits > 0) soft.slope = HUGE_VAL;  // truncation is a common factor
  // ... and so is the rounding of a token's weight, of all that comes back through it: of a matrix, if its expert has one token.
  if (!isolated && name.starts_with("grad.expert") && profile.of(Tensor::router_topk_weights).bits > 0)
    soft.slope = HUGE_VAL;
  return soft;
}

void judge(const Comparison& c, TensorVerdict& verdict) {
  Tally tally(c, verdict);
  tally.run();
  tally.decide();
}

}  // namespace moe
