#pragma once

#include "keys.h"
#include "moe/sizing.h"

namespace moe {

/// How a quantization_config says that weights are stored. What it leaves out of quantization, and what its method never touches
/// (tables, norms, routers), stays as it is. Throws Error naming the key for what has no meaning or is not known.
StoredWeights stored_weights(const Json& quantization, const std::string& file);

}  // namespace moe
