#include "keys.h"

namespace moe {
namespace {

Json flattened(const Json& json, const std::string& file) {
  if (!json.is_object()) throw Error(file, file + ": must be a JSON object");
  Json flat = Json::object();
  for (const auto& [key, value] : json.items()) {
    const bool inside = (key == "ffn_config" || key == "attn_config") && value.is_object();
    if (!inside)
      flat[key] = value;
    else
      for (const auto& [name, inner] : value.items()) flat[key + '.' + name] = inner;
  }
  return flat;
}

}  // namespace

bool is_text(const Json& value, std::string_view text) {
  return value.is_string() && value.get_ref<const std::string&>() == text;
}

Keys::Keys(const Json& json, const std::string& file)
    : file_(file), flat_(flattened(json, file)), fields_(flat_, file_) {}

bool Keys::has(const char* name) {
  asked_.insert(name);
  return fields_.has(name);
}

bool Keys::is(const char* name, std::string_view text) { return has(name) && is_text(flat_[name], text); }

const char* Keys::which(Names names) {
  const char* found = nullptr;
  for (const char* name : names) {
    if (!has(name)) continue;
    if (found != nullptr && flat_[name] != flat_[found])
      refuse(name, "must equal " + std::string(found) + " = " + shown(flat_[found]));
    if (found == nullptr) found = name;
  }
  return found;
}

std::int64_t Keys::whole(Names names, std::int64_t least) {
  const char* name = which(names);
  if (name == nullptr) return fields_.whole(*names.begin(), least);  // says that it is missing
  const Json& value = flat_[name];
  if (!value.is_array()) return fields_.whole(name, least);
  for (const Json& element : value)
    if (element != value[0]) refuse(name, "must hold equal numbers");
  if (value.empty()) refuse(name, "must not be empty");
  const Json one{{name, value[0]}};
  return Fields(one, file_).whole(name, least);
}

std::int64_t Keys::whole_or(Names names, std::int64_t otherwise, std::int64_t least) {
  return which(names) == nullptr ? otherwise : whole(names, least);
}

bool Keys::truth_or(Names names, bool otherwise) {
  const char* name = which(names);
  return name == nullptr ? otherwise : fields_.truth(name);
}

std::string Keys::text_or(const char* name, const std::string& otherwise) {
  if (!has(name)) return otherwise;
  if (!flat_[name].is_string()) refuse(name, "must be a string");
  return flat_[name].get<std::string>();
}

const Json& Keys::list(const char* name, std::int64_t length) {
  asked_.insert(name);
  const Json& value = fields_.at(name);
  if (!value.is_array() || static_cast<std::int64_t>(value.size()) != length)
    refuse(name, "must be a list of " + std::to_string(length) + " elements, one a layer");
  return value;
}

const Json& Keys::list(const char* name) {
  constexpr std::size_t kMost = 10000;
  asked_.insert(name);
  const Json& value = fields_.at(name);
  if (!value.is_array() || value.size() > kMost) refuse(name, "must be a list of at most 10000 elements");
  return value;
}

Json Keys::with(const Json& others) const {
  Json changed = flat_;
  changed.update(others);
  return changed;
}

}  // namespace moe
