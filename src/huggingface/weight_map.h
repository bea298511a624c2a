#pragma once

#include <map>
#include <string>

namespace moe {

/// The file of each tensor, by the index of a checkpoint in several files, which lie beside it. Throws Error for what is no index.
std::map<std::string, std::string> weight_map(const std::string& index);

}  // namespace moe
