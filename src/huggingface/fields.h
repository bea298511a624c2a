#pragma once

#include "moe/json.h"
#include "moe/validate.h"

namespace moe {

/// The fields of a config.json. A field that is null counts as absent.
class Fields {
 public:
  Fields(const Json& json, const std::string& file) : json_(json), file_(file) {}

  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  [[noreturn]] void refuse(const char* key, const std::string& rule) const {
    throw Error(key, file_ + ": " + key + " = " + shown(json_.value(key, Json())) + ' ' + rule);
  }
  const Json& at(const char* key) const {
    if (!has(key)) throw Error(key, file_ + ": must have " + key);
    return json_[key];
  }
  Index whole(const char* key, Index least = 1) const {
    const Json& value = at(key);
    const bool fits = value.is_number_integer() && value >= least && value <= kMaxSize;
    if (!fits)
      refuse(key,
             "must be a whole number in [" + std::to_string(least) + ", " + std::to_string(kMaxSize) + ']');
    return value.get<Index>();
  }
  double real(const char* key) const {
    if (!at(key).is_number()) refuse(key, "must be a number");
    return at(key).get<double>();
  }
  bool truth(const char* key) const {
    if (!at(key).is_boolean()) refuse(key, "must be true or false");
    return at(key).get<bool>();
  }
  /// For what changes the layer in a way that it can have only one value here; absent passes.
  void only(const char* key, const Json& value) const {
    if (has(key) && at(key) != value)
      refuse(key, "must be " + (value.is_string() ? value.get<std::string>() : shown(value)));
  }

 private:
  const Json& json_;
  const std::string& file_;
};

}  // namespace moe
