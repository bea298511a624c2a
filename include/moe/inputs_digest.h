#pragma once

#include "moe/inputs.h"

namespace moe {

/// One SHA-256 for all inputs of a layer: equal where names, shapes and values are, whatever formats they are kept in. A
/// trace carries it, so that an answer to other inputs can be told from a wrong one. A recipe of more than 2^26 elements
/// is not drawn: it counts by what it says.
std::string inputs_digest(const Inputs& inputs);

}  // namespace moe
