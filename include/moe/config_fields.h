#pragma once

#include <string>
#include <vector>

#include "moe/json.h"

/// The fields of configs, for people and for other programs: docs/CONFIG.md and golden/schema.json are made of them.
namespace moe {

struct FieldInfo {
  std::string field;                 // router.n_group; of a loss, aux.kind
  std::string type;                  // of JSON: integer, number, boolean or string
  std::vector<std::string> choices;  // of a convention
  Json standard;                     // what it is where it is not given
  std::string formula, sentence;     // its number in docs/MATH.md, if it has one, and what it says
};

/// Every field, in the order of a config.
std::vector<FieldInfo> config_fields();
/// The same before they are described: what config_json.cpp reads and writes.
std::vector<FieldInfo> listed_fields();

/// A JSON Schema of configs, without the rules of validate.h.
Json config_schema();

}  // namespace moe
