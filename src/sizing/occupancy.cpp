#include "moe/occupancy.h"

#include "moe/layer/capacity.h"

namespace moe {
namespace {

void require_choice(double T, double E, double K) {
  require(E >= 1 && E <= 0x1p53, "experts", E, "must lie in [1, 2^53]");
  require(K >= 1 && K <= E, "top-k", K, "must lie in [1, experts = ", E, "]");
  require(T >= 0 && T <= 0x1p53, "tokens", T, "must lie in [0, 2^53]");
}

/// Calls visit(x, P(X = x)) for all x that matter of X ~ Bin(n, p): weights relative to the likeliest x by their ratios,
/// which lose nothing to large factorials, then divided by their sum.
void each_binomial(Index n, double p, const std::function<void(Index, double)>& visit) {
  if (p >= 1) return visit(n, 1);
  const double odds = p / (1 - p);
  const auto mode = std::min(n, static_cast<Index>(static_cast<double>(n + 1) * p));
  // P(x + 1) / P(x) = (n - x) / (x + 1) odds
  const auto ratio = [&](Index x) { return static_cast<double>(n - x) / static_cast<double>(x + 1) * odds; };
  const auto walk = [&](const std::function<void(Index, double)>& each) {
    double weight = 1;
    for (Index x = mode; x <= n && weight > 1e-300; weight *= ratio(x), ++x) each(x, weight);
    weight = 1;
    for (Index x = mode; x > 0 && weight > 1e-300; --x) each(x - 1, weight /= ratio(x - 1));
  };
  double sum = 0;
  walk([&](Index, double weight) { sum += weight; });
  walk([&](Index x, double weight) { visit(x, weight / sum); });
}

double real(Index n) { return static_cast<double>(n); }

}  // namespace

double unique_experts(double T, double E, double K) {
  require_choice(T, E, K);
  return T == 0 ? 0 : -E * std::expm1(T * std::log1p(-K / E));
}

double distinct_groups(Index E, Index K, Index G) {
  require_choice(0, real(E), real(K));
  require(G >= 1 && G <= E && E % G == 0, "groups", G, "must divide experts = ", E);
  double none_of_one_group = 1;
  for (Index k = 0; k < K; ++k) none_of_one_group *= std::max(0.0, real(E - E / G - k)) / real(E - k);
  return real(G) * (1 - none_of_one_group);
}

Index slots_per_expert(Index T, Index E, Index K, double factor, SlotBase base) {
  require_choice(real(T), real(E), real(K));
  require(factor > 0 && factor <= 1e9, "factor", factor, "must lie in (0, 10^9]");
  const Decimal decimal = decimal_of(factor);
  const Int128 tokens = Int128{T} * (base == SlotBase::Tokens ? 1 : K);
  require(tokens < Int128{1} << 53, "tokens", T, "times top-k must be less than 2^53");
  return rounded_ratio(decimal.value * tokens, Int128{decimal.scale} * E, Rounding::Ceil);
}

Occupancy expected_occupancy(Index T, Index E, Index K, Index C) {
  require_choice(real(T), real(E), real(K));
  require(C >= 0, "slots", C, "must not be negative");
  double beyond = 0;
  each_binomial(T, real(K) / real(E), [&](Index x, double p) { beyond += x > C ? real(x - C) * p : 0; });
  const double all = real(T) * real(K), slots = real(E) * real(C);
  Occupancy o;
  o.dropped = all == 0 ? 0 : real(E) * beyond / all;
  const double kept = (1 - o.dropped) * all;
  o.idle = slots == 0 ? 0 : (slots - kept) / slots;
  o.waste = kept == 0 ? 0 : slots / kept - 1;
  return o;
}

double expected_padding(Index T, Index E, Index K, Index tile) {
  require_choice(real(T), real(E), real(K));
  require(tile >= 1, "tile", tile, "must be at least 1");
  double rows = 0;
  each_binomial(T, real(K) / real(E), [&](Index x, double p) { rows += real((tile - x % tile) % tile) * p; });
  return real(E) * rows;
}

}  // namespace moe
