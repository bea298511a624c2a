#pragma once

#include "moe/safetensors.h"

namespace moe {

/// The arrays of a NumPy .npz file, as numpy.savez and numpy.savez_compressed write it: a zip of members `<name>.npy`,
/// stored or deflated, format versions 1 to 3. Elements come in row-major order, booleans as u8; a two-byte void is how NumPy
/// stores bfloat16. A member that is not needed stands as not_needed(); all are, where `needs` is empty. Throws Error for
/// big-endian, pickled or structured members, two of one name, more elements than are needed, sizes that do not agree with
/// each other or with the file's, and damage.
Arrays read_npz(const std::string& path, const Needs& needs = {});

}  // namespace moe
