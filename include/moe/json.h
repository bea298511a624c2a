#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

/// JSON as this project reads and writes it: strictly, and with the same bytes everywhere.
namespace moe {

using Json = nlohmann::ordered_json;

/// Parses one JSON document; `file` names it in errors. Throws Error for malformed text, a number beyond binary64, a
/// duplicate key, nesting deeper than 64, or more than 4,096 keys in one object: what nlohmann/json would accept, drop,
/// overflow the stack on, or search for hours.
Json parse_json(std::string_view text, const std::string& file);
/// The same for documents whose order does not matter, with any number of keys.
nlohmann::json parse_sorted_json(std::string_view text, const std::string& file);

/// A document as Python writes it: Infinity, -Infinity and NaN, which JSON does not have, are read as null. Of any order, with up to
/// 20,000 keys in one object.
Json parse_python_json(std::string_view text, const std::string& file);

/// The document as text: the shortest decimals that read back as the same binary64, a point or an exponent in every
/// real number, "NaN" and "Infinity" as strings, and one line for whatever holds no nested object.
std::string print_json(const Json& document);

/// A real number as print_json writes it.
std::string print_real(double value);

/// The value as it appears in an error: on one line, cut where it is long.
std::string shown(const Json& value);

}  // namespace moe
