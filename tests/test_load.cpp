#include <filesystem>
#include <fstream>

#include "moe/load.h"
#include "moe/safetensors.h"
#include "scratch.h"

using namespace moe;

namespace {

Arrays named(const Config& config, bool activations) {
  Arrays arrays;
  for (const auto& [id, a] : seeded_inputs(config, 11))
    if ((id == Tensor::x || id == Tensor::dy) == activations)
      arrays.emplace_back(name_of(id), materialized(a));
  return arrays;
}

}  // namespace

TEST_CASE("load: a preset, a path of ours, a Hugging Face config, sets, and tokens over sets") {
  const Scratch folder;
  std::ofstream(folder / "mine.json") << print_json(config_to_json(small("switch")));
  std::ofstream(folder / "hf.json")
      << R"({"model_type":"mixtral","hidden_act":"silu","hidden_size":8,"intermediate_size":4,"num_local_experts":4,"num_experts_per_tok":2})";
  CHECK(load_config("mixtral").config.shape.num_experts == 8);
  CHECK(load_config(folder / "mine.json").config.shape.hidden_size == 6);
  CHECK(load_config(folder / "hf.json", {"shape.ffn_size=3"}).config.shape.ffn_size == 3);
  CHECK(load_config("mixtral", {"shape.num_tokens=3"}, 9).config.shape.num_tokens == 9);
  std::ofstream(folder / "shared.json")
      << R"({"model_type":"hunyuan_v1_moe","hidden_act":"silu","hidden_size":8,"intermediate_size":4,"num_experts":4,"moe_topk":2})";
  CHECK(load_config(folder / "shared.json", {"shape.ffn_size=3"}).config.shared.ffn_size == 3);
  CHECK(
      load_config(folder / "shared.json", {"shape.ffn_size=3", "shared.ffn_size=7"}).config.shared.ffn_size ==
      7);
}

TEST_CASE("load: errors name the file, the field, the value and the rule") {
  const Scratch folder;
  std::ofstream(folder / "bad.json")
      << R"({"shape":{"num_tokens":1,"hidden_size":1,"ffn_size":1,"num_experts":1,"top_k":2}})";
  CHECK(error_of([&] { load_config(folder / "bad.json"); }) ==
        (folder / "bad.json") + ": shape.top_k = 2 must not exceed shape.num_experts = 1");
  CHECK(error_of([] { load_config("mixtrall"); }) ==
        "CONFIG = \"mixtrall\" must be one of moe-oracle presets, or a path with / or .json; did you mean "
        "mixtral?");
  CHECK(
      error_of([] { load_config("./nothing.json"); }).starts_with("./nothing.json: must be a readable file"));
  CHECK(error_of([] { load_config("mixtral", {"shape.top_k=9"}); }) ==
        "shape.top_k = 9 must not exceed shape.num_experts = 8");
}

TEST_CASE("load: inputs from files replace the seeded ones, and are rounded where asked") {
  const Scratch folder;
  const Config config = small("mixtral");
  write_safetensors(folder / "x.safetensors", named(config, true));
  write_safetensors(folder / "w.safetensors", named(config, false));
  const Inputs seeded = seeded_inputs(config, 11);
  const Inputs loaded = load_inputs(
      config, {folder / "x.safetensors", folder / "w.safetensors", {}, kDefaultSeed, Format::F64});
  for (const auto& [id, a] : loaded)
    for (Index i = 0; i < a.size(); ++i) CHECK(a.real(i) == seeded.at(id).real(i));
  std::vector<double> values(30, 1.0 / 3);
  write_safetensors(folder / "third.safetensors", {{"x", array_of({5, 6}, values.data())}});
  const Inputs narrow =
      load_inputs(config, {folder / "third.safetensors", "", {}, kDefaultSeed, Format::BF16});
  CHECK(narrow.at(Tensor::x).real(0) == 0.333984375);
  CHECK(narrow.at(Tensor::dy).real(0) == seeded_inputs(config).at(Tensor::dy).real(0));
}

TEST_CASE("load: folders stand for the files in them") {
  const Scratch folder;
  std::filesystem::create_directory(folder / "sub");
  CHECK(config_in(folder / "sub") == folder / "sub/config.json");
  CHECK((config_in("mixtral") == "mixtral" && config_in("./nothing.json") == "./nothing.json"));
  const std::string path = folder / "sub";
  const std::string rule =
      "--weights = \"" + path +
      "\" must be a file, or a folder with model.safetensors, the index.json of its shards, or "
      "one file of safetensors";
  CHECK(error_of([&] { checkpoint_in(path); }) == rule);
  std::ofstream(folder / "sub/a.safetensors") << "x";
  CHECK(checkpoint_in(path) == folder / "sub/a.safetensors");
  std::ofstream(folder / "sub/b.safetensors") << "x";
  CHECK(error_of([&] { checkpoint_in(path); }) == rule);
  std::ofstream(folder / "sub/model.safetensors") << "x";
  CHECK(checkpoint_in(path) == folder / "sub/model.safetensors");
  std::ofstream(folder / "sub/model.safetensors.index.json") << "{}";
  CHECK(checkpoint_in(path) == folder / "sub/model.safetensors.index.json");
  CHECK((checkpoint_in("").empty() && checkpoint_in("x.safetensors") == "x.safetensors"));
}

TEST_CASE("load: tokens of several sequences follow one another") {
  const Scratch folder;
  const Config config = small("mixtral", {"shape.num_tokens=6", "shape.num_groups=2"});
  std::vector<double> values;
  for (int i = 0; i < 36; ++i) values.push_back(i);
  write_safetensors(folder / "x.safetensors", {{"x", array_of({2, 3, 6}, values.data())}});
  CHECK(shape_of_x(folder / "x.safetensors") == Dims{2, 3, 6});
  const Inputs got = load_inputs(config, {folder / "x.safetensors", "", {}, kDefaultSeed, Format::F64});
  CHECK(got.at(Tensor::x).dims == Dims{6, 6});
  CHECK(got.at(Tensor::x).real(35) == 35);
  write_safetensors(folder / "dy.safetensors", {{"dy", array_of({6, 6}, values.data())}});
  CHECK(!shape_of_x(folder / "dy.safetensors"));
}

TEST_CASE("load: inputs that do not fit are refused by name") {
  const Scratch folder;
  const Config config = small("mixtral");
  const auto error_with = [&](const Arrays& arrays, bool as_weights) {
    const std::string path = folder / "t.safetensors";
    write_safetensors(path, arrays);
    const std::string error = error_of([&] {
      load_inputs(config, as_weights ? InputSources{"", path, {}, 0, Format::F64}
                                     : InputSources{path, "", {}, 0, Format::F64});
    });
    return error.starts_with(path) ? error.substr(path.size()) : error;
  };
  std::vector<double> values(60, 0.5);
  CHECK(error_with({{"x", array_of({6, 5}, values.data())}}, false) == ": x: shape = [6,5] must be [5,6]");
  CHECK(error_with({}, false) == ": must hold the tensor x");
  CHECK(error_with({{"z", array_of({1}, values.data())}}, false) == ": z is not the name of a tensor here");
  const std::vector<std::int32_t> integers(30, 1);
  CHECK(error_with({{"x", array_of({5, 6}, integers.data())}}, false) ==
        ": x: dtype = i32 must be f64, f32, f16 or bf16");
  values[7] = std::nan("");
  CHECK(error_with({{"x", array_of({5, 6}, values.data())}}, false) == ": x[7] = nan must be finite");
  Arrays weights = named(config, false);
  weights.pop_back();
  CHECK(error_with(weights, true) == ": must hold the tensor experts.down");
  weights = named(config, false);
  weights.emplace_back("experts.up_bias", array_of({4, 7}, values.data()));
  CHECK(error_with(weights, true) == ": experts.up_bias is not an input of this config");
}
