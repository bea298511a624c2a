#include <fstream>

#include "moe/json.h"
#include "run.h"

// The verbs about whole models.
using namespace moe;

namespace {

std::string config(const std::string& name) {
  return std::string(MOE_ROOT "/tests/sizing/configs/") + name + ".json";
}

/// The longest line of a text, in columns.
std::size_t width(const std::string& text) {
  std::size_t most = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) most = std::max(most, line.size());
  return most;
}

/// A changed copy of a released config.json in the folder.
std::string changed(const Scratch& folder, const Json& fields) {
  Json json = parse_json(read_text(config("mixtral-8x7b")), "config");
  json.update(fields);
  std::ofstream(folder / "config.json") << json.dump();
  return "./config.json";
}

}  // namespace

TEST_CASE("sizing: the README's model prints what the README shows") {
  const Done done = run(Scratch(), "count mixtral-8x7b");
  CHECK(done.code == 0);
  CHECK(read_text(MOE_ROOT "/README.md").find("```text\n" + done.out + "```") != std::string::npos);
}

TEST_CASE("sizing: the commands that README and help name work") {
  for (const std::string arguments :
       {"models", "models --verify", "models deepseek-v3", "count deepseek-v3",
        "flops deepseek-v3 --tokens 14.8T", "flops deepseek-v3 --ctx 4096 --tokens 14.8T",
        "memory gpt-oss-120b --expert-dtype mxfp4",
        "memory gpt-oss-120b --expert-dtype mxfp4 --ctx 131072"}) {
    CAPTURE(arguments);
    const Done done = run(Scratch(), arguments);
    CHECK(done.code == 0);
    CHECK(done.err.empty());
    CHECK(width(done.out) <= 80);
  }
  const Scratch folder;
  CHECK(run(folder, "count " + changed(folder, Json::object()) + " --json").code == 0);
}

TEST_CASE("sizing: help shows an example that runs") {
  for (const std::string verb : {"models", "count", "flops", "memory"}) {
    CAPTURE(verb);
    const std::string help = run(Scratch(), verb + " --help").out;
    const std::size_t at = help.find("Example: moe-oracle ");
    REQUIRE(at != std::string::npos);
    const std::string example = help.substr(at + 20, help.find_first_of(";\n", at) - at - 20);
    CHECK(run(Scratch(), example).code == 0);
  }
}

TEST_CASE("sizing: tables fit 80 columns and say what is exact") {
  for (const std::string model : {"deepseek-v3", "qwen3-next-80b-a3b", "minimax-text-01",
                                  "shazeer2017-moe-131072-h", "switch-xxl-64", "glm-5", "mixtral"})
    for (const std::string verb : {"count ", "flops ", "memory "}) {
      CAPTURE(model);
      CAPTURE(verb);
      const Done done = run(Scratch(), verb + model);
      CHECK(done.code == 0);
      CHECK(width(done.out) <= 80);
      CHECK(done.out.find("\nexact: ") != std::string::npos);
    }
}

TEST_CASE("sizing: lists say what is exact and what was printed by others") {
  for (const std::string arguments : {"models", "models kimi-k2"}) {
    CAPTURE(arguments);
    CHECK(run(Scratch(), arguments)
              .out.find("\nexact: total and active follow from the fields; official: as printed") !=
          std::string::npos);
  }
}

TEST_CASE("sizing: JSON holds the integers, whichever verb") {
  for (const std::string verb : {"count", "flops", "memory"}) {
    CAPTURE(verb);
    const Json json = json_of(verb + " mixtral-8x7b");
    CHECK(json["model"] == "mixtral-8x7b");
    CHECK(json["params"]["total"] == 46702792704);
    CHECK(json["params"]["active"]["full"] == 12879925248);
    CHECK(json["params"]["active"]["no_embed"] == 12748853248);
    CHECK(json["params"]["active"]["no_embed_head"] == 12617781248);
    CHECK(json["kind"] == "exact");
  }
  const Json v3 = json_of("flops deepseek-v3 --tokens 14.8T");
  CHECK(v3["flops_per_token"]["forward"]["total"] == 83483295744);
  CHECK(v3["flops_per_token"]["training"] == 250449887232);
  CHECK(v3["training_flops"] == 250449887232.0 * 14.8e12);
  CHECK(json_of("flops deepseek-v3 --full")["flops_per_token"]["forward"]["scores"] ==
        2 * v3["flops_per_token"]["forward"]["scores"].get<std::int64_t>());
  CHECK(json_of("flops deepseek-v3 --recompute full")["flops_per_token"]["hardware"] == 4 * 83483295744);
  const Json memory = json_of("memory mixtral-8x7b --ctx 100 --batch 3 --optimizer megatron18");
  CHECK(memory["weight_bytes"]["total"] == 2.0 * 46702792704);
  CHECK(memory["cache_bytes"]["kv_per_token"] == 131072.0);
  CHECK(memory["cache_bytes"]["total"] == 131072.0 * 300);
  CHECK(memory["training_bytes"]["total"] == 18.0 * 46702792704);
  CHECK(json_of("memory mixtral-8x7b --dtype q4_k_m")["kind"] == "model");
}

TEST_CASE("sizing: CSV has a head and a row for each part") {
  CHECK(run(Scratch(), "count mixtral-8x7b --csv").out ==
        "component,params,active,matmul\n"
        "embedding,131072000,131072000,0\n"
        "head,131072000,131072000,131072000\n"
        "attention,1342177280,1342177280,1342177280\n"
        "dense,0,0,0\n"
        "router,1048576,1048576,1048576\n"
        "shared,0,0,0\n"
        "routed,45097156608,11274289152,11274289152\n"
        "norms,266240,266240,0\n"
        "total,46702792704,12879925248,12748587008\n"
        "mtp,0,0,0\n");
  CHECK(run(Scratch(), "flops mixtral-8x7b --csv")
            .out.starts_with("component,forward,training\nembedding,0,0\nhead,262144000,786432000\n"));
  CHECK(run(Scratch(), "memory mixtral-8x7b --csv")
            .out.starts_with("part,dtype,bytes\nembedding,bf16,262144000\n"));
  const std::string models = run(Scratch(), "models --csv").out;
  CHECK(std::count(models.begin(), models.end(), '\n') == 61);
}

TEST_CASE("sizing: a released config.json is the model of the registry") {
  for (const std::string name : {"dbrx", "deepseek-v3", "gpt-oss-20b", "kimi-k2", "llama-4-scout",
                                 "mixtral-8x7b", "qwen3-30b-a3b", "qwen3-next-80b-a3b"}) {
    CAPTURE(name);
    const Json file = json_of("count " + config(name) + " --strict"), row = json_of("count " + name);
    CHECK(file["params"] == row["params"]);
    CHECK(file["components"] == row["components"]);
  }
}

TEST_CASE("sizing: the registry as JSON, and its verification") {
  const Json all = json_of("models");
  CHECK(all.size() == 60);
  const Json one = json_of("models switch-xxl-64");
  CHECK(one["reproducible"] == false);
  CHECK(one["official"]["total"] == 395e9);
  CHECK(one["fields"]["moe"]["num_experts"] == 64);
  const Done done = run(Scratch(), "models --verify");
  CHECK(done.code == 0);
  CHECK(done.out.find("erratum   kimi-k2: ") != std::string::npos);
  CHECK(
      done.out.ends_with("counted   60 models: 0 beyond their bounds, 9 with an error in what was\n          "
                         "published, 1 not reproducible\n"));
}

TEST_CASE(
    "sizing: a key that is not known warns, makes numbers approximate, and fails where strictness is asked "
    "for") {
  const Scratch folder;
  const std::string path = changed(folder, {{"num_super_experts", 3}});
  const std::string words =
      "./config.json: \"num_super_experts\" = 3 is not known and may hold parameters: not counted\n";
  for (const std::string verb : {"count ", "flops ", "memory "}) {
    const Done lax = run(folder, verb + path), strict = run(folder, verb + "--strict " + path);
    CHECK(lax.code == 0);
    CHECK(lax.err == "moe-oracle: warning: " + words);
    CHECK(has(lax.out, "approximate: the file says what is not understood: num_super_experts\n"));
    CHECK(strict.code == 2);
    CHECK(strict.out.empty());
    CHECK(strict.err == "moe-oracle: " + words);
    const Json json = parse_json(run(folder, verb + path + " --json").out, "stdout");
    CHECK(json["kind"] == "approximate");
    CHECK(json["unread"] == Json::array({"num_super_experts"}));
  }
}

TEST_CASE("sizing: a file is compared with the model that it resembles") {
  CHECK(run(Scratch(), "count " + config("kimi-k2")).out.find("registry  the same count as kimi-k2\n") !=
        std::string::npos);
  // The defaults of huggingface/transformers' OlmoeConfig, whose experts are twice as wide as those released.
  const Scratch folder;
  std::ofstream(folder / "olmoe.json")
      << R"({"model_type": "olmoe", "hidden_size": 2048, "intermediate_size": 2048, "vocab_size": 50304,
    "num_hidden_layers": 16, "num_attention_heads": 16, "num_experts": 64, "num_experts_per_tok": 8, "tie_word_embeddings": false})";
  CHECK(run(folder, "count ./olmoe.json")
            .out.find("registry  olmoe-1b-7b has the same D, E, K and number of layers, but") !=
        std::string::npos);
}

TEST_CASE("sizing: a path need not be text") {
  const Scratch folder;
  std::filesystem::copy(config("mixtral-8x7b"), folder / "a\xff.json");
  const Done done = run(folder, "count $(printf './a\\377.json') --json");
  CHECK(done.code == 0);
  CHECK(done.out.starts_with("{\n \"model\": \"mixtral of ./a\ufffd.json\""));
}

TEST_CASE("sizing: bad usage is exit 2 and one line") {
  for (const std::string arguments : {"count",
                                      "count nothing",
                                      "count mixtral-8x7b extra",
                                      "count mixtral-8x7b --json --csv",
                                      "count ./nothing.json",
                                      "models nothing",
                                      "models mixtral-8x7b --verify",
                                      "flops mixtral-8x7b --ctx -1",
                                      "flops mixtral-8x7b --ctx 1e3",
                                      "flops mixtral-8x7b --ctx ''",
                                      "flops mixtral-8x7b --causal --full",
                                      "flops mixtral-8x7b --recompute some",
                                      "flops mixtral-8x7b --tokens 3X",
                                      "flops mixtral-8x7b --tokens T",
                                      "flops mixtral-8x7b --tokens -1",
                                      "flops mixtral-8x7b --tokens 1e3",
                                      "memory mixtral-8x7b --dtype f3",
                                      "memory mixtral-8x7b --expert-dtype f3",
                                      "memory mixtral-8x7b --batch 0",
                                      "memory mixtral-8x7b --optimizer sgd"}) {
    CAPTURE(arguments);
    const Done done = run(Scratch(), arguments);
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
    CHECK(done.out.empty());
  }
  CHECK(run(Scratch(), "memory mixtral-8x7b --expert-dtype f3")
            .err.starts_with("moe-oracle: --expert-dtype = \"f3\" must be one of fp32, "));
}
