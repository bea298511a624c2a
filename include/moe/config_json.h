#pragma once

#include <set>

#include "moe/config.h"
#include "moe/json.h"

namespace moe {

/// The config as JSON, with every field that has a meaning under its other choices.
Json config_to_json(const Config& config);

/// Reads and validates a config. Absent fields take the defaults of config.h. Throws Error for an unknown field or
/// value, and for a field that has no meaning under the other choices (capacity.factor where capacity.mode is none);
/// where `given` is not null, only if the field stands in it.
Config config_from_json(const Json& json, const std::set<std::string>* given = nullptr);

/// Carries out `field=value` on a config as JSON: the value is JSON, else a string. An element of aux goes by its name
/// or its number: aux.load_balance.coefficient=0. Returns the field.
std::string set_field(Json& config, const std::string& assignment);

/// A field by its dotted name, and a value that it could have.
struct FieldValue {
  std::string field;
  Json value;
};
/// Every other choice of every field of `config` that is a list of choices or a truth value.
std::vector<FieldValue> other_choices(const Config& config);

}  // namespace moe
