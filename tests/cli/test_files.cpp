#include <filesystem>

#include "moe/config_json.h"
#include "moe/golden.h"
#include "moe/huggingface.h"
#include "moe/inputs.h"
#include "moe/load.h"
#include "moe/safetensors.h"
#include "moe/tensor_json.h"
#include "run.h"

using namespace moe;

namespace {

Arrays named(const Config& config, bool activations) {
  Arrays arrays;
  for (const auto& [id, a] : seeded_inputs(config))
    if ((id == Tensor::x || id == Tensor::dy) == activations)
      arrays.emplace_back(name_of(id), materialized(a));
  return arrays;
}

/// A file changed in a few places, by a generator that is the same everywhere.
std::string spoiled(std::string text, std::uint64_t seed) {
  const Stream stream{seed, 99, 0};
  for (std::uint64_t i = 0; i < 1 + seed % 4 && !text.empty(); ++i) {
    const std::size_t at = stream.word(3 * i) % text.size();
    const char byte = static_cast<char>(stream.word(3 * i + 1));
    switch (stream.word(3 * i + 2) % 4) {
      case 0:
        text[at] = byte;
        break;
      case 1:
        text.insert(at, 1, "{}[],:\"0-9eE.\\\0\xff"[static_cast<unsigned char>(byte) % 17]);
        break;
      case 2:
        text.erase(at, 1 + static_cast<unsigned char>(byte) % 32);
        break;
      default:
        text.resize(at);
        break;
    }
  }
  return text;
}

/// Is a reader's answer to any bytes at all either a result or an Error?
template <typename Read>
void survives(const Scratch& folder, const std::string& text, Read read) {
  int accepted = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    write(folder / "f.json", spoiled(text, seed));
    try {
      read(folder / "f.json");
      ++accepted;
    } catch (const Error& e) {
      CHECK(is_one_line(std::string(e.what()) + '\n'));
      ++refused;
    }
  }
  CHECK(refused > 500);
  CHECK(accepted + refused == 1500);
}

}  // namespace

TEST_CASE("files: seeded numbers, written down and read back, give the same trace") {
  const Scratch folder;
  const Config config = small("mixtral");
  write_safetensors(folder / "x.safetensors", named(config, true));
  write_safetensors(folder / "w.safetensors", named(config, false));
  write(folder / "c.json", print_json(config_to_json(config)));
  CHECK(run(folder, "run ./c.json --backward --out a.json").code == 0);
  CHECK(run(folder, "run ./c.json --backward --input x.safetensors --weights w.safetensors --out b.json")
            .code == 0);
  CHECK(
      run(folder,
          "run ./c.json --backward --input x.safetensors --weights w.safetensors --dtype bf16 --out c2.json")
          .code == 0);
  const auto tensors = [&](const char* file) {
    return parse_json(read_text(folder / file), file)["tensors"];
  };
  CHECK(tensors("a.json") == tensors("b.json"));
  CHECK(tensors("a.json") == tensors("c2.json"));  // seeded numbers are exact in bf16
}

TEST_CASE("files: Mixtral as Hugging Face has it, shrunk, on weights under its own names") {
  const Scratch folder;
  write(folder / "config.json",
        R"({"model_type":"mixtral","hidden_act":"silu","hidden_size":4096,"intermediate_size":14336,)"
        R"("num_local_experts":8,"num_experts_per_tok":2,"router_aux_loss_coef":0.02,"vocab_size":32000})");
  const std::string shrink =
      " --set shape.hidden_size=6 --set shape.ffn_size=7 --set shape.num_experts=4 --tokens 5 ";
  const Config config = small("mixtral");
  Arrays checkpoint;
  const Inputs inputs = seeded_inputs(config);
  const auto add = [&](const std::string& name, Tensor id, Index e, const Dims& dims) {
    std::vector<double> values;
    for (Index i = 0; i < product(dims); ++i) values.push_back(inputs.at(id).real(e * product(dims) + i));
    checkpoint.emplace_back("model.layers.3.block_sparse_moe." + name + ".weight",
                            converted(array_of(dims, values.data()), Format::BF16, name));
  };
  add("gate", Tensor::router_weight, 0, {4, 6});
  for (Index e = 0; e < 4; ++e) {
    const std::string expert = "experts." + std::to_string(e);
    add(expert + ".w1", Tensor::experts_gate, e, {7, 6});
    add(expert + ".w2", Tensor::experts_down, e, {6, 7});
    add(expert + ".w3", Tensor::experts_up, e, {7, 6});
  }
  write_safetensors(folder / "model.safetensors", checkpoint);
  CHECK(run(folder, "run ./config.json" + shrink + "--out a.json").code == 0);
  CHECK(
      run(folder, "run ./config.json" + shrink + "--weights model.safetensors --layer 3 --out b.json").code ==
      0);
  const auto y = [&](const char* file) { return parse_json(read_text(folder / file), file)["tensors"]["y"]; };
  CHECK(y("a.json") == y("b.json"));
  // The same by a table of names, with which any config reads them.
  write(folder / "names.json",
        R"({"router.weight":"model.layers.{l}.block_sparse_moe.gate.weight",)"
        R"("experts.gate":"model.layers.{l}.block_sparse_moe.experts.{e}.w1.weight",)"
        R"("experts.up":"model.layers.{l}.block_sparse_moe.experts.{e}.w3.weight",)"
        R"("experts.down":"model.layers.{l}.block_sparse_moe.experts.{e}.w2.weight"})");
  const std::string named = " --weights model.safetensors --names names.json ";
  CHECK(run(folder, "run ./config.json" + shrink + named + "--layer 3 --out c.json").code == 0);
  CHECK(y("a.json") == y("c.json"));
  CHECK(run(folder, "run ./config.json" + shrink + named).err ==
        "moe-oracle: --layer must be given where names.json has names with {l}\n");
  CHECK(run(folder, "run mixtral --names names.json").err ==
        "moe-oracle: --names = \"names.json\" needs --weights\n");
  CHECK(run(folder, "run ./config.json" + shrink + named + "--layer 3 --out names.json").err ==
        "moe-oracle: --out = \"names.json\" must not replace the input names.json\n");
  const Done missing = run(folder, "run ./config.json" + shrink + "--weights model.safetensors --layer 4");
  CHECK(missing.code == 2);
  CHECK(missing.err.find("must hold router.weight as model.layers.4.mlp.gate.weight") != std::string::npos);
  write(folder / "llama.json", R"({"model_type":"llama"})");
  CHECK(run(folder, "run ./llama.json")
            .err.starts_with("moe-oracle: ./llama.json: model_type = \"llama\" must be one of mixtral, "));
}

TEST_CASE(
    "files: Kimi-K2 as Hugging Face has it, shrunk, says what differs, and its shards are not replaced") {
  const Scratch folder;
  write(
      folder / "config.json",
      R"({"model_type":"kimi_k2","hidden_act":"silu","hidden_size":7168,"moe_intermediate_size":2048,)"
      R"("n_routed_experts":384,"num_experts_per_tok":8,"n_group":1,"topk_group":1,"n_shared_experts":null,)"
      R"("norm_topk_prob":true,"routed_scaling_factor":2.827,"scoring_func":"sigmoid","aux_loss_alpha":0.001})");
  const std::string shrunk = " ./config.json --set shape.hidden_size=4 --set shape.ffn_size=3 --tokens 2 ";
  const Done done = run(folder, "run" + shrunk);
  CHECK(done.code == 0);
  const std::string differs = "which adds 1e-20 to the sum of the weights; this layer does not";
  CHECK(done.out.find(differs) != std::string::npos);
  CHECK(parse_json(run(folder, "run --json" + shrunk).out, "out")["source"].get<std::string>().ends_with(
      differs));
  write(folder / "m.index.json", R"({"weight_map":{"a":"a.safetensors"}})");
  write(folder / "a.safetensors", "");
  CHECK(run(folder, "run" + shrunk + "--weights m.index.json --layer 1 --out a.safetensors").err ==
        "moe-oracle: --out = \"a.safetensors\" must not replace the input a.safetensors\n");
}

TEST_CASE("files: bad files are exit 2 with the file's name in one line") {
  const Scratch folder;
  const auto refused = [&](const std::string& arguments, const std::string& says) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
    CHECK(done.err.find(says) != std::string::npos);
  };
  write(folder / "deep.json", std::string(100000, '[') + std::string(100000, ']'));
  write(folder / "twice.json", R"({"shape":{"top_k":1,"top_k":2}})");
  write(folder / "short.safetensors", "abc");
  write(folder / "cut.safetensors", std::string("\x40\0\0\0\0\0\0\0{\"x\":", 13));
  refused("run ./deep.json", "./deep.json: nesting must not exceed 64 levels");
  refused("run ./twice.json", "./twice.json: \"top_k\" must not appear twice");
  refused("run mixtral --input short.safetensors", "short.safetensors: must be safetensors");
  refused("run mixtral --weights cut.safetensors",
          "cut.safetensors: header length = 64 must not exceed the file");
  const Config config = small("mixtral");
  write_safetensors(folder / "x.safetensors", named(config, true));
  refused("run mixtral --input x.safetensors", "x.safetensors: x: shape = [5,6] must be [5,32]");
  refused("golden verify x.safetensors", "must be JSON");
}

// Fifteen hundred spoiled copies each: every one is read or refused, and nothing else happens to it.
TEST_CASE("files: spoiled configs are read or refused") {
  const Scratch folder;
  survives(folder, print_json(config_to_json(small("switch"))),
           [](const std::string& path) { load_config(path); });
}

TEST_CASE("files: spoiled Hugging Face configs and indices are read or refused") {
  const Scratch folder;
  survives(
      folder,
      R"({"model_type":"deepseek_v3","hidden_act":"silu","hidden_size":64,"moe_intermediate_size":32,)"
      R"("n_routed_experts":16,"num_experts_per_tok":4,"n_group":4,"topk_group":2,"n_shared_experts":1,)"
      R"("norm_topk_prob":true,"routed_scaling_factor":2.5,"scoring_func":"sigmoid","aux_loss_alpha":1e-4})",
      [](const std::string& path) { load_config(path); });
  survives(folder, R"({"metadata":{},"weight_map":{"a":"x.safetensors","b":"y.safetensors"}})",
           [](const std::string& path) { checkpoint_files(path); });
}

TEST_CASE("files: spoiled safetensors are read or refused") {
  const Scratch folder;
  write_safetensors(folder / "w", named(small("switch", {"shape.ffn_size=1"}), true));
  survives(folder, read_text(folder / "w"), [](const std::string& path) {
    const SafetensorsFile file(path);
    for (const std::string& name : file.names()) file.load(name);
  });
}

TEST_CASE("files: spoiled golden files are read or refused") {
  const Scratch folder;
  std::string text = read_text(MOE_ROOT "/golden/worked/layer.json");
  survives(folder, text.substr(0, text.find("\"stages\"")) + "\"stages\": {}}]}]}",
           [](const std::string& path) {
             for (const GoldenCase& c : read_golden(path).cases)
               error_of([&] { validate(config_from_json(c.config), c.inputs); });
           });
}

TEST_CASE("cli: run takes a model from its folder, and sequences as they are") {
  const Scratch folder;
  std::filesystem::create_directory(folder / "model");
  write(folder / "model/config.json",
        R"({"model_type": "mixtral", "hidden_act": "silu", "hidden_size": 4, "intermediate_size": 3,
            "num_local_experts": 2, "num_experts_per_tok": 1, "router_aux_loss_coef": 0.5})");
  const auto numbers = [](const Dims& dims) {
    std::vector<double> values;
    for (Index i = 0; i < product(dims); ++i) values.push_back(static_cast<double>(i % 7) - 3);
    return array_of(dims, values.data());
  };
  const std::string start = "model.layers.1.block_sparse_moe.";
  write_safetensors(folder / "model/model.safetensors", {{start + "gate.weight", numbers({2, 4})},
                                                         {start + "experts.gate_up_proj", numbers({2, 6, 4})},
                                                         {start + "experts.down_proj", numbers({2, 4, 3})}});
  write_safetensors(folder / "x.safetensors", {{"x", numbers({2, 3, 4})}});
  write_safetensors(folder / "flat.safetensors", {{"x", numbers({6, 4})}});
  const auto trace = [&](const std::string& arguments) {
    const Done done = run(folder, "run " + arguments + " --json");
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    return parse_json(done.out, "trace");
  };
  const Json of_folder = trace("./model --layer 1 --input x.safetensors");
  CHECK((of_folder["config"]["shape"]["num_tokens"] == 6 && of_folder["config"]["shape"]["num_groups"] == 2));
  const Json of_files = trace(
      "./model/config.json --weights model/model.safetensors --layer 1 --input flat.safetensors --tokens 6");
  CHECK(of_folder["tensors"]["y"] == of_files["tensors"]["y"]);
  CHECK(trace("./model --weights model --layer 1 --input flat.safetensors")["tensors"]["y"] ==
        of_files["tensors"]["y"]);
  CHECK(trace("./model --layer 1 --input x.safetensors --set shape.num_groups=1")["config"]["shape"]
                                                                                 ["num_groups"] == 1);
  const Done absent = run(folder, "run ./nothing/ --layer 1");
  CHECK((absent.code == 2 && is_one_line(absent.err)));
}
