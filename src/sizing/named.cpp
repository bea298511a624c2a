#include "moe/config_json.h"
#include "moe/error.h"
#include "moe/file.h"
#include "moe/nearest.h"
#include "moe/presets.h"
#include "moe/sizing_json.h"
#include "moe/sizing_layer.h"

namespace moe {
namespace {

bool is_path(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".json");
}

Model named(Model model, const std::string& name) {
  model.name = name;
  return model;
}

NamedModel model_in_file(const std::string& path) {
  const Json json = parse_python_json(read_text(path), path);
  NamedModel found;
  const bool ours = json.is_object() && json.contains("shape");
  if (!ours) {
    found = model_from_huggingface(json, path);
    return found;
  }
  try {
    found.model = named(model_of(config_from_json(json)), path);
  } catch (const Error& e) {
    throw Error(e.field, path + ": " + e.what());
  }
  return found;
}

}  // namespace

NamedModel model_called(const std::string& name) {
  if (is_path(name)) return model_in_file(name);
  if (const Published* published = find_published(name)) return {published->model, published, {}};
  if (std::optional<NamedModel> released = find_released(name)) return *released;
  if (const Preset* preset = find_preset(name))
    return {named(model_of(preset->config), "preset " + name), nullptr, {}};
  std::vector<std::string> names = names_of_presets();
  for (const Published& published : published_models()) names.push_back(published.id);
  for (const std::string& released : released_models()) names.push_back(released);
  throw Error("MODEL", "MODEL = " + shown(name) +
                           " must be one of moe-oracle models or presets, or a path with / or .json" +
                           did_you_mean(name, names));
}

}  // namespace moe
