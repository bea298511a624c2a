#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "moe/config.h"

/// Which conventions a backend computes. What it does not know it declines by name, and never computes as something else.
namespace moe {

/// A field of configs, and which of its values are known; none listed: all.
struct Known {
  std::string_view field;
  std::vector<std::string_view> values = {};
};

/// The fields and values that every backend of this project computes.
const std::vector<Known>& known_to_all();

/// What is in `config` and neither known to all nor in `also`, as `backend cpu does not compute router.score_function = "x"`; else "".
std::string unknown_to(const std::string& backend, const Config& config, const std::vector<Known>& also = {});

}  // namespace moe
