// config page       prints docs/CONFIG.md
// config schema     prints what golden/schema.json says of configs
#include <cstdio>
#include <cstring>

#include "moe/config_fields.h"
#include "moe/config_json.h"
#include "moe/presets.h"

using namespace moe;

namespace {

/// What presets have in a field; of losses, any of them.
std::vector<Json> values_in(const Json& config, const std::string& field) {
  const std::size_t dot = field.find('.');
  const std::string section = field.substr(0, dot), key = field.substr(dot + 1);
  std::vector<Json> values;
  if (!config.contains(section)) return values;
  const Json& at = config[section];
  for (std::size_t i = 0; i < (at.is_array() ? at.size() : 1); ++i) {
    const Json& object = at.is_array() ? at[i] : at;
    if (object.contains(key)) values.push_back(object[key]);
  }
  return values;
}

std::string code(const std::string& text) { return '`' + text + '`'; }

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// The presets in which a field is not what it is by default, with what it is there.
std::string used_by(const FieldInfo& info) {
  std::string text;
  for (const std::string& name : names_of_presets())
    for (const Json& value : values_in(config_to_json(find_preset(name)->config), info.field))
      if (value != info.standard && info.field != "aux.name" && !info.field.starts_with("shape."))
        text += (text.empty() ? "" : ", ") + name + ": " + text_of(value);
  return text;
}

void print_page() {
  std::puts(
      "# Every field of a config\n\n"
      "What `run`, `golden write` and `--set` take, and `presets NAME` prints. A field that is not given has "
      "its default. One that has no meaning under the other\n"
      "choices is refused. Numbers in parentheses are formulas of [MATH.md](MATH.md); what people get wrong "
      "about a field is in [GOTCHAS.md](GOTCHAS.md).\n"
      "Written by `build/release/tests/config_pages page`.");
  std::string section;
  for (const FieldInfo& info : config_fields()) {
    const std::size_t dot = info.field.find('.');
    if (info.field.substr(0, dot) != section) {
      section = info.field.substr(0, dot);
      std::printf("\n## %s\n\n| field | values | default | what it says | presets |\n|---|---|---|---|---|\n",
                  section.c_str());
    }
    std::string values = info.type;
    for (std::size_t i = 0; i < info.choices.size(); ++i)
      values = (i == 0 ? "" : values + ", ") + code(info.choices[i]);
    std::printf("| %s | %s | %s | %s%s | %s |\n", code(info.field).c_str(), values.c_str(),
                code(text_of(info.standard)).c_str(), info.sentence.c_str(),
                info.formula.empty() ? "" : (" (" + info.formula + ")").c_str(), used_by(info).c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool schema = argc == 2 && std::strcmp(argv[1], "schema") == 0;
  if (schema)
    std::fputs((config_schema().dump(2) + '\n').c_str(), stdout);
  else
    print_page();
}
