#pragma once

#include "moe/json.h"

namespace moe {

/// Can this key of a config.json, which nothing asked for, have no parameters?
bool is_harmless(const std::string& key, const Json& value);

}  // namespace moe
