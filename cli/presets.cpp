#include "moe/presets.h"

#include <cstdio>

#include "moe/config_json.h"
#include "moe/nearest.h"
#include "verbs.h"

namespace moe::cli {
namespace {

struct PresetsOptions {
  std::string name;
  std::vector<std::string> diff;
  bool json = false;
};

Json preset_json(const Preset& preset) {
  Json json{{"name", preset.name}, {"source", preset.source}};
  json.update(config_to_json(preset.config));
  return json;
}

int list_presets(bool as_json) {
  Json all = Json::array();
  for (const Preset& preset : presets()) {
    if (!as_json) std::printf("%-14s  %s\n", preset.name.c_str(), preset.summary.c_str());
    all.push_back({{"name", preset.name}, {"summary", preset.summary}, {"source", preset.source}});
  }
  if (as_json) std::fputs(print_json(all).c_str(), stdout);
  return 0;
}

/// The fields of a config with their dotted names; an element of aux goes by its name.
void flatten(const Json& json, const std::string& path, Json& flat) {
  for (const auto& [key, value] : json.items()) {
    const std::string name = json.is_array() ? value.value("name", key) : key;
    const std::string field = path.empty() ? name : path + '.' + name;
    if (value.is_structured() && !value.empty())
      flatten(value, field, flat);
    else if (key != "name")
      flat[field] = value;
  }
}

int diff_presets(const std::string& a, const std::string& b, bool as_json) {
  Json left = Json::object(), right = Json::object(), fields = Json::array(), differences = Json::array();
  flatten(config_to_json(load_config(a).config), "", left);
  flatten(config_to_json(load_config(b).config), "", right);
  for (const auto& [field, value] : left.items()) fields.push_back(field);
  for (const auto& [field, value] : right.items())
    if (!left.contains(field)) fields.push_back(field);
  for (const std::string field : fields) {
    const Json in_a = left.value(field, Json("-")), in_b = right.value(field, Json("-"));
    if (in_a == in_b) continue;
    differences.push_back({{"field", field}, {a, in_a}, {b, in_b}});
    if (!as_json)
      std::printf("%-34s %-16s %s\n", printable(field).c_str(), shown(in_a).c_str(), shown(in_b).c_str());
  }
  if (as_json) std::fputs(print_json(differences).c_str(), stdout);
  return 0;
}

int act_on(const PresetsOptions& options) {
  if (!options.diff.empty() && !options.name.empty())
    throw Error("NAME", "NAME = " + shown(options.name) + " has no meaning beside --diff A B");
  if (!options.diff.empty()) return diff_presets(options.diff.at(0), options.diff.at(1), options.json);
  if (options.name.empty()) return list_presets(options.json);
  const Preset* preset = find_preset(options.name);
  if (preset == nullptr)
    throw Error("NAME", "NAME = " + shown(options.name) + " must be one of " + preset_names() +
                            did_you_mean(options.name, names_of_presets()));
  std::fputs(print_json(preset_json(*preset)).c_str(), stdout);
  return 0;
}

}  // namespace

void add_presets(CLI::App& app, Act& act) {
  auto options = std::make_shared<PresetsOptions>();
  CLI::App* verb = app.add_subcommand("presets", "the conventions of published systems");
  verb->footer("Example: moe-oracle presets mixtral > my.json; moe-oracle run ./my.json");
  verb->add_option("NAME", options->name, "print this one as config JSON");
  verb->add_option("--diff", options->diff, "say how two differ")->expected(2)->type_name("A B");
  verb->add_flag("--json", options->json, "print JSON");
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
