#pragma once

#include "moe/inputs.h"
#include "moe/json.h"
#include "moe/safetensors.h"

/// The config.json and the checkpoints of Hugging Face, as far as they map onto presets.
namespace moe {

inline bool is_huggingface(const Json& json) { return json.is_object() && json.contains("model_type"); }

/// The same layer as one of our configs, 16 tokens long. Throws Error for a model type or a value it does not know.
Json config_from_huggingface(const Json& json, const std::string& file);

/// The weights of layer `layer` of a checkpoint under its own names and layouts. Throws Error for what is missing.
Inputs checkpoint_weights(const SafetensorsFile& file, const Config& config, Index layer);

}  // namespace moe
