#include <fstream>

#include "moe/file.h"
#include "moe/huggingface.h"
#include "moe/safetensors.h"
#include "scratch.h"

using namespace moe;

namespace {

Config narrow_layer(const std::vector<std::string>& sets = {}) {
  std::vector<std::string> all{"shape.num_tokens=2", "shape.hidden_size=4", "shape.ffn_size=3",
                               "shape.num_experts=2", "shape.top_k=1"};
  all.insert(all.end(), sets.begin(), sets.end());
  return load_config("mixtral", all).config;
}

/// Matrix e of (E, rows, cols), turned.
Array turned(const Array& all, Index e) {
  const Index rows = all.dims[1], cols = all.dims[2];
  std::vector<double> values;
  for (Index j = 0; j < cols; ++j)
    for (Index i = 0; i < rows; ++i) values.push_back(all.real((e * rows + i) * cols + j));
  return array_of({cols, rows}, values.data());
}

/// A file of names that nobody else has: gate and up of an expert in turns, down turned, the router turned.
struct Written {
  Scratch folder;
  std::string weights = folder / "w.safetensors", table = folder / "names.json";
  Config config = narrow_layer();
  Json names{{"router.weight", {{"name", "block{l}/router"}, {"in_out", true}}},
             {"experts.gate", {{"name", "block{l}/w13/{e}"}, {"half", "first"}, {"in_turns", true}}},
             {"experts.up", {{"name", "block{l}/w13/{e}"}, {"half", "second"}, {"in_turns", true}}},
             {"experts.down", {{"name", "block{l}/w2/{e}"}, {"in_out", true}}}};

  Written() {
    const Inputs inputs = seeded_inputs(config);
    Array router = materialized(inputs.at(Tensor::router_weight));
    router.dims = {1, 2, 4};
    Arrays all{{"block7/router", turned(router, 0)}};
    for (Index e = 0; e < 2; ++e) {
      std::vector<double> both;
      for (Index f = 0; f < 3; ++f)
        for (const Tensor id : {Tensor::experts_gate, Tensor::experts_up})
          for (Index d = 0; d < 4; ++d) both.push_back(inputs.at(id).real((e * 3 + f) * 4 + d));
      all.emplace_back("block7/w13/" + std::to_string(e), array_of({6, 4}, both.data()));
      all.emplace_back("block7/w2/" + std::to_string(e),
                       turned(materialized(inputs.at(Tensor::experts_down)), e));
    }
    write_safetensors(weights, all);
  }
  Inputs read(const Json& json, std::optional<Index> layer = 7) const {
    std::ofstream(table) << print_json(json);
    return named_weights(weights, table, config, layer);
  }
  std::string error(const Json& json, std::optional<Index> layer = 7) const {
    const std::string said = error_of([&] { read(json, layer); });
    return said.starts_with(table) ? said.substr(table.size()) : said;
  }
  Json with(const std::string& name, const Json& value) const {
    Json changed = names;
    if (value.is_null())
      changed.erase(name);
    else
      changed[name] = value;
    return changed;
  }
};

}  // namespace

TEST_CASE("named weights: any names and layouts, as a table says") {
  const Written file;
  const Inputs want = seeded_inputs(file.config), got = file.read(file.names);
  REQUIRE(got.size() == 4);
  for (const auto& [id, a] : got) {
    CAPTURE(name_of(id));
    REQUIRE(a.dims == want.at(id).dims);
    for (Index i = 0; i < a.size(); ++i) CHECK(a.real(i) == want.at(id).real(i));
  }
  Json halves = file.with("experts.gate", {{"name", "block{l}/w13/{e}"}, {"half", "first"}});
  CHECK(file.read(halves).at(Tensor::experts_gate).real(4) == want.at(Tensor::experts_up).real(0));
}

TEST_CASE("named weights: biases of each expert, in one vector for gate and up, or alone") {
  const Scratch folder;
  const std::string weights = folder / "w.safetensors", table = folder / "names.json";
  const Config config = narrow_layer({"experts.bias=per_expert"});
  const Inputs want = seeded_inputs(config);
  Arrays all;
  std::ofstream names(table);
  names << '{';
  for (const Tensor id :
       {Tensor::router_weight, Tensor::experts_gate, Tensor::experts_up, Tensor::experts_down}) {
    all.emplace_back(name_of(id), materialized(want.at(id)));
    names << '"' << name_of(id) << R"(":")" << name_of(id) << R"(",)";
  }
  names
      << R"("experts.gate_bias":{"name":"b13.{e}","half":"first"},"experts.up_bias":{"name":"b13.{e}","half":"second"},)"
      << R"("experts.down_bias":"b2.{e}"})";
  names.close();
  for (Index e = 0; e < 2; ++e) {
    std::vector<double> both, down;
    for (const Tensor id : {Tensor::experts_gate_bias, Tensor::experts_up_bias})
      for (Index f = 0; f < 3; ++f) both.push_back(want.at(id).real(e * 3 + f));
    for (Index d = 0; d < 4; ++d) down.push_back(want.at(Tensor::experts_down_bias).real(e * 4 + d));
    all.emplace_back("b13." + std::to_string(e), array_of({6}, both.data()));
    all.emplace_back("b2." + std::to_string(e), array_of({4}, down.data()));
  }
  write_safetensors(weights, all);
  const Inputs got = named_weights(weights, table, config, {});
  REQUIRE(got.size() == 7);
  for (const auto& [id, a] : got)
    for (Index i = 0; i < a.size(); ++i) CHECK(a.real(i) == want.at(id).real(i));
}

TEST_CASE("named weights: a table that is wrong is an error that says where") {
  const Written file;
  CHECK(file.error(Json::array()) == " must be an object, from names of tensors to names in a checkpoint");
  CHECK(file.error(file.with("router.wieght", "w")) ==
        ": \"router.wieght\" must be the name of a weight; did you mean router.weight?");
  CHECK(file.error(file.with("x", "x")).starts_with(": \"x\" must be the name of a weight"));
  CHECK(file.error(file.with("router.weight", 3)) ==
        ": router.weight = 3 must be a name, or an object with one");
  CHECK(file.error(file.with("router.weight", Json::object())) == ": router.weight must have a name");
  CHECK(file.error(file.with("router.weight", {{"name", 1}})) == ": router.weight.name = 1 must be a name");
  CHECK(file.error(file.with("router.weight", {{"name", "w"}, {"in_outs", true}})) ==
        ": router.weight.in_outs must be name, half, in_turns or in_out; did you mean in_out?");
  CHECK(file.error(file.with("router.weight", {{"name", "w"}, {"in_out", 1}})) ==
        ": router.weight.in_out = 1 must be true or false");
  CHECK(file.error(file.with("experts.gate", {{"name", "w"}, {"half", "left"}})) ==
        ": experts.gate.half = \"left\" must be first or second");
  CHECK(file.error(file.with("experts.gate", {{"name", "w"}, {"in_turns", true}})) ==
        ": experts.gate.in_turns = true needs a half");
  CHECK(file.error(file.with("router.weight", "")) == ": router.weight = \"\" must not be empty");
  CHECK(file.error(file.with("shared.up", {{"name", "w{e}"}})) ==
        ": shared.up.name = \"w{e}\" must be without {e}: it is of no single expert");
  CHECK(file.error(file.with("experts.up", nullptr)) == ": must say what experts.up is called");
  CHECK(file.error(file.with("shared.up", "w")) == ": shared.up is not an input of this config");
  CHECK(file.error(file.names, {}) == "--layer must be given where " + file.table + " has names with {l}");
  CHECK(file.error(file.names, 8) == file.weights + ": must hold a tensor block8/router");
  CHECK(file.error(file.with("router.weight", "block{l}/router")) ==
        file.weights + ": block7/router: shape = [4,2] must be [2,4]");
  CHECK(file.error(file.with("experts.down", {{"name", "block{l}/w13/{e}"}, {"in_out", true}})) ==
        file.weights + ": block7/w13/0: shape = [6,4] must be [3,4]");
}

TEST_CASE("mxfp4: blocks of 32 numbers and their exponents, by hand") {
  const Scratch folder;
  const std::string path = folder / "w.safetensors", table = folder / "names.json";
  const Config config = narrow_layer({"shape.hidden_size=32", "shape.ffn_size=32"});
  std::ofstream(table)
      << R"({"router.weight":"r","experts.gate":{"name":"gu","half":"first","in_turns":true},)"
      << R"("experts.up":{"name":"gu","half":"second","in_turns":true},"experts.down":"d"})";
  // Every byte of row i of a matrix is i mod 256; the exponent of a row is 127 + (i mod 3), but in the first row 0.
  const auto blocks = [](Index rows) {
    std::vector<std::uint8_t> bytes;
    for (Index i = 0; i < 2 * rows * 16; ++i) bytes.push_back(static_cast<std::uint8_t>(i / 16 * 7));
    return array_of({2, rows, 1, 16}, bytes.data());
  };
  const auto exponents = [](Index rows, std::uint8_t first) {
    std::vector<std::uint8_t> scales{first};
    for (Index i = 1; i < 2 * rows; ++i) scales.push_back(static_cast<std::uint8_t>(127 + i % 3));
    return array_of({2, rows, 1}, scales.data());
  };
  const Inputs seeded = seeded_inputs(config);
  const auto write = [&](const Array& gate_up_scales) {
    write_safetensors(path, {{"r", materialized(seeded.at(Tensor::router_weight))},
                             {"gu_blocks", blocks(64)},
                             {"gu_scales", gate_up_scales},
                             {"d_blocks", blocks(32)},
                             {"d_scales", exponents(32, 0)}});
  };
  write(exponents(64, 252));
  const Inputs got = named_weights(path, table, config, {});
  const double numbers[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6};
  for (Index e = 0; e < 2; ++e)
    for (Index f = 0; f < 32; ++f)
      for (Index d = 0; d < 32; ++d) {
        const Index row = (e * 32 + f), byte = row * 7 % 256;
        const double number = numbers[d % 2 == 0 ? byte % 16 : byte / 16];
        CHECK(got.at(Tensor::experts_down).real(row * 32 + d) ==
              std::ldexp(number, row == 0 ? -127 : static_cast<int>(row % 3)));
        const Index up = (e * 64 + 2 * f + 1), of_up = up * 7 % 256;
        CHECK(got.at(Tensor::experts_up).real(row * 32 + d) ==
              std::ldexp(numbers[d % 2 == 0 ? of_up % 16 : of_up / 16], static_cast<int>(up % 3)));
      }
  const auto error = [&] {
    return error_of([&] { named_weights(path, table, config, {}); }).substr(path.size());
  };
  write(exponents(64, 253));
  CHECK(error() == ": gu_scales[0] = 253 must be at most 252");
  write(exponents(32, 0));
  CHECK(error() == ": gu_scales: shape = [2,32,1] must be [2,64,1]");
  write(materialized(seeded.at(Tensor::router_weight)));
  CHECK(error() == ": gu_scales: dtype = BF16 must be U8");
}
