#pragma once

#include "moe/huggingface.h"

/// What a command line names, loaded and checked.
namespace moe {

/// A config, the name that it goes by in reports, and where its mathematics is from as far as that is known.
struct NamedConfig {
  std::string name;
  Config config;
  std::string source;
  Fused fused = Fused::InTurns;
};

/// A preset by its name, or one of our config files or a Hugging Face config.json by its path: a name is a path if it
/// contains '/' or ends in ".json". Then every `field=value` of `sets`, then `tokens` if it is there.
NamedConfig load_config(const std::string& name, const std::vector<std::string>& sets = {},
                        std::optional<Index> tokens = {});

/// The config.json of a folder, which is a path if it contains '/', or is '.' or '..'; any other name as it is.
std::string config_in(const std::string& name);
/// The checkpoint in a folder: the index of its shards, model.safetensors, or the one file of safetensors that there is; a file as
/// it is.
std::string checkpoint_in(const std::string& path);

/// The shape of x in a file of inputs: (T, D), or (B, S, D) for B sequences, whose tokens are taken one after the other. Nothing
/// where the file has no x.
std::optional<Dims> shape_of_x(const std::string& file);

/// Where the numbers of a run come from: files, else seeded streams.
struct InputSources {
  std::string input, weights;  // safetensors; empty: seeded
  std::optional<Index>
      layer;  // of a Hugging Face checkpoint, whose weights may be several files and their index
  std::uint64_t seed = kDefaultSeed;
  Format format = Format::F64;  // what the numbers are rounded to
  Fused fused = Fused::InTurns;
  std::string names = {};  // a table of what the weights are called in their file
};

/// Every input of the config. Throws Error for a tensor that is missing, unknown, of a wrong shape, not finite, or out of
/// the range of the format.
Inputs load_inputs(const Config& config, const InputSources& sources);

}  // namespace moe
