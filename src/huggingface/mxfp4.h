#pragma once

#include "moe/safetensors.h"

namespace moe {

/// The shape of a tensor that is kept in 4 bits a number, in blocks of 32 that share an exponent.   (..., G, 16) bytes -> (..., 32 G)
Dims mxfp4_dims(const SafetensorsFile& file, const std::string& blocks);

/// Such a tensor as exact numbers, in bf16, which holds them all but the very largest.
///   number 2 i + h of a block is E2M1(nibble h of byte i, the lower one first) 2^(scale - 127)
/// Throws Error for other shapes, and for a number that bf16 does not hold.
/// Source: OCP Microscaling Formats (MX) 1.0, sec. 5.2 and 5.3; the names, NAME_blocks and NAME_scales, are those of openai/gpt-oss.
Array load_mxfp4(const SafetensorsFile& file, const std::string& blocks, const SafetensorsFile& scales_in,
                 const std::string& scales);

}  // namespace moe
