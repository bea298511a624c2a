#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "moe/tensor.h"

namespace moe {

/// The stages that each stage is computed from, where those are tensors themselves.
const std::map<std::string, std::vector<std::string>>& sources();

/// The tensor of that name, if it is one.
std::optional<Tensor> tensor_called(const std::string& name);

}  // namespace moe
