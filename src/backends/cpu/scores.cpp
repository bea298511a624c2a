#include "scores.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>

#include "numbers.h"

namespace moe::cpu {
namespace {

constexpr Index kLanes = 16;  // sums side by side, which are added in order

/// 2^n for -1022 <= n <= 1023, modulo 2^64.
inline double power_of_two(std::uint64_t n) { return std::bit_cast<double>((n + 1023) << 52); }

/// exp(x) for x <= 0, down to the subnormal numbers, and 0 below.
///   x = n log 2 + r, |r| <= log(2) / 2;   exp(r) by its Taylor polynomial of degree 13, off by less than 2^-57
/// log 2 is split so that n times its first part is exact; 2^n is applied in two steps, because it may be subnormal.
inline double exp_of_negative(double x) {
  constexpr double kLog2e = 0x1.71547652b82fep0, kHigh = 0x1.62e42feep-1, kLow = 0x1.a39ef35793c76p-33,
                   kRound = 0x1.8p52;
  x = x < -746 ? -746.0 : x;
  const double shifted = x * kLog2e + kRound, n = shifted - kRound;
  const double r = (x - n * kHigh) - n * kLow;
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  const std::uint64_t whole = std::bit_cast<std::uint64_t>(shifted) - std::bit_cast<std::uint64_t>(kRound),
                      half = 0 - ((0 - whole) >> 1);  // whole <= 0
  return p * power_of_two(half) * power_of_two(whole - half);
}

/// sum_i f(i) for i < n. What is left over goes to the sum, not to lanes: g++ 12.2 gets such a loop wrong.
template <typename F>
[[gnu::always_inline]] inline double sum_of(Index n, const F& f) {
  double lanes[kLanes] = {}, sum = 0;
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (Index j = 0; j < kLanes; ++j) lanes[j] += f(i + j);
  for (Index j = 0; j < kLanes; ++j) sum += lanes[j];
  for (; i < n; ++i) sum += f(i);
  return sum;
}
[[gnu::always_inline]] inline double largest_of(const double* z, Index n) {
  double lanes[kLanes];
  std::fill_n(lanes, kLanes, z[0]);
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (Index j = 0; j < kLanes; ++j) lanes[j] = z[i + j] > lanes[j] ? z[i + j] : lanes[j];
  double top = z[0];
  for (Index j = 0; j < kLanes; ++j) top = std::max(top, lanes[j]);
  for (; i < n; ++i) top = std::max(top, z[i]);
  return top;
}

/// s_i = exp(z_i - max z); returns the maximum, and the sum of all but it, however small beside its 1.
struct Exponentials {
  double largest, others;
};
[[gnu::always_inline]] inline Exponentials exponentials(const double* z, Index n, double* s) {
  const double largest = largest_of(z, n);
  for (Index i = 0; i < n; ++i) s[i] = exp_of_negative(z[i] - largest);
  double& own = s[std::min(n - 1, static_cast<Index>(std::find(z, z + n, largest) - z))];  // at most: for NaN
  const double one = std::exchange(own, 0);
  const double others = sum_of(n, [s](Index i) { return s[i]; });
  own = one;
  return {largest, others};
}

MOE_VECTORISED double softmax(const double* z, Index n, double* s) {
  const auto [largest, others] = exponentials(z, n, s);
  const double total = 1 + others;
  for (Index i = 0; i < n; ++i) s[i] /= total;
  return largest + std::log1p(others);
}

/// Neither sign cancels.
MOE_VECTORISED double sigmoids(const double* z, Index n, double* s) {
  const auto [largest, others] = exponentials(z, n, s);
  for (Index i = 0; i < n; ++i) {
    const double small = exp_of_negative(-std::abs(z[i]));
    s[i] = (z[i] >= 0 ? 1 : small) / (1 + small);
  }
  return largest + std::log1p(others);
}

/// dz_i = s_i (P (ds_i - d) - sum_j s_j (ds_j - d)) with P = sum_j s_j and d = ds_m for the largest s_m: nothing is lost, since
/// s_m >= 1 / n makes |ds_i - d| at most n sum_j s_j |ds_i - ds_j|.
MOE_VECTORISED void softmax_back(const double* s, const double* ds, Index n, double* dz) {
  const double own = ds[std::min(n - 1, static_cast<Index>(std::find(s, s + n, largest_of(s, n)) - s))];
  const double all = sum_of(n, [s](Index i) { return s[i]; });
  const double mean = sum_of(n, [=](Index i) { return s[i] * (ds[i] - own); });
  for (Index i = 0; i < n; ++i) dz[i] = s[i] * (all * (ds[i] - own) - mean);
}

MOE_VECTORISED void sigmoids_back(const double* z, const double* ds, Index n, double* dz) {
  for (Index i = 0; i < n; ++i) {
    const double small = exp_of_negative(-std::abs(z[i])), sum = 1 + small;
    dz[i] = ds[i] * (small / (sum * sum));
  }
}

MOE_VECTORISED double sqrt_softplus(const double* z, Index n, double* s) {
  const auto [largest, others] = exponentials(z, n, s);
  for (Index i = 0; i < n; ++i)
    s[i] = std::sqrt(std::max(z[i], 0.0) + std::log1p(exp_of_negative(-std::abs(z[i]))));
  return largest + std::log1p(others);
}

MOE_VECTORISED void sqrt_softplus_back(const double* z, const double* s, const double* ds, Index n,
                                       double* dz) {
  for (Index i = 0; i < n; ++i) {
    const double small = exp_of_negative(-std::abs(z[i]));
    dz[i] = ds[i] * ((z[i] >= 0 ? 1 : small) / (1 + small) / (2 * s[i]));
  }
}

}  // namespace

double score(ScoreFunction function, const double* z, Index n, double* s) {
  switch (function) {
    case ScoreFunction::None:
      break;
    case ScoreFunction::Softmax:
      return softmax(z, n, s);
    case ScoreFunction::Sigmoid:
      return sigmoids(z, n, s);
    case ScoreFunction::SqrtSoftplus:
      return sqrt_softplus(z, n, s);
    case ScoreFunction::Identity:  // declined
      break;
  }
  return 0;
}

void score_back(ScoreFunction function, const double* z, const double* s, const double* ds, Index n,
                double* dz) {
  switch (function) {
    case ScoreFunction::None:
      break;
    case ScoreFunction::Softmax:
      return softmax_back(s, ds, n, dz);
    case ScoreFunction::Sigmoid:
      return sigmoids_back(z, ds, n, dz);
    case ScoreFunction::SqrtSoftplus:
      return sqrt_softplus_back(z, s, ds, n, dz);
    case ScoreFunction::Identity:  // declined
      break;
  }
}

}  // namespace moe::cpu
