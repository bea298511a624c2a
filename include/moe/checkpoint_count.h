#pragma once

#include <map>

#include "moe/sizing.h"

/// How many parameters a checkpoint has, by the headers of its files: no bytes of tensors are read.
namespace moe {

/// A tensor of a checkpoint that holds parameters, or several of the same name but for numbers of layers and experts.
struct TensorGroup {
  std::string name;  // with * for numbers
  Component component = Component::Norms;
  bool beside = false;  // not of the language model, or of a module for further tokens: not in the total
  std::int64_t tensors = 0, params = 0;
};

struct CheckpointCount {
  std::vector<TensorGroup> groups;  // by name
  std::array<std::int64_t, kComponents> parts{};
  std::int64_t total = 0;   // of the language model
  std::int64_t beside = 0;  // towers for images and sound, and what joins them; further tokens
  std::int64_t tensors = 0;
};

/// Counts the tensors of a safetensors file, or of the files that a model.safetensors.index.json names. Scales of quantized weights
/// do not count; a byte of 4-bit blocks is two numbers. `layers`: those from that number on predict further tokens; 0: none do.
/// Throws Error naming the file for what is not one, and for weights packed into integers, which do not say how many they are.
CheckpointCount count_checkpoint(const std::string& path, std::int64_t layers = 0);

/// Is it the path of a checkpoint by its ending?
bool is_checkpoint(const std::string& path);

}  // namespace moe
