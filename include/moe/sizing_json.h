#pragma once

#include "moe/json.h"
#include "moe/sizing.h"

namespace moe {

/// The architecture that a Hugging Face config.json of a model with experts describes, flat or inside text_config. What its
/// keys leave open is as in huggingface/transformers' class for its model_type. `warnings` get a line for each key that seems
/// to concern experts and was not understood. Throws Error naming the key for what is missing, contradictory, of a wrong type,
/// or out of range.
Model model_from_huggingface(const Json& json, const std::string& file, std::vector<std::string>& warnings);

/// What the registry holds of a model: its fields and what was published. Throws Error for an unknown id.
Json published_json(const std::string& id);

}  // namespace moe
