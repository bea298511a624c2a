#include <fstream>

#include "moe/check.h"
#include "moe/file.h"
#include "scratch.h"

using namespace moe;

namespace {

/// Sums tell of most changes; here it is what they change that must be seen.
void forget_sums(Json& json) {
  if (json.is_object()) json.erase("sha256");
  if (json.is_structured())
    for (Json& item : json) forget_sums(item);
}

/// A golden file with one case, that of exact/choice-major: 3 tokens, 4 experts, K = 2.
Json one_case() {
  Json document = parse_json(read_text(MOE_ROOT "/golden/exact/capacity.json"), "");
  Json groups = Json::array();
  for (Json& group : document["groups"])
    for (Json& c : group["cases"])
      if (c["id"] == "exact/choice-major") {
        Json only = group;
        only["cases"] = Json::array({c});
        groups.push_back(only);
      }
  document["groups"] = groups;
  forget_sums(document);
  return document;
}

/// What reading the file says, after the id of the case; empty if it is read.
std::string error_of_file(const Json& document) {
  const Scratch folder;
  std::ofstream(folder / "f.json") << document.dump();
  const std::string error = error_of([&] { read_check_cases(folder / "f.json"); });
  const std::string where = folder / "f.json: ";
  CAPTURE(error);
  CHECK((error == "no error" || error.starts_with(where)));
  CHECK(error.find('\n') == std::string::npos);
  return error.substr(std::min(where.size(), error.size()));
}

struct Fault {
  const char *place,
      *value;         // a JSON pointer within the group, and what stands there; nothing: it is taken away
  const char* error;  // how the message begins
};
constexpr const char* kCase = "exact/choice-major: ";

}  // namespace

TEST_CASE("cases: a golden file that contradicts itself is refused by what contradicts") {
  REQUIRE(error_of_file(one_case()).empty());
  const Fault faults[] = {
      {"/cases/0/id", "\"a\\u001bb\"", "id = \"a\\u001bb\" must be text without control characters"},
      {"/config/shape/num_experts", "2", "router.weight: shape = [4,8] must be [2,8]"},
      {"/config/shape/num_experts", "-1", "shape.num_experts = -1 must lie in"},
      {"/config/shape/num_tokens", "4", "x: shape = [3,8] must be [4,8]"},
      {"/config/shape/top_k", "1", "router.topk_ids must be integers of shape [3,1], as the config has it"},
      {"/config/capacity/fixed", "\"two\"", "capacity.fixed = \"two\" must be"},
      {"/cases/0/inputs", "[]", "inputs = [] must be an object"},
      {"/cases/0/inputs", "[3]", "inputs = [3] must be an object"},
      {"/cases/0/inputs/x", "", "x = nothing must be there"},
      {"/cases/0/inputs/dy", "", "dy = nothing must be there"},
      {"/cases/0/inputs/x/shape", "[0]", "x: shape = [0] must be [3,8]"},
      {"/cases/0/inputs/x/shape", "[3,8,1]", "x: shape = [3,8,1] must be [3,8]"},
      {"/cases/0/inputs/x/shape", "[2305843009213693951,4]", "x must fit memory"},
      {"/cases/0/inputs/x/data/0", "\"Infinity\"", "x[0] = inf must be finite"},
      {"/cases/0/inputs/x/recipe", "{}", "x must have a string seed"},
      {"/cases/0/inputs/loss.task", R"({"dtype":"f64","shape":[],"data":[1]})",
       "loss.task is not the name of an input"},
      {"/cases/0/inputs/router.selection_bias", R"({"dtype":"f64","shape":[4],"data":[1,1,1,1]})",
       "router.selection_bias = a tensor is not an input of this config"},
      {"/cases/0/stages", "[]", "stages must be there, and an object"},
      {"/cases/0/stages/router.topk_ids/data/0", "99",
       "router.topk_ids holds 99, and must hold experts in [0, 4)"},
      {"/cases/0/stages/router.topk_ids/data/0", "-2147483648", "router.topk_ids holds -2147483648"},
      {"/cases/0/stages/router.topk_ids/shape", "[6]", "router.topk_ids must be integers of shape [3,2]"},
      {"/cases/0/stages/dispatch.kept/data/0", "7", "dispatch.kept holds 7, and must hold 0 or 1"},
      {"/cases/0/stages/y/shape", "[8,3]", "y must have the shape [3,8], not [8,3]"},
      {"/cases/0/stages/y", R"({"dtype":"i32","shape":[0],"data":[]})", "y must hold reals"},
      {"/cases/0/stages/dispatch.counts/dtype", "\"f64\"", "dispatch.counts must hold integers"},
      {"/cases/0/stages/expert.hiden", R"({"dtype":"f64","shape":[],"data":[1]})",
       "expert.hiden is not a stage"},
      {"/cases/0/stages/grad.x/shape", "[24]", "grad.x must have the shape [3,8], not [24]"},
      {"/cases/0/alternatives", "3", "alternatives must be an array"},
      {"/cases/0/alternatives/0", "[]", "router.topk_ids must be there"},
      {"/cases/0/alternatives/0/router.topk_ids/data/1", "4",
       "router.topk_ids holds 4, and must hold experts in [0, 4)"},
      {"/cases/0/alternatives/0/dispatch.kept/data/1", "2", "dispatch.kept holds 2, and must hold 0 or 1"},
      {"/cases/0/exact", "[\"y\"]", "exact must be there, and an object"},
      {"/cases/0/exact/y", "3", "exact.y must have bits in [0, 64]"},
      {"/cases/0/exact/y/bits", "\"four\"", "exact.y must have bits in [0, 64]"},
      {"/cases/0/exact/z", R"({"bits":4})", "z must be a stage of the case"},
      {"/cases/0/stages/a\nb", R"({"dtype":"f64","shape":[],"data":[1]})", "a\\x0ab is not a stage"},
      {"/cases/0/demands", "\"y\"", "demands = \"y\" must be an array"},
      {"/cases/0/demands", "[3]", "demands must hold names, not 3"},
      {"/cases/0/demands", "[\"z\"]", "z must be a stage of the case"},
      {"/cases/0/budgets", "{\"fp32_any_order\":[]}", "fp32_any_order must be there, and an object"},
      {"/cases/0/budgets", R"({"fp32_any_order":{"y":{"hard":3}}})",
       "budgets.fp32_any_order.y must have hard and sigma"},
      {"/cases/0/budgets",
       R"({"fp32_any_order":{"y":{"hard":{"dtype":"f64","shape":[1],"data":[1]},"sigma":{"dtype":"f64","shape":[1],"data":[1]}}}})",
       "budgets.fp32_any_order.y must have the shape of its stage, [3,8]"},
  };
  for (const Fault& fault : faults) {
    Json document = one_case();
    Json& group = document["groups"][0];
    const Json::json_pointer place(fault.place);
    if (*fault.value == '\0')
      group[place.parent_pointer()].erase(place.back());
    else
      group[place] = Json::parse(fault.value);
    INFO(fault.place);
    INFO(fault.value);
    std::string error = error_of_file(document);
    if (error.starts_with(kCase)) error = error.substr(std::string(kCase).size());
    CAPTURE(error);
    CHECK(error.starts_with(fault.error));
  }
}

TEST_CASE("cases: an expert twice for a token, and a sum over what is too large to draw, are refused") {
  Json document = one_case();
  Json& c = document["groups"][0]["cases"][0];
  c["stages"]["router.topk_ids"]["data"] = {1, 1, 0, 1, 0, 1};
  CHECK(error_of_file(document).find("router.topk_ids holds expert 1 twice for token 0") !=
        std::string::npos);
  document = one_case();
  Json& large = document["groups"][0]["cases"][0]["inputs"]["x"];
  large = {{"dtype", "bf16"},
           {"shape", {3, 8}},
           {"recipe",
            {{"rng", "philox4x32-10"},
             {"seed", "0x1"},
             {"tensor", 1},
             {"case", 0},
             {"bits", 8},
             {"scaleLog2", -6}}},
           {"sha256", "0"}};
  CHECK(error_of_file(document).find("x must have the sha256 that it states") != std::string::npos);
  large["dtype"] = "f32";
  CHECK(error_of_file(document).find("x must have dtype bf16, which is what recipes make") !=
        std::string::npos);
  document["groups"][0]["cases"][0]["result"] = "invalid";  // whose shapes are not asked
  large["dtype"] = "bf16", large["shape"] = {1 << 20, 1 << 20};
  CHECK(error_of_file(document).find("x must have no sha256 where it has a recipe") != std::string::npos);
}

TEST_CASE("cases: what a case demands is read, and written again") {
  Json document = one_case();
  document["groups"][0]["cases"][0]["demands"] = {"y", "grad.x"};
  const Scratch folder;
  std::ofstream(folder / "f.json") << document.dump();
  const std::vector<CheckCase> cases = read_check_cases(folder / "f.json");
  CHECK(cases.at(0).golden.demands == std::vector<std::string>{"y", "grad.x"});
  const GoldenFile file = read_golden(folder / "f.json");
  const RenderedFile rendered = render(file, {prove(file.cases.at(0))});
  CHECK(parse_json(rendered.text, "")["groups"][0]["cases"][0]["demands"] == Json{"y", "grad.x"});
}
