#pragma once

#include "moe/inputs.h"
#include "moe/json.h"

/// The config.json and the checkpoints of Hugging Face, as far as their layers are ours in real arithmetic.
namespace moe {

inline bool is_huggingface(const Json& json) { return json.is_object() && json.contains("model_type"); }

/// How gate and up lie in one matrix where the file has biases of it, which is what no shape tells.
enum class Fused { InTurns, Halves };

/// A layer that somebody else describes: its config, and where its mathematics is from.
struct ForeignConfig {
  Config config;
  std::string source;  // one line, with what differs
  Fused fused = Fused::InTurns;
  Index shared_parts =
      0;  // the shared expert is so many times as wide as the others; 0: it has a width of its own
};

/// The mixture layers of a model, 16 tokens long. What the file does not say, such as a loss, they do not have. Throws
/// Error for a model type that is not in the table, and for a value that is missing, contradictory, or not expressible.
ForeignConfig config_from_huggingface(const Json& json, const std::string& file);

/// The files that `path` stands for: itself, or the shards of a model.safetensors.index.json.
std::vector<std::string> checkpoint_files(const std::string& path);

/// The weights of layer `layer` of a checkpoint (safetensors, or the index of its shards) that keeps them under the names
/// and in the layouts of huggingface/transformers. Throws Error for what is missing, or what the config has no use for.
Inputs checkpoint_weights(const std::string& path, const Config& config, Index layer,
                          Fused fused = Fused::InTurns);

/// The weights of a layer in a checkpoint of any names, which `table`, a file of JSON, says: for each of our names the one there, with
/// {l} for the layer and {e} for the expert, or {"name": ..., "half": "first" or "second", "in_turns": true, "in_out": true}. Throws
/// Error for a table that does not name exactly the weights of the config, and for what the checkpoint does not hold.
Inputs named_weights(const std::string& path, const std::string& table, const Config& config,
                     std::optional<Index> layer);

}  // namespace moe
