#pragma once

#include "moe/array.h"

/// Numbers that were printed with fewer digits than their dtype needs.
namespace moe {

/// How many decimal digits tell all numbers of a format apart.
inline int digits_of(Format format) { return format == Format::F64 ? 17 : format == Format::F32 ? 9 : 5; }

/// Has every number at most six digits, and is its error within the last of them, beside what is allowed? Formats that six
/// digits are enough for never are.
bool printed_short(const Array& got, const std::vector<double>& expected, const std::vector<double>& hard);

}  // namespace moe
