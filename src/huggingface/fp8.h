#pragma once

#include "moe/safetensors.h"

namespace moe {

/// Is the tensor `name` kept in 8 bits, which mean something only together with scales?
bool is_fp8(const SafetensorsFile& file, const std::string& name);

/// Such a tensor as exact numbers, each times its scale, which is the tensor `scales`.   (..., R, C), and one scale for all, for
/// each row, or for each block of 128 by 128
/// Source: DeepSeek-V3, arXiv 2412.19437, sec. 3.3; the names are those of huggingface/transformers and of compressed-tensors.
Array load_fp8(const SafetensorsFile& file, const std::string& name, const SafetensorsFile& scales_in,
               const std::string& scales);

}  // namespace moe
