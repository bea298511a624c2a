#pragma once

#include "moe/presets.h"

namespace moe {

/// Blocks of released models and of training libraries, as their own code and the defaults of their configs have them.
std::vector<Preset> presets_of_models();

}  // namespace moe
