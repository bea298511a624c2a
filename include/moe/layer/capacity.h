#pragma once

#include "moe/error.h"
#include "moe/layer/conventions.h"

namespace moe {

/// A decimal as it was written, value / scale: capacity.factor = 1.1 means 11/10, not the double nearest it.
struct Decimal {
  std::int64_t value, scale;
};

/// The shortest decimal that reads back as x, which is how people write a factor. Throws beyond nine places.
inline Decimal decimal_of(double x) {
  std::int64_t scale = 1;
  const auto scaled = [&] { return std::nearbyint(x * static_cast<double>(scale)); };
  while (scale < 1'000'000'000 && scaled() / static_cast<double>(scale) != x) scale *= 10;
  require(scaled() / static_cast<double>(scale) == x, "capacity.factor", x,
          "must be a decimal of at most nine places");
  return {static_cast<std::int64_t>(scaled()), scale};
}

/// num / den for num >= 0, den > 0, rounded to an integer; None rounds nothing away because it is only met exactly.
inline Index rounded_ratio(Int128 num, Int128 den, Rounding rounding) {
  const Int128 whole = num / den, rest = num % den;
  bool up = false;
  switch (rounding) {
    case Rounding::None:
    case Rounding::Floor:
      break;
    case Rounding::Ceil:
      up = rest > 0;
      break;
    case Rounding::HalfEven:
      up = 2 * rest > den || (2 * rest == den && whole % 2 == 1);
      break;
  }
  return static_cast<Index>(whole) + (up ? 1 : 0);
}

/// factor base / per in floating point, as programs do it that never meant a rational: in their format and order.
template <typename Float>
Index rounded_float_ratio(const Capacity& c, Index base, Index per) {
  const auto factor = static_cast<Float>(c.factor), b = static_cast<Float>(base), p = static_cast<Float>(per);
  const Float value = divides_first(c) ? (b / p) * factor : (b * factor) / p;
  switch (c.outer_round) {
    case Rounding::None:
    case Rounding::Floor:
      return static_cast<Index>(std::floor(value));
    case Rounding::Ceil:
      return static_cast<Index>(std::ceil(value));
    case Rounding::HalfEven:
      return static_cast<Index>(std::nearbyint(value));
  }
  return 0;
}

/// R_out(factor base / per) in the arithmetic of the convention.
inline Index rounded_product(const Capacity& c, Index base, Index per) {
  const Decimal factor = decimal_of(c.factor);
  switch (c.arithmetic) {
    case Arithmetic::Exact:
      return rounded_ratio(Int128{factor.value} * base, Int128{factor.scale} * per, c.outer_round);
    case Arithmetic::F64:
      return rounded_float_ratio<double>(c, base, per);
    case Arithmetic::F32:
      return rounded_float_ratio<float>(c, base, per);
  }
  return 0;
}

/// The most assignments that one expert takes.
///   (P1)  C = max(C_min, R_out(factor R_in(B / E))), times K if k_outside before the max, raised to a multiple of M
///         B = T or T K, of a group of tokens if scope is group.   Without a capacity C = T: an expert meets a token at most once.
/// Source: Switch Transformer eq. 3; whose program uses which variant stands in docs/MATH.md.
inline Index capacity_of(const Config& config) {
  const auto [T, D, F, E, K] = Letters(config);
  const Capacity& c = config.capacity;
  if (!has_capacity(c)) return T;
  if (has_fixed(c)) return c.fixed;
  const Index S = T / parts_of(c.scope, config.shape.num_groups);
  const Index tokens = counts_choices(c) ? S * K : S;
  const Index product = rounds_inside(c) ? rounded_product(c, rounded_ratio(tokens, E, c.inner_round), 1)
                                         : rounded_product(c, tokens, E);
  const Index C = std::max(c.k_outside ? product * K : product, c.min_capacity);
  return rounded_ratio(C, c.multiple_of, Rounding::Ceil) * c.multiple_of;
}

}  // namespace moe
