#pragma once

#include "moe/evaluate.h"

/// What is known of the tensors of a layer by their names alone.
namespace moe {

/// A tensor of a layer's answer.
struct TensorOf {
  std::string name;
  Dims dims;
  bool real;
};
/// Every tensor of the forward pass of a layer whose rows are those of `plan`, and of the backward pass, in the order of
/// every file.
std::vector<TensorOf> tensors_of(const Config& config, const Plan& plan);

/// The stages that each stage is computed from, where those are tensors themselves: what a candidate must have returned for
/// a stage to be judged from its own numbers alone. A stage that depends on what is in no file is kNowhere's, too.
inline constexpr const char* kNowhere = "";
using Sources = std::map<std::string, std::vector<std::string>>;
Sources sources_of(const Config& config);

/// The place among all tensors where the tensor of that name is kept, if it is one; that of all losses for a loss.
std::optional<Tensor> tensor_of_answer(const std::string& name);

inline bool is_gradient(const std::string& name) { return name.starts_with("grad."); }

}  // namespace moe
