#pragma once

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

/// What people get wrong about sizes, with the numbers of this model.
std::vector<Story> stories_of(const NamedModel& named, const ModelCount& counted);

}  // namespace moe::cli
