#include <doctest/doctest.h>

#include "../sizing/sizing_support.h"
#include "moe/safetensors.h"
#include "run.h"

// The verbs about whole models, as files store them, on many devices, and beside checkpoints.
using namespace moe;

namespace {

const std::string kSmall =
    R"({"model_type": "mixtral", "hidden_size": 8, "vocab_size": 10, "num_hidden_layers": 2,
  "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6, "num_local_experts": 4,
  "num_experts_per_tok": 2, "tie_word_embeddings": false})";

Array zeros_of(const Dims& dims) {
  Index size = 1;
  for (const Index n : dims) size *= n;
  const std::vector<double> values(static_cast<std::size_t>(size), 0.0);
  return array_of(dims, values.data());
}

/// The tensors of that model, as Hugging Face names them.
Arrays tensors_of_small() {
  Arrays all{{"model.embed_tokens.weight", zeros_of({10, 8})},
             {"lm_head.weight", zeros_of({10, 8})},
             {"model.norm.weight", zeros_of({8})}};
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"})
      all.emplace_back(layer + norm, zeros_of({8}));
    all.emplace_back(layer + "self_attn.q_proj.weight", zeros_of({8, 8}));
    all.emplace_back(layer + "self_attn.k_proj.weight", zeros_of({4, 8}));
    all.emplace_back(layer + "self_attn.v_proj.weight", zeros_of({4, 8}));
    all.emplace_back(layer + "self_attn.o_proj.weight", zeros_of({8, 8}));
    all.emplace_back(layer + "block_sparse_moe.gate.weight", zeros_of({4, 8}));
    for (int e = 0; e < 4; ++e)
      for (const std::string w : {"w1", "w3", "w2"})
        all.emplace_back(layer + "block_sparse_moe.experts." + std::to_string(e) + '.' + w + ".weight",
                         w == "w2" ? zeros_of({8, 6}) : zeros_of({6, 8}));
  }
  return all;
}

/// Bytes of weights of Mixtral's config with this quantization_config.
double weight_bytes(const std::string& quantization) {
  const Scratch folder;
  Json json = sizing_json("configs/mixtral-8x7b.json");
  json["quantization_config"] = parse_json(quantization, "test");
  write(folder / "config.json", print_json(json));
  const Done done = run(folder, "memory ./config.json --json");
  CAPTURE(quantization);
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  return parse_json(done.out, "stdout")["weight_bytes"]["total"].get<double>();
}

}  // namespace

TEST_CASE("memory: weights are stored as was published, or as the file says, unless the options do") {
  CHECK(json_of("memory gpt-oss-120b")["weight_bytes"]["total"] == 65190340224.0);
  CHECK(json_of("memory gpt-oss-120b --dtype bf16")["weight_bytes"]["total"] == 2.0 * 116829156672);
  const double attention = 1342177280, routed = 45097156608, rest = 46702792704 - attention - routed;
  const auto near = [](double x, double y) { return std::abs(x - y) <= 1; };
  CHECK(near(weight_bytes(R"({"quant_method": "fp8"})"), 2 * rest + attention + routed));
  CHECK(near(weight_bytes(R"({"quant_method": "fp8", "weight_block_size": [128, 128]})"),
             2 * rest + (attention + routed) * (8 + 32.0 / 16384) / 8));
  CHECK(near(weight_bytes(R"({"quant_method": "awq", "bits": 4, "group_size": 128})"),
             2 * rest + (attention + routed) * (4 + 20.0 / 128) / 8));
  CHECK(near(weight_bytes(R"({"quant_method": "gptq", "bits": 4, "group_size": -1,
                              "modules_to_not_convert": ["self_attn"]})"),
             2 * (rest + attention) + routed / 2));
  CHECK(near(weight_bytes(R"({"quant_method": "mxfp4"})"), 2 * (rest + attention) + routed * 4.25 / 8));
  CHECK(near(weight_bytes(R"({"quant_method": "bitsandbytes", "load_in_4bit": true})"),
             2 * rest + (attention + routed) * 4.5 / 8));
  CHECK(near(weight_bytes(R"({"quant_method": "compressed-tensors", "ignore": ["lm_head"],
                              "format": "nvfp4-pack-quantized", "config_groups": {"group_0": {"weights":
                              {"num_bits": 4, "type": "float", "group_size": 16}}}})"),
             2 * rest + (attention + routed) * 4.5 / 8));
}

TEST_CASE("memory: a quantization that is not known is refused by its name") {
  const Scratch folder;
  Json json = sizing_json("configs/mixtral-8x7b.json");
  json["quantization_config"] = {{"quant_method", "q17"}};
  write(folder / "config.json", print_json(json));
  const Done done = run(folder, "memory ./config.json");
  CHECK(done.code == 2);
  CHECK(is_one_line(done.err));
  CHECK(has(done.err, "./config.json: quantization_config: quant_method = \"q17\" must be one of fp8, "));
}

TEST_CASE("memory: layers with a window keep no more than that where they are taken as configured") {
  const Scratch folder;
  Json json = sizing_json("configs/mixtral-8x7b.json");
  json["sliding_window"] = 1000;
  write(folder / "config.json", print_json(json));
  const auto cache = [&](const std::string& options) -> double {
    const Done done = run(folder, "memory ./config.json --json " + options);
    REQUIRE(done.code == 0);
    return parse_json(done.out, "stdout")["cache_bytes"]["total"].get<double>();
  };
  CHECK(cache("--ctx 4000") == 131072.0 * 4000);
  CHECK(cache("--ctx 4000 --window as-configured") == 131072.0 * 1000);
  CHECK(cache("--ctx 500 --window as-configured") == 131072.0 * 500);
  CHECK(run(folder, "memory ./config.json --window half").err ==
        "moe-oracle: --window = \"half\" must be full or as-configured\n");
}

TEST_CASE(
    "memory: a list that names modules of layers, and attention that is not wholly counted, are no longer "
    "exact") {
  const Scratch folder;
  Json json = sizing_json("configs/mixtral-8x7b.json");
  json["quantization_config"] = {{"quant_method", "fp8"},
                                 {"ignored_layers", {"model.layers.0.self_attn.q_proj"}}};
  write(folder / "config.json", print_json(json));
  CHECK(parse_json(run(folder, "memory ./config.json --json").out, "stdout")["kind"] == "model");
  CHECK(json_of("count deepseek-v4-flash")["kind"] == "exact");
  for (const std::string verb : {"memory ", "flops "}) {
    CHECK(json_of(verb + "deepseek-v4-flash")["kind"] == "model");
    CHECK(has(run(Scratch(), verb + "deepseek-v4-flash").out,
              "model     keys and values are counted as if no layer compressed them\n"));
    CHECK(json_of(verb + "gemma-4-26b")["kind"] == "exact");
  }
}

TEST_CASE("memory: devices that share a model have their parts, and what does not divide is named") {
  const Json one = json_of("memory deepseek-v3")["deployment"];
  CHECK(one["devices"] == 1);
  CHECK(one["fullest"]["params"]["total"] == 671026419200);
  const std::string split = "memory deepseek-v3 --tp 8 --pp 4 --ep 32 --dp 8 --zero 1";
  const Json many = json_of(split)["deployment"];
  CHECK(many["devices"] == 256);
  CHECK(many["fullest"]["weight_bytes"]["total"] > many["emptiest"]["weight_bytes"]["total"]);
  // The last stage has 16 layers, each with 256 / 32 experts.
  CHECK(many["fullest"]["weight_bytes"]["routed"] == 2.0 * 16 * 8 * 3 * 7168 * 2048);
  CHECK(has(run(Scratch(), split).out, "256 devices: tp 8, pp 4, ep 32, etp 1, dp 8, cp 1, ZeRO 1\n"));
  CHECK(run(Scratch(), "memory deepseek-v3 --tp 3").err == "moe-oracle: --tp = 3 must divide heads = 128\n");
  CHECK(run(Scratch(), "memory deepseek-v3 --zero 4").code == 2);
  const Done uneven = run(Scratch(), "memory mixtral-8x7b --tp 64");
  CHECK(uneven.out.empty());
  CHECK(uneven.err == "moe-oracle: --tp = 64 must divide heads = 32\n");
  CHECK(run(Scratch(), "memory mixtral-8x7b --dp 1048576 --cp 1048576").code == 2);
  CHECK(run(Scratch(), "memory mixtral-8x7b --tp 2 --csv").code == 2);
  CHECK(run(Scratch(), "memory mixtral-8x7b --batch 2147483647 --ctx 1099511627776").err ==
        "moe-oracle: --batch = 2147483647 times --ctx = 1099511627776 must take less than 2^63 bytes of "
        "cache\n");
}

TEST_CASE("memory: activations of layers with experts, and experts in the memory of the host") {
  const Json mixtral = json_of("memory mixtral-8x7b --batch 2 --ctx 1024");
  const Json& activations = mixtral["activation_bytes"];
  CHECK(activations["tokens"] == 2048);
  CHECK(activations["rows"] == 4096.0);
  CHECK(activations["input"] == 2048.0 * 4096 * 2);
  CHECK(activations["routed"] == 4096.0 * (2 * 4096 + 3 * 14336) * 2);
  CHECK(activations["layers"] == 32);
  const std::string full = "memory mixtral-8x7b --batch 2 --ctx 1024 --recompute full --load-factor 2";
  CHECK(json_of(full)["activation_bytes"]["rows"] == 8192.0);
  CHECK(json_of(full)["activation_bytes"]["layer"] == 2048.0 * 4096 * 2);
  CHECK(!json_of("memory llama-3.1-8b").contains("activation_bytes"));
  CHECK(run(Scratch(), "memory mixtral-8x7b --recompute half").err ==
        "moe-oracle: --recompute = \"half\" must be one of none, selective, full\n");
  CHECK(run(Scratch(), "memory mixtral-8x7b --load-factor 9").err ==
        "moe-oracle: --load-factor = 9 must lie in [1, experts = 8]\n");

  constexpr double expert = 32.0 * 3 * 4096 * 14336 * 2;  // of all layers
  const Json four = json_of("memory mixtral-8x7b --offload 4")["offload"];
  CHECK(four["host_bytes"] == 4 * expert);
  const auto near = [](const Json& x, double y) { return std::abs(x.get<double>() / y - 1) < 1e-12; };
  CHECK(near(four["bytes_per_token"], expert));  // half of the two that a token uses
  CHECK(near(json_of("memory mixtral-8x7b --offload 4 --batch 2")["offload"]["bytes_per_token"],
             3.5 / 2 * expert / 2));
  CHECK(json_of("memory mixtral-8x7b --offload 30GB")["offload"]["experts"] == 3);  // 11.3 GB each
  CHECK(json_of("memory mixtral-8x7b --offload 10GiB")["offload"]["experts"] == 1);
  CHECK(has(run(Scratch(), "memory mixtral-8x7b --offload 4").out, "link, for each token"));
  for (const std::string bad : {"9", "-1", "1e400GB", "nanGB", "100", "4 experts", "91GB", "GB"}) {
    CAPTURE(bad);
    const Done done = run(Scratch(), "memory mixtral-8x7b --offload '" + bad + "'");
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
    CHECK(done.out.empty());
  }
  CHECK(run(Scratch(), "memory llama-3.1-8b --offload 1").err ==
        "moe-oracle: --offload needs a model with experts\n");
}

TEST_CASE("roofline: of many devices, of weights as stored, and over a link") {
  const auto first = [](const std::string& options) {
    return json_of("roofline mixtral-8x7b " + options)["decode"][0];
  };
  CHECK(first("")["limit"] == "memory");
  CHECK(json_of("roofline mixtral-8x7b")["largest_batch"] == 0);
  const std::string no_cache = "roofline mixtral-8x7b --tp 8 --etp 8 --ctx 0";
  CHECK(!json_of(no_cache).contains("largest_batch"));  // nothing grows with the batch
  CHECK(!has(run(Scratch(), no_cache).out, "sequences.\n"));
  // 80 GB less an eighth of the weights, and 131,072 / 8 bytes of cache for each of 4,096 tokens.
  const double whole = 32 * 8 * 4096 + 65 * 4096, weights = 2 * ((46702792704.0 - whole) / 8 + whole);
  const double most = json_of("roofline mixtral-8x7b --tp 8 --etp 8")["largest_batch"].get<double>();
  CHECK(std::abs(most - (80e9 - weights) / (16384 * 4096)) < 2);
  CHECK(has(run(Scratch(), "roofline mixtral-8x7b --tp 8 --etp 8").out,
            "hold the caches of a batch of\nup to 1,018 sequences.\n"));
  // A router is on every device, and a head of two for keys.
  const double speedup =
      first("--tp 8 --etp 8")["tokens/s"].get<double>() / first("")["tokens/s"].get<double>();
  CHECK(speedup > 7.9);
  CHECK(speedup < 8);
  CHECK(json_of("roofline mixtral-8x7b --tp 8 --etp 8")["deployment"]["devices"] == 8);
  CHECK(has(run(Scratch(), "roofline mixtral-8x7b --tp 8 --etp 8").out, "8 devices: tp 8, pp 1"));
  const std::string off = "--offload 4 --link 1G";
  CHECK(first(off)["limit"] == "link");
  const double expected = 1e9 / (32.0 * 3 * 4096 * 14336 * 2);
  CHECK(std::abs(first(off)["tokens/s"].get<double>() / expected - 1) < 1e-12);
  CHECK(json_of("roofline mixtral-8x7b " + off)["offload"]["bytes_per_token"] ==
        json_of("memory mixtral-8x7b --offload 4")["offload"]["bytes_per_token"]);
  // 93.4 GB in all, 67.6 of them in the memory of the host
  CHECK(json_of("roofline mixtral-8x7b --hw rtx-4090 --offload 6 --link 25G")["devices"] == 2);
  CHECK(run(Scratch(), "roofline mixtral-8x7b --offload 4").err ==
        "moe-oracle: --link must be given with --offload\n");
  CHECK(json_of("roofline gpt-oss-120b --dtype stored")["devices"] == 1);  // 65.2 GB
  CHECK(json_of("roofline gpt-oss-120b")["devices"] == 3);
  CHECK(run(Scratch(), "roofline mixtral-8x7b --tp 3").code == 2);
}

TEST_CASE("flops: each device does its part") {
  const Json many = json_of("flops deepseek-v3 --tp 8 --pp 4 --ep 32 --dp 8 --nodes 4");
  CHECK(many["deployment"]["devices"] == 256);
  // A token's eight experts of 16 layers, over the 64 devices of a stage.
  CHECK(many["deployment"]["busiest"]["forward"]["routed"] == 2.0 * 16 * 8 * 3 * 7168 * 2048 / 64);
  CHECK(many["all_to_all"]["ep"] == 32);
  CHECK(!json_of("flops deepseek-v3 --ep 64").contains("deployment"));
  CHECK(has(run(Scratch(), "flops deepseek-v3 --tp 8 --pp 4").out, "32 devices: tp 8, pp 4"));
  CHECK(run(Scratch(), "flops deepseek-v3 --tp 3").err == "moe-oracle: --tp = 3 must divide heads = 128\n");
  CHECK(run(Scratch(), "flops deepseek-v3 --tp 8 --csv").code == 2);
}

TEST_CASE("flops: what experts on several devices send is said by copies, and by dtype") {
  const Json sent = json_of("flops deepseek-v3 --ep 64 --nodes 8 --dispatch-dtype fp8")["all_to_all"];
  CHECK(sent["layers"] == 58);
  CHECK(sent["assignments"]["copies"] == 8.0);
  CHECK(sent["assignments"]["combine_bytes"] == 8.0 * 2 * 7168);
  CHECK(sent["assignments"]["dispatch_bytes"] == 8 * (7168 * (8 + 32.0 / 16384) / 8));
  CHECK(sent["nodes"]["copies"].get<double>() < 5.3);
  CHECK(!json_of("flops deepseek-v3").contains("all_to_all"));
  CHECK(has(run(Scratch(), "flops deepseek-v3 --ep 64 --nodes 8").out, "device that has one"));
  const Done uneven = run(Scratch(), "flops deepseek-v3 --ep 7");
  CHECK(uneven.out.empty());
  CHECK(uneven.err == "moe-oracle: --ep = 7 must divide experts = 256\n");
  CHECK(run(Scratch(), "flops llama-3.1-8b --ep 8").err == "moe-oracle: --ep needs a model with experts\n");
  CHECK(run(Scratch(), "flops deepseek-v3 --ep 8 --csv").code == 2);
  CHECK(run(Scratch(), "flops deepseek-v3 --ep 8 --combine-dtype f3")
            .err.starts_with("moe-oracle: --combine-dtype = \"f3\" must be one of "));
}

TEST_CASE("count: a checkpoint is counted by its headers, and named where a config differs from it") {
  const Scratch folder;
  write(folder / "config.json", kSmall);
  const Arrays all = tensors_of_small();
  write_safetensors(folder / "model.safetensors", all);
  const Json total = parse_json(run(folder, "count ./config.json --json").out, "o")["params"]["total"];
  const Json counted = parse_json(run(folder, "count model.safetensors --json").out, "o");
  CHECK(counted["params"]["total"] == total);
  CHECK(counted["components"]["routed"] == 2 * 4 * 3 * 48);
  CHECK(counted["components"]["router"] == 2 * 32);
  const Done equal = run(folder, "count ./config.json --against model.safetensors");
  CHECK(equal.code == 0);
  CHECK(has(equal.out, "equal, to the last parameter\n"));

  // In two files with an index: a bias that the config does not have, and a tower that is not counted.
  const Arrays more{{"model.layers.1.self_attn.q_proj.bias", zeros_of({8})},
                    {"visual.patch.weight", zeros_of({3, 3})}};
  write_safetensors(folder / "more.safetensors", more);
  Json index{{"weight_map", Json::object()}};
  for (const auto& [name, array] : all) index["weight_map"][name] = "model.safetensors";
  for (const auto& [name, array] : more) index["weight_map"][name] = "more.safetensors";
  write(folder / "model.safetensors.index.json", print_json(index));
  const std::string against = "count ./config.json --against model.safetensors.index.json";
  const Done differs = run(folder, against + " --json");
  CHECK(differs.code == 1);
  const Json said = parse_json(differs.out, "o");
  CHECK(said["checkpoint"]["total"] == total.get<std::int64_t>() + 8);
  CHECK(said["checkpoint"]["beside"] == 9);
  REQUIRE(said["differs"].size() == 1);
  CHECK(said["differs"][0]["component"] == "attention");
  CHECK(has(run(folder, against).out, "model.layers.*.self_attn.q_proj.bias"));
  CHECK(run(folder, "count nothing.safetensors").code == 2);
}

TEST_CASE("count: an index without its files says the number that it has") {
  const Scratch folder;
  write(folder / "model.safetensors.index.json",
        R"({"metadata": {"total_parameters": 1234}, "weight_map": {"a": "model-1.safetensors"}})");
  CHECK(parse_json(run(folder, "count model.safetensors.index.json --json").out, "o")["params"]["total"] ==
        1234);
}
