#pragma once

#include <string>

/// How amounts read, wherever they are printed or drawn.
namespace moe {

/// "26.57 GFLOP", "93.41 GB": x by powers of a thousand, k, M, G, T, P and E, before its unit. Parameters, tokens and
/// other things that are counted have no unit: a thousand millions of them are B, a billion, as in "46.7 B", and they
/// end with T. What is larger reads as "3.71e+24".
std::string amount(double x, const std::string& unit = "", int digits = 4);

}  // namespace moe
