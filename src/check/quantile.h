#pragma once

#include <cmath>

namespace moe {

/// The quantile of chi-squared with n degrees of freedom beyond which lies 1e-9 / tests.
///   (J2)  n (1 - 2 / (9 n) + x sqrt(2 / (9 n)))^3,   x the same quantile of the standard normal
/// Source: Wilson and Hilferty (1931); for n < 10 it is larger than the quantile, by up to a quarter at n = 1.
inline double chi_squared_quantile(double n, double tests) {
  // x of the normal tail p, by its asymptotic form: p = exp(-x^2 / 2) / (x sqrt(2 pi))
  const double p = 1e-9 / tests;
  double x = 6;
  for (int i = 0; i < 8; ++i) x = std::sqrt(-2 * std::log(p * x * std::sqrt(2 * M_PI)));
  const double c = 2 / (9 * n);
  return n * std::pow(1 - c + x * std::sqrt(c), 3);
}

}  // namespace moe
