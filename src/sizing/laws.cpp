#include "moe/laws.h"

#include <algorithm>

#include "moe/error.h"
#include "moe/nearest.h"

namespace moe {
namespace {

const char* option_of(LawArgument argument) {
  switch (argument) {
    case LawArgument::Active:
      return "active";
    case LawArgument::Total:
      return "total";
    case LawArgument::Tokens:
      return "tokens";
    case LawArgument::Experts:
      return "experts";
    case LawArgument::Sparsity:
      return "sparsity";
    case LawArgument::Granularity:
      return "granularity";
    case LawArgument::Flops:
      return "flops";
  }
  return "";
}

/// The x in [low, high] where a decreasing function crosses `level`, to the last bits; NaN where it does not.
double crossing(const std::function<double(double)>& decreasing, double level, double low, double high) {
  if (!(decreasing(low) >= level && decreasing(high) <= level)) return kNotGiven;
  for (int step = 0; step < 200; ++step) {
    const double middle = std::sqrt(low * high);
    (decreasing(middle) >= level ? low : high) = middle;
  }
  return std::sqrt(low * high);
}

/// Where a function with one valley has its least value, by golden sections of the logarithm.
double lowest(const std::function<double(double)>& valley, double low, double high) {
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  for (int step = 0; step < 150; ++step) {
    const double share = std::pow(high / low, ratio), left = high / share, right = low * share;
    (valley(left) < valley(right) ? high : low) = valley(left) < valley(right) ? right : left;
  }
  return std::sqrt(low * high);
}

}  // namespace

const char* name_of(LawArgument argument) { return option_of(argument); }

double value_of(LawArgument argument, const LawPoint& at) {
  switch (argument) {
    case LawArgument::Active:
      return at.active;
    case LawArgument::Total:
      return at.total;
    case LawArgument::Tokens:
      return at.tokens;
    case LawArgument::Experts:
      return at.experts;
    case LawArgument::Sparsity:
      return (at.experts - at.top_k) / at.experts;
    case LawArgument::Granularity:
      return at.granularity;
    case LawArgument::Flops:
      return at.flops;
  }
  return kNotGiven;
}

const Law& law_called(const std::string& name) {
  std::vector<std::string> names;
  for (const Law& law : laws()) {
    if (law.name == name) return law;
    names.push_back(law.name);
  }
  throw Error("LAW",
              "LAW = \"" + name + "\" must be one of " + enumerated(names) + did_you_mean(name, names));
}

bool is_dense(const Law& law) {
  return std::any_of(law.ranges.begin(), law.ranges.end(), [](const LawRange& range) {
    return range.argument == LawArgument::Experts && range.most == 1;
  });
}

std::vector<LawArgument> missing_arguments(const Law& law, const LawPoint& at) {
  std::vector<LawArgument> missing;
  for (const LawRange& range : law.ranges)
    if (range.needed && std::isnan(value_of(range.argument, at))) missing.push_back(range.argument);
  return missing;
}

std::vector<std::string> extrapolations(const Law& law, const LawPoint& at) {
  std::vector<std::string> sentences;
  for (const auto& [argument, least, most, needed] : law.ranges) {
    const double value = value_of(argument, at);
    if ((value >= least && value <= most) || (std::isnan(value) && !needed)) continue;
    std::ostringstream text;
    text << name_of(argument) << ' ' << value << " is outside [" << least << ", " << most << ']';
    sentences.push_back(text.str());
  }
  return sentences;
}

double evaluate_law(const Law& law, const LawPoint& at) {
  for (const LawArgument argument : missing_arguments(law, at))
    throw Error(name_of(argument), law.name + ": " + name_of(argument) + " is not given");
  for (const auto& [argument, least, most, needed] : law.ranges) {
    const double value = value_of(argument, at);
    if (needed && argument != LawArgument::Sparsity)
      require(value > 0 && std::isfinite(value), name_of(argument), value, "must be positive and finite");
  }
  require(at.experts >= 1 && std::isfinite(at.experts), "experts", at.experts, "must be at least 1");
  require(at.top_k >= 1 && at.top_k <= at.experts, "top-k", at.top_k,
          "must lie in [1, experts = ", at.experts, "]");
  return law.value(at);
}

double dense_equivalent(const Law& law, const LawPoint& at) {
  const double level = evaluate_law(law, at);
  if (!law.dense) return kNotGiven;
  return crossing([&](double N) { return law.dense(N, at.tokens); }, level, 1, 1e24);
}

LawOptimum best_size(const Law& law, double flops, double experts) {
  if (!law.has_optimum)
    throw Error("LAW", "LAW = \"" + law.name + "\" must be one that weighs active parameters against tokens");
  require(flops > 0 && std::isfinite(flops), "flops", flops, "must be positive and finite");
  const auto at = [&](double N) {
    LawPoint point;
    point.active = N, point.tokens = flops / (6 * N), point.experts = experts;
    return point;
  };
  const double best = lowest([&](double N) { return evaluate_law(law, at(N)); }, 1, flops / 6);
  return {experts, best, at(best).tokens, evaluate_law(law, at(best))};
}

double total_of_top1(double active, double experts) { return active * (1 + 2 * experts) / 3; }

}  // namespace moe
