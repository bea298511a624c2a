#pragma once

#include <cmath>
#include <string>

#include "moe/inputs.h"

/// What the named mistakes are able to hide behind: how good a case is.
namespace moe {

/// What of an answer is looked at: y alone; y with the gradients of x and of the weights; all that there is.
enum class Seen { Y, Gradients, All };
bool is_seen(const std::string& name, Seen seen, const Inputs& inputs);

/// The named mistakes that show on a layer in fp32, by (J9), how many of them exceed HARD, and the smallest ratio of the two.
struct Detection {
  Index mistakes = 0, caught = 0;
  Index by_y = 0, by_gradients = 0;  // how many are caught if no more than that is seen
  double least_ratio = HUGE_VAL;
  std::string hardest;  // whose that is

  void add(const std::string& name, double ratio);
};
Detection detection_of(const Config& config, const Inputs& inputs);

}  // namespace moe
