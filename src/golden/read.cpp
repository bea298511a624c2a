#include "moe/config_json.h"
#include "moe/file.h"
#include "moe/golden.h"
#include "moe/printable.h"
#include "moe/tensor_json.h"
#include "moe/validate.h"

namespace moe {
namespace {

const Json& member(const Json& json, const char* key, const std::string& where) {
  if (!json.is_object() || !json.contains(key)) throw Error(key, where + ": must have " + key);
  return json[key];
}

std::string text(const Json& json, const char* key, const std::string& where) {
  const Json& value = member(json, key, where);
  if (!value.is_string()) throw Error(key, where + ": " + key + " = " + shown(value) + " must be a string");
  return value;
}

const Json& list(const Json& json, const char* key, const std::string& where) {
  const Json& value = member(json, key, where);
  if (!value.is_array()) throw Error(key, where + ": " + key + " = " + shown(value) + " must be an array");
  return value;
}

Tensor input_called(const std::string& name, const std::string& where) {
  if (const auto id = tensor_called(name); id && is_input(info_of(*id))) return *id;
  throw Error(name, where + ": " + name + " is not the name of an input");
}

/// The inputs that the case states. Those of a valid config are exactly its own, of its shapes, and finite.
Inputs read_inputs(const GoldenCase& c, const Json& json, const std::string& path) {
  const std::string where = path + ": " + c.id;
  const Json& tensors = member(json, "inputs", where);
  if (!tensors.is_object())
    throw Error("inputs", where + ": inputs = " + shown(tensors) + " must be an object");
  try {
    Inputs inputs;
    const Config config = c.invalid ? Config{} : config_from_json(c.config);
    const std::vector<InputInfo> own = inputs_of(config);
    for (const auto& [name, tensor] : tensors.items()) {
      const Tensor id = input_called(name, where);
      const auto info = std::ranges::find(own, id, &InputInfo::id);
      const Dims dims = shape_from_json(name, tensor, path).dims;  // before what may be too large to draw
      if (!c.invalid && info != own.end())
        require(dims == info->dims, name + ": shape", shape_text(dims), "must be ", shape_text(info->dims));
      inputs[id] = array_from_json(name, tensor, path);
    }
    if (!c.invalid) validate(config, inputs);
    return inputs;
  } catch (const Error& e) {
    const std::string what = e.what();
    throw Error(e.field,
                printable(what.starts_with(path) ? what : where + ": " + what));  // names may hold anything
  }
}

std::vector<std::string> names(const Json& json, const char* key, const std::string& where) {
  std::vector<std::string> all;
  for (const Json& name : list(json, key, where)) {
    if (!name.is_string()) throw Error(key, where + ": " + key + " must hold names, not " + shown(name));
    all.push_back(name);
  }
  return all;
}

GoldenCase read_case(const Json& json, const Json& group, const std::string& path) {
  GoldenCase c;
  c.id = text(json, "id", path);
  if (printable(c.id) != c.id)
    throw Error("id", path + ": id = " + shown(c.id) + " must be text without control characters");
  const std::string where = path + ": " + c.id;
  c.comment = text(json, "comment", where);
  if (json.contains("catches")) c.catches = text(json, "catches", where);
  for (const Json& flag : list(json, "flags", where)) {
    if (!flag.is_string() || !golden_notes().contains(flag.get<std::string>()))
      throw Error("flags", where + ": flag = " + shown(flag) + " must be one that golden files define");
    c.flags.push_back(flag);
  }
  c.source = text(group, "source", where);
  c.config = member(group, "config", where);
  c.invalid = text(json, "result", where) == "invalid";
  if (json.contains("extent")) {
    const std::string extent = text(json, "extent", where);
    if (extent != "results")
      throw Error("extent", where + ": extent = " + shown(extent) + " must be results");
    c.results_only = true;
  }
  if (json.contains("demands")) c.demands = names(json, "demands", where);
  if (json.contains("budgets"))
    for (const auto& [profile, tensors] : json["budgets"].items())
      c.budgets.push_back(profile_called(profile).name);
  c.detection = json.contains("detection");
  c.inputs = read_inputs(c, json, path);
  return c;
}

}  // namespace

GoldenFile golden_from_json(const Json& json, const std::string& path) {
  if (text(json, "format", path) != "moe-golden" || !text(json, "formatVersion", path).starts_with("1."))
    throw Error("format", path + ": format must be moe-golden, version 1");
  GoldenFile file{path, {}};
  for (const Json& group : list(json, "groups", path))
    for (const Json& c : list(group, "cases", path)) file.cases.push_back(read_case(c, group, path));
  return file;
}

GoldenFile read_golden(const std::string& path) {
  return golden_from_json(parse_json(read_text(path), path), path);
}

}  // namespace moe
