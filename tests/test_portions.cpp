#include <fstream>

#include "moe/file.h"
#include "moe/huggingface.h"
#include "moe/safetensors.h"
#include "scratch.h"

// Tensors of checkpoints that are a part of ours, or stand for more than they hold: of sinks, of all experts, less 1, in 8 bits.
using namespace moe;

namespace {

Config tiny(const std::vector<std::string>& sets) {
  std::vector<std::string> all{"shape.num_tokens=2",  "shape.hidden_size=2", "shape.ffn_size=3",
                               "shape.num_experts=3", "shape.top_k=2",       "aux=[]"};
  all.insert(all.end(), sets.begin(), sets.end());
  return load_config("mixtral", all).config;
}

Array numbers(const Dims& dims, double first) {
  std::vector<double> values;
  for (Index i = 0; i < product(dims); ++i) values.push_back(first + static_cast<double>(i));
  return array_of(dims, values.data());
}
std::vector<double> values_of(const Array& a) {
  std::vector<double> values;
  for (Index i = 0; i < a.size(); ++i) values.push_back(a.real(i));
  return values;
}

/// The arrays that are bytes, called `name`, as numbers of 8 bits.
void write_in_8_bits(const std::string& path, const Arrays& arrays) {
  write_safetensors(path, arrays);
  std::string text = read_text(path);
  for (std::size_t at = text.find("\"U8\""); at != std::string::npos; at = text.find("\"U8\"")) {
    text.replace(at, 4, "\"F8_E4M3\"");
    text[0] = static_cast<char>(text[0] + 5);  // the header's length
  }
  std::ofstream(path, std::ios::binary) << text;
}

const std::string kBlock = "model.layers.5.mlp.";

Arrays experts(Index E) {
  return {{kBlock + "experts.gate_up_proj", numbers({E, 6, 2}, 0)},
          {kBlock + "experts.down_proj", numbers({E, 2, 3}, 100)}};
}

}  // namespace

TEST_CASE("checkpoint: experts of sinks come after the others, whose bias they lack") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const Config config = tiny({"router.sinks=1", "router.selection_bias=true", "router.expert_scale=true"});
  Arrays all = experts(2);
  const Arrays rest{{kBlock + "gate.weight", numbers({3, 2}, 0.5)},
                    {kBlock + "gate.e_score_correction_bias", numbers({2}, 7)},
                    {kBlock + "gate.global_scale", numbers({1}, 1.5)},
                    {kBlock + "shared_experts.gate_proj", numbers({1, 3, 2}, 1000)},
                    {kBlock + "shared_experts.up_proj", numbers({1, 3, 2}, 2000)},
                    {kBlock + "shared_experts.down_proj", numbers({1, 2, 3}, 3000)}};
  all.insert(all.end(), rest.begin(), rest.end());
  write_safetensors(path, all);
  const Inputs got = checkpoint_weights(path, config, 5);
  CHECK(values_of(got.at(Tensor::router_selection_bias)) == std::vector<double>{7, 8, 0});
  CHECK(values_of(got.at(Tensor::router_expert_scale)) == std::vector<double>{1.5, 1.5, 1.5});
  CHECK(values_of(got.at(Tensor::experts_gate)) ==
        std::vector<double>{0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17, 1000, 1001, 1002, 1003, 1004, 1005});
  CHECK(got.at(Tensor::experts_down).dims == Dims{3, 2, 3});
  CHECK(got.at(Tensor::experts_up).real(12) == 2000);

  all.erase(all.begin() + 1);  // experts.down_proj
  write_safetensors(path, all);
  CHECK(error_of([&] { checkpoint_weights(path, config, 5); }) ==
        path + ": experts and shared experts must both be there, in one dtype");
}

TEST_CASE("checkpoint: rows of gate and up in turns, by the name that says so") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const Config config = tiny({});
  write_safetensors(path, {{kBlock + "gate.weight", numbers({3, 2}, 0.5)},
                           {kBlock + "experts.w13_weight", numbers({3, 6, 2}, 0)},
                           {kBlock + "experts.w2_weight", numbers({3, 2, 3}, 100)}});
  const Inputs got = checkpoint_weights(path, config, 5);
  CHECK(got.at(Tensor::experts_gate).real(2) == 4);
  CHECK(got.at(Tensor::experts_up).real(0) == 2);
  CHECK(got.at(Tensor::experts_down).real(17) == 117);
}

TEST_CASE("checkpoint: factors that a file keeps less 1") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors";
  const Config config = tiny({"experts.latent_size=2", "experts.latent_norm=rms", "experts.output_norm=rms"});
  Arrays all = experts(3);
  const Arrays rest{{kBlock + "gate.weight", numbers({3, 2}, 0.5)},
                    {kBlock + "pre_expert_proj.weight", numbers({2, 2}, 0)},
                    {kBlock + "post_expert_proj.weight", numbers({2, 2}, 10)},
                    {kBlock + "pre_expert_norm.weight", numbers({2}, -0.25)},
                    {kBlock + "experts.post_expert_norm.weight", numbers({2}, 0.5)}};
  all.insert(all.end(), rest.begin(), rest.end());
  write_safetensors(path, all);
  const Inputs got = checkpoint_weights(path, config, 5);
  CHECK(values_of(got.at(Tensor::latent_norm_weight)) == std::vector<double>{0.75, 1.75});
  CHECK(values_of(got.at(Tensor::latent_output_norm_weight)) == std::vector<double>{1.5, 2.5});
  CHECK(got.at(Tensor::latent_up).real(0) == 10);
}

TEST_CASE("checkpoint: numbers of 8 bits are exact ones times their scales") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors", name = kBlock + "gate.weight";
  const Config config = tiny({});
  const std::vector<std::uint8_t> bytes{0x38, 0x7e, 0x01, 0xc0, 0x80, 0x47};  // 1, 448, 2^-9, -2, -0, 3.75
  const auto read_with = [&](const std::string& scale, const Array& scales) {
    Arrays all = experts(3);
    all.emplace_back(name, array_of({3, 2}, bytes.data())), all.emplace_back(name + scale, scales);
    write_in_8_bits(path, all);
    return values_of(checkpoint_weights(path, config, 5).at(Tensor::router_weight));
  };
  CHECK(read_with("_scale_inv", numbers({1, 1}, 0.5)) ==
        std::vector<double>{0.5, 224, 0x1p-10, -1, -0.0, 1.875});
  CHECK(read_with("_scale", numbers({3, 1}, 1)) == std::vector<double>{1, 448, 0x1p-8, -4, -0.0, 11.25});
  CHECK(
      error_of([&] {
        read_with("_scale", numbers({2, 2}, 1));
      }) ==
      path + ": " + name +
          "_scale: shape = [2,2] must be that of one scale, of one for each row, or of one for each block of "
          "128 by 128 of [3,2]");
  CHECK(error_of([&] { read_with("_other", numbers({1}, 1)); }) ==
        path + ": " + name + " is kept in 8 bits, and must have its scales beside it, " + name +
            "_scale_inv or " + name + "_scale");
}

TEST_CASE("checkpoint: a scale for each block of 128 by 128 numbers") {
  const Scratch folder;
  const std::string path = folder / "model.safetensors", name = kBlock + "gate.weight";
  const Config config = tiny({"shape.hidden_size=130", "shape.num_experts=129"});
  const std::vector<std::uint8_t> ones(129 * 130, 0x38);
  Arrays all{{kBlock + "experts.gate_up_proj", numbers({129, 6, 130}, 0)},
             {kBlock + "experts.down_proj", numbers({129, 130, 3}, 0)}};
  all.emplace_back(name, array_of({129, 130}, ones.data()));
  all.emplace_back(name + "_scale_inv", numbers({2, 2}, 1));
  write_in_8_bits(path, all);
  const Inputs got = checkpoint_weights(path, config, 5);
  const Array& w = got.at(Tensor::router_weight);
  CHECK((w.real(0) == 1 && w.real(127) == 1 && w.real(128) == 2));
  CHECK((w.real(128 * 130) == 3 && w.real(128 * 130 + 129) == 4));
}
