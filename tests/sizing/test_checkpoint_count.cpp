#include "../scratch.h"
#include "../support.h"
#include "moe/checkpoint_count.h"
#include "moe/safetensors.h"

using namespace moe;

namespace {

Array of_format(Format format, const Dims& dims) {
  std::size_t size = info_of(format).bytes;
  for (const Index n : dims) size *= static_cast<std::size_t>(n);
  return {format, dims, std::vector<std::byte>(size), {}};
}

CheckpointCount counted(const Arrays& arrays, std::int64_t layers = 0) {
  const Scratch folder;
  write_safetensors(folder / "m.safetensors", arrays);
  return count_checkpoint(folder / "m.safetensors", layers);
}

}  // namespace

TEST_CASE("checkpoint: scales of quantized weights do not count, parameters that are called scales do") {
  const Array four = of_format(Format::F32, {4});
  CHECK(counted({{"model.layers.0.mlp.up_proj.weight", of_format(Format::BF16, {4, 4})},
                 {"model.layers.0.mlp.up_proj.weight_scale_inv", four},
                 {"model.layers.0.self_attn.rotary_emb.inv_freq", four}})
            .total == 16);
  CHECK(counted({{"model.layers.0.post_mlp_residual_scale.hidden_states_scale", four}}).total == 4);
  CHECK(counted({{"model.layers.0.mlp.gate.router_states_scale", four}}).total == 4);
}

TEST_CASE("checkpoint: a byte of 4-bit blocks is two numbers, with scales of their own") {
  const CheckpointCount c =
      counted({{"model.layers.0.mlp.experts.down_proj_blocks", of_format(Format::U8, {2, 3, 4})},
               {"model.layers.0.mlp.experts.down_proj_scales", of_format(Format::U8, {2, 3})}});
  CHECK(c.total == 48);
  CHECK(c.parts[static_cast<std::size_t>(Component::Routed)] == 48);
}

TEST_CASE("checkpoint: packed integers are refused by name, tables of ids do not count") {
  for (const std::string name :
       {"a.mlp.up_proj.weight", "a.mlp.up_proj.qweight", "a.mlp.up_proj.weight_packed"}) {
    CAPTURE(name);
    std::string said;
    try {
      counted({{name, of_format(Format::U8, {4, 4})}});
    } catch (const Error& e) {
      said = e.what();
    }
    CHECK(said.find(name + " = U8 is packed into integers") != std::string::npos);
  }
  CHECK(counted({{"model.layers.0.mlp.gate.tid2eid", of_format(Format::I64, {5, 2})}}).total == 0);
}

TEST_CASE("checkpoint: layers beyond those of the model predict further tokens") {
  const Arrays two{{"model.layers.0.mlp.up_proj.weight", of_format(Format::BF16, {4, 4})},
                   {"model.layers.1.mlp.up_proj.weight", of_format(Format::BF16, {4, 4})}};
  CHECK(counted(two).total == 32);
  CHECK(counted(two, 1).total == 16);
  CHECK(counted(two, 1).beside == 16);
}
