#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

/// JSON as this project reads and writes it: strictly, and with the same bytes everywhere.
namespace moe {

using Json = nlohmann::ordered_json;

/// Parses one JSON document; `file` names it in errors. Throws Error for malformed text, a number beyond binary64, a
/// duplicate key, or nesting deeper than 64: what nlohmann/json would accept, drop or overflow the stack on.
Json parse_json(std::string_view text, const std::string& file);

/// The document as text: the shortest decimals that read back as the same binary64, a point or an exponent in every
/// real number, "NaN" and "Infinity" as strings, and one line for whatever holds no nested object.
std::string print_json(const Json& document);

/// A real number as print_json writes it.
std::string print_real(double value);

/// The value as it appears in an error: on one line, cut where it is long.
std::string shown(const Json& value);

}  // namespace moe
