#pragma once

#include "moe/json.h"
#include "moe/sizing.h"

namespace moe {

/// A model in the registry's form, src/sizing/registry. Throws Error naming the key for what is missing, unknown, of a wrong type or
/// out of range. `also` are keys that something else reads.
Model model_from_json(const Json& json, const std::string& file, const std::vector<std::string>& also = {});

}  // namespace moe
