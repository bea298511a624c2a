#include <cmath>

#include "../huggingface/fields.h"
#include "model_json.h"
#include "moe/sizing_json.h"
#include "quantization.h"

namespace moe {

// The files of src/sizing/registry and of src/sizing/released, then null.
extern const char* const kRegistryTexts[];
extern const char* const kReleasedTexts[];

namespace {

Published published_from_json(const Json& row, const std::string& family) {
  Published p;
  p.id = row.at("id").get<std::string>();
  p.family = family;
  p.model = model_from_json(row, "registry: " + p.id, {"id", "published"});
  const Json& said = row.at("published");
  const auto real = [&](const char* key) {
    return said.contains(key) ? std::optional(said[key].get<double>()) : std::nullopt;
  };
  p.total = said.at("total").get<double>(), p.active = real("active"),
  p.multiply_adds = real("multiply_adds");
  p.bound_total = said.at("bound_total").get<double>();
  p.bound_active = real("bound_active");
  p.config_source = said.at("config_source").get<std::string>();
  p.official_source = said.at("official_source").get<std::string>();
  p.convention = said.value("convention", "");
  p.confidence = said.at("confidence").get<std::string>();
  p.erratum = said.value("erratum", "");
  p.note = said.value("note", "");
  p.reproducible = said.value("reproducible", true);
  if (said.contains("quantization_config")) p.stored = stored_weights(said["quantization_config"], p.id);
  return p;
}

/// Every row of the registry with the name of its family.
template <typename Visit>
void each_row(Visit visit) {
  for (const char* const* text = kRegistryTexts; *text != nullptr; ++text) {
    const Json file = parse_json(*text, "registry");
    for (const Json& row : file.at("models")) visit(row, file.at("family").get<std::string>());
  }
}

std::vector<Published> read_registry() {
  std::vector<Published> all;
  each_row(
      [&](const Json& row, const std::string& family) { all.push_back(published_from_json(row, family)); });
  return all;
}

}  // namespace

const std::vector<Published>& published_models() {
  static const std::vector<Published> all = read_registry();
  return all;
}

namespace {

/// The released configs by name.
const std::vector<std::pair<std::string, Json>>& released() {
  static const auto all = [] {
    std::vector<std::pair<std::string, Json>> list;
    for (const char* const* text = kReleasedTexts; *text != nullptr; ++text) {
      const Json file = parse_json(*text, "released");
      list.emplace_back(file.at("id").get<std::string>(), file.at("config"));
    }
    return list;
  }();
  return all;
}

}  // namespace

const std::vector<std::string>& released_models() {
  static const auto all = [] {
    std::vector<std::string> names;
    for (const auto& [name, config] : released()) names.push_back(name);
    return names;
  }();
  return all;
}

std::optional<NamedModel> find_released(const std::string& id) {
  for (const auto& [name, config] : released()) {
    if (name != id) continue;
    NamedModel found = model_from_huggingface(config, name);
    found.model.name = name;
    return found;
  }
  return std::nullopt;
}

const Published* find_published(const std::string& id) {
  for (const Published& p : published_models())
    if (p.id == id) return &p;
  return nullptr;
}

Json published_json(const std::string& id) {
  Json found;
  each_row([&](const Json& row, const std::string&) {
    if (row.at("id") == id) found = row;
  });
  if (found.is_null()) throw Error("id", "id = " + shown(id) + " must be one that published_models lists");
  return found;
}

std::int64_t active_of(const ModelCount& count, const std::string& convention) {
  if (convention == "no_embed") return count.active.no_embed;
  return convention == "no_embed_head" ? count.active.no_embed_head : count.active.full;
}

Deviation deviation_of(const Published& p) {
  const auto percent = [](std::int64_t counted, double printed) {
    return 100 * (static_cast<double>(counted) / printed - 1);
  };
  const ModelCount counted = count(p.model);
  Deviation d;
  d.total = percent(counted.total, p.total);
  d.within = std::abs(d.total) <= p.bound_total;
  if (p.active) {
    d.active = percent(active_of(counted, p.convention), *p.active);
    d.within = d.within && std::abs(*d.active) <= *p.bound_active;
  }
  return d;
}

}  // namespace moe
