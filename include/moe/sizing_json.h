#pragma once

#include "moe/json.h"
#include "moe/sizing.h"

namespace moe {

/// The language model that a Hugging Face config.json describes, with experts or without, flat or inside text_config. What its keys
/// leave open is as in huggingface/transformers' class for its model_type. What may hold parameters and is not understood is in
/// `unread`, with a line each in `warnings`. Throws Error naming the key for what is missing, contradictory, of a wrong type, or
/// out of range.
NamedModel model_from_huggingface(const Json& json, const std::string& file);

/// The released model called `id`, if there is one.
std::optional<NamedModel> find_released(const std::string& id);

/// What the registry holds of a model: its fields and what was published. Throws Error for an unknown id.
Json published_json(const std::string& id);

}  // namespace moe
