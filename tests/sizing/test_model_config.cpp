#include <random>

#include "sizing_support.h"

using namespace moe;

namespace {

constexpr const char* kConfigs[] = {"dbrx",          "deepseek-v3",  "gpt-oss-20b",   "kimi-k2",
                                    "llama-4-scout", "mixtral-8x7b", "qwen3-30b-a3b", "qwen3-next-80b-a3b"};

Json config(const std::string& name) { return sizing_json("configs/" + name + ".json"); }

Model read(const Json& json) { return model_from_huggingface(json, "c.json").model; }

/// The config with some fields replaced; null takes one away.
Json changed(const std::string& name, const Json& fields) {
  Json json = config(name);
  json.update(fields);
  return json;
}

std::string error_with(const std::string& name, const Json& fields) {
  return message_of([&] { count(read(changed(name, fields))); });
}

std::vector<std::string> warnings_of(const Json& json) {
  return model_from_huggingface(json, "c.json").warnings;
}

/// Which layers have experts, as a string of 0 and 1.
std::string pattern(const Model& m) {
  std::string text;
  for (const Layer& layer : m.layers) text += layer.moe ? '1' : '0';
  return text;
}

/// The kinds of the layers' mixers as the indices of Mixer, - where there is none.
std::string kinds(const Model& m) {
  std::string text;
  for (const Layer& layer : m.layers)
    text += layer.mixer < 0 ? "-" : std::to_string(m.mixers[static_cast<std::size_t>(layer.mixer)].index());
  return text;
}

/// A small config of a family, to which fields are added.
Json small_config(const std::string& type, const Json& fields) {
  Json json{{"model_type", type},     {"hidden_size", 8},         {"vocab_size", 10},
            {"num_hidden_layers", 4}, {"num_attention_heads", 2}, {"intermediate_size", 6},
            {"num_experts", 4},       {"num_experts_per_tok", 2}, {"tie_word_embeddings", false}};
  json.update(fields);
  return json;
}

}  // namespace

TEST_CASE("model config: eight released files give the integers of their rows") {
  for (const char* name : kConfigs) {
    CAPTURE(name);
    CHECK(warnings_of(config(name)).empty());
    const ModelCount c = count(read(config(name)));
    const Json &want = expected_counts()[name], &parts = want["computed"];
    CHECK(c.total == want["total"]);
    CHECK(Json({c.active.full, c.active.no_embed, c.active.no_embed_head}) == want["active"]);
    CHECK(c.matmul == parts["mm"]);
    CHECK(c[Component::Attention].params == parts["attn"]);
    CHECK(c[Component::Router].params == parts["router"]);
    CHECK(c[Component::Shared].params == parts["shared"]);
    CHECK(c.mtp.params == parts.value("mtp", 0L));
  }
}

TEST_CASE("model config: one quantity goes by the names of many families") {
  const std::int64_t total = count(read(config("mixtral-8x7b"))).total;
  const auto renamed = [&](const char* from, const char* to) {
    Json json = config("mixtral-8x7b");
    json[to] = json[from];
    json.erase(from);
    return count(read(json)).total;
  };
  for (const char* name : {"num_experts", "n_routed_experts", "moe_num_experts"})
    CHECK(renamed("num_local_experts", name) == total);
  for (const char* name :
       {"num_experts_per_token", "experts_per_token", "moe_topk", "moe_top_k", "moe_k", "top_k_experts"})
    CHECK(renamed("num_experts_per_tok", name) == total);
  for (const char* name : {"moe_intermediate_size", "expert_ffn_hidden_size"})
    CHECK(renamed("intermediate_size", name) == total);
  CHECK(count(read({{"model_type", "x"}, {"text_config", config("mixtral-8x7b")}})).total == total);
  CHECK(count(read(changed("mixtral-8x7b", {{"num_experts_per_tok", {2, 2, 2}}}))).total == total);
}

TEST_CASE("model config: patterns of dense and sparse layers") {
  const auto with = [](const Json& fields) { return pattern(read(small_config("x", fields))); };
  CHECK(with(Json::object()) == "1111");
  CHECK(with({{"first_k_dense_replace", 1}}) == "0111");
  CHECK(with({{"first_k_dense_replace", 1}, {"moe_layer_freq", 2}}) == "0010");
  CHECK(with({{"moe_layer_freq", {0, 1, 0, 1}}}) == "0101");
  CHECK(with({{"decoder_sparse_step", 2}}) == "0101");
  CHECK(with({{"decoder_sparse_step", 1}, {"mlp_only_layers", {0, 3}}}) == "0110");
  CHECK(with({{"interleave_moe_layer_step", 2}}) == "0101");
  CHECK(with({{"expert_layer_period", 2}, {"expert_layer_offset", 0}}) == "1010");
  CHECK(with({{"moe_layer_start_index", 1}, {"moe_layer_end_index", 2}, {"moe_layer_interval", 1}}) ==
        "0110");
  CHECK(with({{"moe_layer_start_index", 1}, {"moe_layer_end_index", -1}}) == "0111");
  CHECK(with({{"mlp_layer_types", {"dense", "sparse", "sparse", "dense"}}}) == "0110");
  CHECK(with({{"moe_layers", {1, 3}}}) == "0101");
}

TEST_CASE("model config: patterns of attention and what stands in for it") {
  const Json mamba{{"attn_layer_period", 4}, {"attn_layer_offset", 2}};
  CHECK(kinds(read(small_config("jamba", mamba))) == "4404");
  CHECK(kinds(read(small_config("minimax_text_01", {{"attn_type_list", {0, 0, 0, 1}}}))) == "2220");
  const Json linear{{"full_attention_interval", 2},
                    {"linear_num_key_heads", 1},
                    {"linear_num_value_heads", 1},
                    {"linear_key_head_dim", 2},
                    {"linear_value_head_dim", 2}};
  CHECK(kinds(read(small_config("qwen3_next", linear))) == "3030");
  const Json nemotron{{"hybrid_override_pattern", "ME*-"},
                      {"mamba_num_heads", 2},
                      {"mamba_head_dim", 4},
                      {"ssm_state_size", 4}};
  CHECK(kinds(read(small_config("nemotron_h", nemotron))) == "5-0-");
  CHECK(pattern(read(small_config("nemotron_h", nemotron))) == "0100");
  CHECK(kinds(read(small_config("gpt_oss", {{"layer_types",
                                             {"sliding_attention", "full_attention", "sliding_attention",
                                              "full_attention"}}}))) == "0000");
}

TEST_CASE("model config: a rank of Mamba's step by itself, and sparse attention") {
  Json automatic = config("fields")["jamba-v0.1"];
  automatic["mamba_dt_rank"] = "auto";  // D / 16
  CHECK(count(read(automatic)).total == expected_counts()["jamba-v0.1"]["total"]);
  Json glm = config("deepseek-v3");
  glm.update(Json{{"model_type", "glm_moe_dsa"},
                  {"hidden_size", 6144},
                  {"vocab_size", 154880},
                  {"num_hidden_layers", 78},
                  {"num_attention_heads", 64},
                  {"q_lora_rank", 2048},
                  {"kv_lora_rank", 512},
                  {"qk_nope_head_dim", 192},
                  {"qk_rope_head_dim", 64},
                  {"v_head_dim", 256},
                  {"index_n_heads", 32},
                  {"index_head_dim", 128},
                  {"intermediate_size", 12288}});
  CHECK(count(read(glm)).total == expected_counts()["glm-5"]["total"]);
  CHECK(count(read(glm)).mtp.params == expected_counts()["glm-5"]["computed"]["mtp"]);
}

TEST_CASE("model config: the fields of other families give the integers of their rows") {
  const Json fields = config("fields");
  CHECK(fields.size() == 15);
  for (const auto& field : fields.items()) {
    const std::string& id = field.key();
    CAPTURE(id);
    const ModelCount c = count(read(field.value()));
    CHECK(c.total == expected_counts()[id]["total"]);
    CHECK(c.matmul == expected_counts()[id]["computed"]["mm"]);
    CHECK(c.mtp.params == expected_counts()[id]["computed"].value("mtp", 0L));
  }
}

TEST_CASE("model config: keys and values that layers share, and layers of two widths of heads") {
  const Json alone = small_config("hunyuan", Json::object());
  Json shared = alone;
  shared.update(Json{{"use_cla", true}, {"cla_share_factor", 2}});
  // Two of four layers have no keys and values of 8 x 2 x 4 each.
  CHECK(count(read(alone)).total - count(read(shared)).total == 2 * 2 * 64);
  CHECK(kv_numbers_per_token(read(alone)) == 2 * kv_numbers_per_token(read(shared)));
  Json windows = alone;
  windows.update(Json{{"hybrid_layer_pattern", {0, 1, 1, 1}}, {"swa_num_key_value_heads", 1}});
  CHECK(count(read(alone)).total - count(read(windows)).total == 3 * 2 * 32);
  const Json values = small_config("hunyuan", {{"head_dim", 4}, {"v_head_dim", 6}});
  CHECK(count(read(values)).total - count(read(alone)).total == 4 * (8 * 2 * 2 + 2 * 2 * 8));
}

TEST_CASE("model config: LongCat's layers are two, with one mixture beside them") {
  const Json fields{{"kv_lora_rank", 4},    {"qk_nope_head_dim", 2}, {"qk_rope_head_dim", 2},
                    {"v_head_dim", 2},      {"ffn_hidden_size", 6},  {"expert_ffn_hidden_size", 3},
                    {"zero_expert_num", 2}, {"num_layers", 4}};
  const Model m = read(small_config("longcat_flash", fields));
  CHECK(m.layers.size() == 8);
  CHECK(pattern(m) == "10101010");
  CHECK(count(m)[Component::Dense].params == 8 * 3 * 8 * 6);
  CHECK(count(m)[Component::Router].params == 4 * (8 + 1) * (4 + 2));
}

TEST_CASE("model config: LongCat-Flash uses as many parameters as it says, whatever it chooses") {
  const ModelCount c = count(read({{"model_type", "longcat_flash"},
                                   {"hidden_size", 6144},
                                   {"num_layers", 28},
                                   {"vocab_size", 131072},
                                   {"num_attention_heads", 64},
                                   {"q_lora_rank", 1536},
                                   {"kv_lora_rank", 512},
                                   {"qk_nope_head_dim", 128},
                                   {"qk_rope_head_dim", 64},
                                   {"v_head_dim", 128},
                                   {"ffn_hidden_size", 12288},
                                   {"expert_ffn_hidden_size", 2048},
                                   {"n_routed_experts", 512},
                                   {"zero_expert_num", 256},
                                   {"moe_topk", 12}}));
  // Its report: 560B, and 18.6B to 31.3B active, 27B on average, when 0 to 12, on average 8, of the chosen experts compute.
  const std::int64_t one = c.moe_layers * c.expert;
  CHECK(c.total / 1000000000 == 560);
  CHECK(c.active.no_embed / 100000000 == 313);
  CHECK((c.active.no_embed - 4 * one) / 100000000 == 271);
  CHECK((c.active.no_embed - 12 * one) / 100000000 == 186);
}

TEST_CASE("model config: encoders and decoders of Switch Transformer and NLLB") {
  const Json base{{"model_type", "switch_transformers"},
                  {"is_encoder_decoder", true},
                  {"d_model", 768},
                  {"d_kv", 64},
                  {"d_ff", 3072},
                  {"num_layers", 12},
                  {"num_decoder_layers", 12},
                  {"num_heads", 12},
                  {"num_experts", 128},
                  {"num_sparse_encoder_layers", 6},
                  {"num_sparse_decoder_layers", 6},
                  {"feed_forward_proj", "relu"},
                  {"vocab_size", 32128}};
  const ModelCount c = count(read(base)), row = count(find_published("switch-base-128-code")->model);
  CHECK(c.total == row.total);
  CHECK(c.active.full == row.active.full);
  CHECK(c.matmul == row.matmul);
  Json gated = base;
  gated.update(Json{{"feed_forward_proj", "gated-gelu"}, {"d_ff", 2048}});
  CHECK(count(read(gated)).total == count(find_published("switch-base-128")->model).total);
  const Json nllb{
      {"model_type", "nllb-moe"},      {"is_encoder_decoder", true}, {"d_model", 2048},
      {"encoder_layers", 24},          {"decoder_layers", 24},       {"encoder_attention_heads", 16},
      {"decoder_attention_heads", 16}, {"encoder_ffn_dim", 8192},    {"decoder_ffn_dim", 8192},
      {"encoder_sparse_step", 4},      {"decoder_sparse_step", 4},   {"num_experts", 128},
      {"vocab_size", 256206}};
  CHECK(count(read(nllb)).total / 100000000 == 545);  // published as NLLB-MoE-54.5B
  CHECK(count(read(nllb)).moe_layers == 12);
  Json other = nllb;
  other["model_type"] = "t5";
  CHECK(message_of([&] { read(other); }) ==
        "c.json: is_encoder_decoder = true is known of switch_transformers and nllb-moe only");
}

TEST_CASE("model config: what is wrong is one line that names the file, the key and the rule") {
  CHECK(error_with("mixtral-8x7b", {{"num_local_experts", nullptr}}) == "c.json: must have num_experts");
  CHECK(error_with("mixtral-8x7b", {{"hidden_size", nullptr}}) == "c.json: must have hidden_size");
  CHECK(error_with("mixtral-8x7b", {{"hidden_size", -4096}}) ==
        "c.json: hidden_size = -4096 must be a whole number in [1, 2147483647]");
  CHECK(error_with("mixtral-8x7b", {{"hidden_size", "4096"}}) ==
        "c.json: hidden_size = \"4096\" must be a whole number in [1, 2147483647]");
  CHECK(error_with("mixtral-8x7b", {{"vocab_size", 1e18}}) ==
        "c.json: vocab_size = 1e+18 must be a whole number in [1, 2147483647]");
  CHECK(error_with("mixtral-8x7b", {{"num_hidden_layers", 1000000}}) ==
        "c.json: num_hidden_layers = 1000000 must lie in [1, 1000]");
  CHECK(error_with("mixtral-8x7b", {{"num_experts", 16}}) ==
        "c.json: num_local_experts = 8 must equal num_experts = 16");
  CHECK(error_with("mixtral-8x7b", {{"num_experts_per_tok", 9}}) ==
        "c.json: num_experts_per_tok = 9 must not exceed num_local_experts = 8");
  CHECK(error_with("mixtral-8x7b", {{"tie_word_embeddings", 1}}) ==
        "c.json: tie_word_embeddings = 1 must be true or false");
  CHECK(error_with("mixtral-8x7b", {{"num_experts_per_tok", {2, 4}}}) ==
        "c.json: num_experts_per_tok = [2,4] must hold equal numbers");
  CHECK(error_with("mixtral-8x7b", {{"model_type", 7}}) == "c.json: model_type = 7 must be a string");
  CHECK(error_with("mixtral-8x7b", {{"mlp_layer_types", {"sparse"}}}) ==
        "c.json: mlp_layer_types = [\"sparse\"] must be a list of 32 elements, one a layer");
  CHECK(error_with("mixtral-8x7b", {{"first_k_dense_replace", 32}}) ==
        "c.json: num_local_experts = 8 has no meaning: by the other keys none of the layers has experts");
  CHECK(error_with("gpt-oss-20b", {{"experts_per_token", 8}}) ==
        "c.json: experts_per_token = 8 must equal num_experts_per_tok = 4");
  CHECK(error_with("qwen3-30b-a3b", {{"first_k_dense_replace", 1}}) ==
        "c.json: first_k_dense_replace = 1 and decoder_sparse_step must name the same layers; they do not on "
        "layer 0");
  CHECK(message_of([] { read(Json::array()); }) == "c.json: must be a JSON object");
  CHECK(message_of([] {
          count(read(small_config("x", {{"hidden_size", 2147483646},
                                        {"intermediate_size", 2147483647},
                                        {"num_experts", 2147483647}})));
        }) == "model: a count of its parameters, FLOPs or bytes must be below 2^63");
}

TEST_CASE("model config: a key that may hold parameters and is not known makes the count approximate") {
  const auto unread = [](const Json& fields) {
    return model_from_huggingface(changed("mixtral-8x7b", fields), "c.json").unread;
  };
  using Keys = std::vector<std::string>;
  CHECK(unread({{"rope_theta_local", 3}, {"router_aux_loss_coef", 0.1}, {"output_router_logits", true}}) ==
        Keys{});
  CHECK(unread({{"a_size", nullptr}, {"a_flag", false}, {"a_name", "x"}, {"a_ratio", 0.5}}) == Keys{});
  CHECK(unread({{"num_super_experts", 3}}) == Keys{"num_super_experts"});
  CHECK(unread({{"use_third_norm", true}, {"adapters", {{"rank", 8}}}}) ==
        Keys{"use_third_norm", "adapters"});
  CHECK(unread({{"model_type", "mixtral_9"}}) == Keys{"model_type"});
  const auto warned = warnings_of(changed("mixtral-8x7b", {{"num_super_experts", 3}}));
  REQUIRE(warned.size() == 1);
  CHECK(warned[0] == "c.json: \"num_super_experts\" = 3 is not known and may hold parameters: not counted");
}

namespace {

/// One random edit of a document: a value replaced, a key taken away or renamed, or text changed that may no longer parse.
void edit(Json& json, std::mt19937& dice) {
  const Json values[] = {nullptr,
                         -1,
                         0,
                         1,
                         3,
                         2147483647,
                         2147483648,
                         9223372036854775807,
                         1e300,
                         0.5,
                         true,
                         false,
                         "",
                         "auto",
                         "x",
                         Json::array(),
                         Json::array({1}),
                         Json::array({0, 1}),
                         Json::object(),
                         "sparse",
                         "noaux_tc"};
  const char* keys[] = {"num_experts",
                        "n_routed_experts",
                        "moe_layer_freq",
                        "layer_types",
                        "attn_type_list",
                        "use_cla",
                        "kv_lora_rank",
                        "hybrid_override_pattern",
                        "full_attention_interval",
                        "attn_layer_period",
                        "mlp_only_layers",
                        "moe_latent_size",
                        "index_n_heads",
                        "num_nextn_predict_layers",
                        "text_config",
                        "moe_layer_interval",
                        "hybrid_layer_pattern",
                        "expert_layer_period",
                        "n_shared_experts",
                        "v_head_dim"};
  Json* at = &json;
  if (json.contains("text_config") && json["text_config"].is_object() && dice() % 8 != 0)
    at = &json["text_config"];
  if (dice() % 3 == 0 || at->empty()) {
    (*at)[keys[dice() % std::size(keys)]] = values[dice() % std::size(values)];
    return;
  }
  auto it = at->begin();
  std::advance(it, dice() % at->size());
  if (dice() % 3 == 0)
    at->erase(it.key());
  else
    *it = values[dice() % std::size(values)];
}

}  // namespace

TEST_CASE("model config: random edits of released files are models or errors of one line, nothing else") {
  int models = 0, errors = 0;
  for (const char* name : kConfigs)
    for (unsigned seed = 0; seed < 500; ++seed) {
      CAPTURE(name);
      CAPTURE(seed);
      std::mt19937 dice(seed);
      Json json = config(name);
      for (auto edits = 1 + dice() % 3; edits > 0; --edits) edit(json, dice);
      std::string text = json.dump();
      if (dice() % 4 == 0) text[dice() % text.size()] = static_cast<char>(dice() % 256);
      try {
        const Model m = read(parse_json(text, "c.json"));
        const ModelCount c = count(m);
        CHECK(c.total >= c.active.full);
        CHECK(c.active.no_embed_head > 0);
        CHECK(flops(m, 4096).forward_total > 0);
        ++models;
      } catch (const Error& e) {
        const std::string line = e.what();
        CHECK(!line.empty());
        CHECK(line.find('\n') == std::string::npos);
        ++errors;
      }
    }
  CHECK(models > 400);
  CHECK(errors > 400);
}
