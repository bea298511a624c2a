#pragma once

#include "moe/safetensors.h"

namespace moe {

/// The arrays of a NumPy .npz file, as numpy.savez and numpy.savez_compressed write it: a zip of members `<name>.npy`,
/// stored or deflated, format versions 1 to 3. Elements come in row-major order, booleans as u8; a two-byte void is how NumPy
/// stores bfloat16. Throws Error for big-endian, pickled or structured members, two of one name, sizes that do not agree,
/// and damage.
Arrays read_npz(const std::string& path);

}  // namespace moe
