#pragma once

#include <optional>

#include "study.h"

namespace moe::cli {

/// One step of an explanation: what, in symbols, in numbers, and what that is.
struct Step {
  std::string what, symbols, numbers;
  Json value;
  Kind kind = Kind::Exact;
};

/// Steps under a title, with a sentence on what to learn from them.
struct Story {
  std::string title;
  std::vector<Step> steps;
  std::string moral;
};

/// A number with its digits, or rounded with a letter.
std::string digits(std::int64_t n);
std::string rounded(double x);

/// A number as it stands in a formula: 1e11, 5e10.
std::string power_text(double x);

/// A model by its size: all parameters, and those that a token is multiplied with.
struct Proportions {
  std::string name;
  double total = 0, active = 0;
};
Proportions proportions_of(const Model& model, const ModelCount& counted);

/// What so many FLOPs per token buy: dense and, if there is a model to be like, in its proportions.
Story what_flops_buy(double budget, const std::optional<Proportions>& like);
/// What so many parameters, and so many of them active, are worth in FLOPs and in bytes.
Story what_sizes_buy(double total, double active);
/// Where a load-balancing loss is less than at even shares.
Story below_uniform();
/// How many hidden units of a dense block are small, measured.
Story small_activations();

/// What people get wrong about sizes, with the numbers of this model.
std::vector<Story> stories_of(const NamedModel& named, const ModelCount& counted, std::int64_t context);

}  // namespace moe::cli
