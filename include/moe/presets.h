#pragma once

#include <string>
#include <vector>

#include "moe/config.h"

namespace moe {

/// A published system as data: where its choices come from, and what its source leaves open.
struct Preset {
  std::string name, summary, source;
  Config config;
};

const std::vector<Preset>& presets();
/// The preset called `name`, or null.
const Preset* find_preset(const std::string& name);
/// The names of all presets, and as a list for messages.
std::vector<std::string> names_of_presets();
std::string preset_names();

}  // namespace moe
