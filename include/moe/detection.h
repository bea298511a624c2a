#pragma once

#include <cmath>
#include <string>

#include "moe/inputs.h"

/// What the named mistakes are able to hide behind: how good a case is.
namespace moe {

/// The named mistakes that show on a layer in fp32, by (J9), how many of them exceed HARD, and the smallest ratio of the two.
struct Detection {
  Index mistakes = 0, caught = 0;
  double least_ratio = HUGE_VAL;
  std::string hardest;  // whose that is

  void add(const std::string& name, double ratio);
};
Detection detection_of(const Config& config, const Inputs& inputs);

}  // namespace moe
