#include "moe/huggingface.h"
#include "scratch.h"

using namespace moe;

namespace {

Json released() {  // the fields of Mixtral-8x7B's config.json that concern its layers
  return {{"model_type", "mixtral"},      {"hidden_act", "silu"},   {"hidden_size", 4096},
          {"intermediate_size", 14336},   {"num_local_experts", 8}, {"num_experts_per_tok", 2},
          {"router_aux_loss_coef", 0.02}, {"num_hidden_layers", 32}};
}

std::string error_with(const std::string& field, const Json& value) {
  Json json = released();
  json[field] = value;
  return error_of([&] { config_from_json(config_from_huggingface(json, "config.json")); });
}

}  // namespace

TEST_CASE("huggingface: Mixtral's config is the preset in Mixtral's size") {
  const Config config = config_from_json(config_from_huggingface(released(), "config.json"));
  CHECK(config.shape.hidden_size == 4096);
  CHECK(config.shape.ffn_size == 14336);
  CHECK(config.shape.num_experts == 8);
  CHECK(config.shape.top_k == 2);
  CHECK(config.shape.num_tokens == 16);
  CHECK(config.aux.at(0).coefficient == 0.02);
  CHECK(config.router.renorm == Renorm::Sum);
}

TEST_CASE("huggingface: what it does not know is an error that says so") {
  CHECK(error_with("model_type", "llama") == "config.json: model_type = \"llama\" must be one of mixtral");
  CHECK(error_with("hidden_act", "gelu") == "config.json: hidden_act = \"gelu\" must be silu");
  CHECK(error_with("router_jitter_noise", 0.01) ==
        "config.json: router_jitter_noise = 0.01 must be 0: noise is an explicit input");
  CHECK(error_with("hidden_size", "x") == "config.json: hidden_size = \"x\" must be a whole number");
  Json json = released();
  json.erase("num_local_experts");
  CHECK(error_of([&] { config_from_huggingface(json, "config.json"); }) ==
        "config.json: must have num_local_experts");
}

TEST_CASE("huggingface: a checkpoint's own names: w1 is the gate, w3 up, w2 down") {
  const Scratch folder;
  const Config config =
      load_config("mixtral", {"shape.hidden_size=2", "shape.ffn_size=3", "shape.num_experts=2"}).config;
  Arrays arrays;
  double next = 0;
  const auto add = [&](const std::string& name, const Dims& dims) {
    std::vector<double> values(static_cast<std::size_t>(product(dims)));
    for (double& v : values) v = ++next;
    arrays.emplace_back("model.layers.4.block_sparse_moe." + name + ".weight",
                        converted(array_of(dims, values.data()), Format::BF16, name));
  };
  add("gate", {2, 2});  // 1 to 4
  for (const std::string e : {"0", "1"})
    add("experts." + e + ".w1", {3, 2}), add("experts." + e + ".w2", {2, 3}),
        add("experts." + e + ".w3", {3, 2});
  write_safetensors(folder / "m.safetensors", arrays);
  const SafetensorsFile file(folder / "m.safetensors");
  const Inputs weights = checkpoint_weights(file, config, 4);
  CHECK(weights.at(Tensor::router_weight).real(3) == 4);
  CHECK(weights.at(Tensor::experts_gate).real(0) == 5);
  CHECK(weights.at(Tensor::experts_down).real(0) == 11);
  CHECK(weights.at(Tensor::experts_up).real(0) == 17);
  CHECK(weights.at(Tensor::experts_gate).real(6) == 23);  // expert 1
  CHECK(weights.at(Tensor::experts_up).dims == Dims{2, 3, 2});
  CHECK(error_of([&] { checkpoint_weights(file, config, 5); }) ==
        file.path() + ": must hold a tensor model.layers.5.block_sparse_moe.gate.weight");
}
