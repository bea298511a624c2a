#include <doctest/doctest.h>

#include "moe/config_fields.h"
#include "moe/error.h"
#include "moe/file.h"

using namespace moe;

TEST_CASE("config fields: each is described, once, with its default and its choices") {
  std::vector<std::string> names;
  for (const FieldInfo& info : config_fields()) {
    CAPTURE(info.field);
    CHECK(std::find(names.begin(), names.end(), info.field) == names.end());
    names.push_back(info.field);
    CHECK(info.sentence.size() > 5);
    CHECK((info.choices.empty() || std::find(info.choices.begin(), info.choices.end(),
                                             info.standard.get<std::string>()) != info.choices.end()));
    const std::string math = read_text(MOE_ROOT "/docs/MATH.md");
    CHECK((info.formula.empty() || math.find("\n(" + info.formula + ')') != std::string::npos));
  }
  CHECK(names.size() > 50);
}

TEST_CASE("config fields: the schema of golden files says the same of configs") {
  const Json schema = parse_json(read_text(MOE_ROOT "/golden/schema.json"), "schema.json");
  CHECK(schema["$defs"]["config"] == config_schema());
}
