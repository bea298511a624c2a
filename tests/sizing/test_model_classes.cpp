#include "../scratch.h"
#include "moe/checkpoint_count.h"
#include "moe/safetensors.h"
#include "sizing_support.h"

using namespace moe;

namespace {

const Json& classes() {
  static const Json all = sizing_json("classes.json").at("classes");
  return all;
}

/// The default config of a class with some fields replaced; null takes one away.
Json class_config(const std::string& type, const Json& fields) {
  for (const Json& row : classes()) {
    if (row["model_type"] != type) continue;
    Json json = row["config"];
    json.update(fields);
    return json;
  }
  throw Error(type, type + " is none of classes.json");
}

std::string fault_of(const std::string& type, const Json& fields) {
  return message_of([&] { count(model_from_huggingface(class_config(type, fields), "c.json").model); });
}

}  // namespace

TEST_CASE("model config: classes of transformers at their defaults are counted to the last parameter") {
  int equal = 0;
  for (const Json& row : classes()) {
    CAPTURE(row["model_type"].get<std::string>());
    // Its default leaves out how many experts a token has.
    if (row["model_type"] == "deepseek_v2") continue;
    const NamedModel named = model_from_huggingface(row["config"], "c.json");
    const bool same = count(named.model).total == row["params"].get<std::int64_t>();
    CHECK((same || !named.exact()));
    equal += same && named.exact() ? 1 : 0;
  }
  CHECK(equal ==
        81);  // the other is longcat_flash, whose class allots matrices to experts that compute nothing
}

TEST_CASE("model config: tiny models that transformers saved have what their configs say, part by part") {
  const Scratch folder;
  const Json saved = sizing_json("saved.json").at("checkpoints");
  CHECK(saved.size() == 77);
  for (const Json& row : saved) {
    CAPTURE(row["kind"].get<std::string>());
    Arrays tensors;
    for (const auto& [name, params] : row["tensors"].items()) {
      const auto n = params.get<Index>();
      tensors.emplace_back(
          name, Array{Format::BF16, {n}, std::vector<std::byte>(static_cast<std::size_t>(2 * n)), {}});
    }
    write_safetensors(folder / "m.safetensors", tensors);
    const CheckpointCount file = count_checkpoint(folder / "m.safetensors", 0);
    const ModelCount counted = count(model_from_huggingface(row["config"], "c.json").model);
    CHECK(counted.total == row["params"].get<std::int64_t>());
    // The head of Inkling's files has rows beyond those that the config says.
    const bool padded = row["config"].contains("unpadded_vocab_size");
    for (std::size_t c = 0; c < kComponents; ++c) {
      CAPTURE(name_of(static_cast<Component>(c)));
      if (!padded || static_cast<Component>(c) != Component::Head)
        CHECK(counted[static_cast<Component>(c)].params == file.parts[c]);
    }
  }
}

TEST_CASE("model config: families that have no dense model are refused without experts") {
  CHECK(fault_of(
            "jetmoe",
            {{"num_local_experts", nullptr}, {"num_experts_per_tok", nullptr}, {"num_attention_heads", 4}}) ==
        "c.json: must have experts, as all models of its model_type");
  const Json zaya{{"num_experts", nullptr}, {"num_experts_per_tok", nullptr}, {"intermediate_size", 4}};
  CHECK(fault_of("zaya", zaya) == "c.json: must have experts, as all models of its model_type");
  const Json others{{"n_routed_experts", nullptr},
                    {"num_local_experts", nullptr},
                    {"num_experts_per_tok", nullptr},
                    {"intermediate_size", 4},
                    {"mlp_layer_types", nullptr}};
  for (const char* type : {"deepseek_v4", "muse_spark_text"}) {
    CAPTURE(type);
    CHECK(fault_of(type, others) == "c.json: must have experts, as all models of its model_type");
  }
}

TEST_CASE("model config: what a family adds is counted in 64 bits, or refused") {
  // 2 (n + 2) n n D with n = 2^21 and D = 2^12 is 2^76 + 2^56: 2^56 where it is cut.
  CHECK(fault_of("deepseek_v4", {{"hc_mult", 1 << 21}}) ==
        "model: a count of its parameters, FLOPs or bytes must be below 2^63");
}

TEST_CASE("model config: layers without a window keep all where others have one") {
  const Json own{
      {"model_type", "mimo_v2_flash"}, {"hidden_size", 8},         {"vocab_size", 10},
      {"num_hidden_layers", 2},        {"num_attention_heads", 2}, {"head_dim", 4},
      {"num_key_value_heads", 1},      {"intermediate_size", 6},   {"moe_intermediate_size", 4},
      {"n_routed_experts", 4},         {"num_experts_per_tok", 2}, {"hybrid_layer_pattern", {0, 1}},
      {"sliding_window", 16}};
  const Model m = model_from_huggingface(own, "c.json").model;
  CHECK(kv_numbers_per_token(m) == 16);
  CHECK(kv_numbers_in_windows(m, 1000) == 8 * 1000 + 8 * 16);
}

TEST_CASE("model config: the class that saved a file says what head it has") {
  const auto as = [](const Json& architectures) {
    Json json = sizing_json("configs/mixtral-8x7b.json");
    json["architectures"] = architectures;
    return model_from_huggingface(json, "c.json");
  };
  const auto total = [&](const char* name) { return count(as({name}).model).total; };
  const std::int64_t head = 32000 * 4096;
  CHECK(total("MixtralModel") == total("MixtralForCausalLM") - head);
  CHECK(total("MixtralLMHeadModel") == total("MixtralForCausalLM"));
  CHECK(as({"MixtralModel"}).exact());
  CHECK(as(nullptr).exact());
  CHECK(as(Json::array()).exact());
  const NamedModel other = as({"MixtralForSequenceClassification"});
  CHECK_FALSE(other.exact());
  CHECK(other.unread == std::vector<std::string>{"architectures"});
}

TEST_CASE("model config: latent attention is of families that have it, and of those that are not known") {
  const auto with_rank = [](const char* type) {
    return model_from_huggingface(class_config("glm4_moe", {{"model_type", type},
                                                            {"kv_lora_rank", 16},
                                                            {"qk_nope_head_dim", 8},
                                                            {"qk_rope_head_dim", 8},
                                                            {"v_head_dim", 8}}),
                                  "c.json");
  };
  const auto is_latent = [](const NamedModel& m) {
    return std::holds_alternative<Mla>(m.model.mixers.at(0));
  };
  CHECK(is_latent(with_rank("glm4_moe_lite")));
  CHECK(is_latent(with_rank("unheard_of")));
  CHECK_FALSE(is_latent(with_rank("glm4_moe")));
  CHECK_FALSE(with_rank("glm4_moe").exact());
}

TEST_CASE("model config: what a family's class ignores changes no count, and what it has changes it") {
  const auto config = [](const char* name) { return sizing_json(std::string("configs/") + name + ".json"); };
  const auto changed = [&](const char* name, const Json& fields) {
    Json json = config(name);
    json.update(fields);
    return json;
  };
  const auto total = [](const Json& json) {
    return count(model_from_huggingface(json, "c.json").model).total;
  };
  CHECK(total(changed("mixtral-8x7b", {{"moe_intermediate_size", 7}})) == total(config("mixtral-8x7b")));
  // Biases of compressed queries, of compressed keys with their rotated part, and of the output.
  CHECK(total(changed("deepseek-v3", {{"attention_bias", true}})) ==
        total(config("deepseek-v3")) + 61 * (1536 + 512 + 64 + 7168));
  const Json beside{
      {"model_type", "x_vl"}, {"tie_word_embeddings", true}, {"text_config", config("mixtral-8x7b")}};
  CHECK(total(beside) == total(config("mixtral-8x7b")) - 32000 * 4096);
}
