#include "moe/presets.h"
#include "support.h"

using namespace moe;

TEST_CASE("presets: by name, each with a source and the default shape") {
  CHECK(
      preset_names() ==
      "dense, shazeer2017, gshard, switch, expert_choice, mixtral, deepseek_v3, deepseek_v4, llama4, "
      "longcat_flash, gpt_oss, qwen2_moe, qwen3_next, olmoe, jamba, phimoe, ernie4_5, glm4_moe, lfm2_moe, "
      "minimax_m2, nemotron_h, cohere2_moe, jetmoe, axk1, gemma4, kolibri1, minimax_m3, muse_spark, inkling, "
      "inkling2, megatron_dsv3, torchtitan, vmoe, tutel, deepspeed_top2, deepspeed_top1, fairscale, "
      "fastmoe_switch, "
      "base_layers, deepseek_v4_hash, megablocks");
  CHECK(find_preset("nothing") == nullptr);
  for (const Preset& preset : presets()) {
    const bool by_paper = preset.source.find("arXiv") != std::string::npos;
    CHECK((by_paper || preset.source.find('/') != std::string::npos));  // or by the code of somebody
    CHECK(preset.config.shape.num_tokens == 16);
    CHECK(preset.config.shape.hidden_size == 32);
    CHECK(preset.config.shape.ffn_size == 64);
  }
}

TEST_CASE(
    "presets: Switch drops what floor(1.25 T / E) leaves no place for, and at least one place there is") {
  CHECK(capacity_of(find_preset("switch")->config) == 2);
  CHECK(capacity_of(small("switch", {"shape.num_tokens=1"})) == 1);
  CHECK(capacity_of(small("switch", {"shape.num_tokens=10"})) == 3);
}
