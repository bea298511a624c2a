#include "sizing_support.h"

using namespace moe;

namespace {

struct Named {
  const char* name;
  Component component;
};
constexpr Named kParts[] = {{"embed", Component::Embedding},     {"head", Component::Head},
                            {"attn", Component::Attention},      {"dense_ffn", Component::Dense},
                            {"shared", Component::Shared},       {"router", Component::Router},
                            {"routed_total", Component::Routed}, {"norms", Component::Norms}};

}  // namespace

TEST_CASE("registry: every model is counted to the integer") {
  const Json& expected = expected_counts();
  CHECK(published_models().size() == 60);
  CHECK(expected.size() == 60);
  for (const Published& p : published_models()) {
    CAPTURE(p.id);
    REQUIRE(expected.contains(p.id));
    const Json &want = expected[p.id], &parts = want["computed"];
    const ModelCount c = count(p.model);
    CHECK(c.total == want["total"]);
    CHECK(Json({c.active.full, c.active.no_embed, c.active.no_embed_head}) == want["active"]);
    for (const Named& part : kParts) {
      CAPTURE(part.name);
      CHECK(c[part.component].params == parts[part.name]);
    }
    CHECK(c[Component::Routed].active == parts["routed_active"]);
    if (parts.contains("mtp")) CHECK(c.mtp.params == parts["mtp"]);
    if (parts.contains("mtp")) CHECK(c.mtp.active == parts["mtp_active"]);
    CHECK((c.mtp.params > 0) == parts.contains("mtp"));
    // The script leaves the gates of the three largest models of 2017 out of what is multiplied; the paper counts them.
    const bool without_gates = p.model.moe->run_branches > 0;
    CHECK(c.matmul - (without_gates ? c[Component::Router].matmul : 0) == parts["mm"]);
  }
}

TEST_CASE("registry: FLOPs, caches and sizes derived from the counts") {
  int rows = 0;
  for (const Published& p : published_models()) {
    if (!expected_counts()[p.id].contains("derived")) continue;
    CAPTURE(p.id);
    const Json& want = expected_counts()[p.id]["derived"];
    const ModelCount c = count(p.model);
    const ModelFlops f = flops(p.model, 4096);
    CHECK(c.moe_layers == want["n_moe_layers"]);
    CHECK(c.expert == want["params_per_expert"]);
    CHECK(flops(p.model, 0).forward_total == want["flops_fwd_per_token_no_attn"]);
    CHECK(score_flops_per_context(p.model) == want["attn_flops_per_token_per_ctx"]);
    CHECK(f.forward_total == want["flops_fwd_per_token_ctx4096_causal"]);
    CHECK(f.training == want["flops_train_per_token_ctx4096_causal"]);
    CHECK(2 * kv_numbers_per_token(p.model) == want["kv_bytes_per_token_bf16"]);
    const auto near = [](double got, const Json& rounded, double half) {
      return std::abs(got - rounded.get<double>()) <= half;
    };
    CHECK(near(bytes_of(c.total, weight_format("bf16")) / 0x1p30, want["weights_gib_bf16"], 0.00501));
    CHECK(near(static_cast<double>(c.total) * 18 / 0x1p30, want["train_state_gib_18B_per_param"], 0.0501));
    const double six = 100 * (6 * static_cast<double>(c.active.full) / static_cast<double>(f.training) - 1);
    CHECK(near(six, want["six_N_active_error_pct"], 0.00501));
    ++rows;
  }
  CHECK(rows == 38);
}

TEST_CASE("registry: the printed numbers are as far off as they should be, and within their bounds") {
  for (const Published& p : published_models()) {
    CAPTURE(p.id);
    const Deviation d = deviation_of(p);
    const Json& want = expected_counts()[p.id]["deviation_percent"];
    CHECK(std::abs(d.total - want[0].get<double>()) <= 0.000501);
    REQUIRE(d.active.has_value() == !want[1].is_null());
    if (d.active) CHECK(std::abs(*d.active - want[1].get<double>()) <= 0.000501);
    CHECK(d.within);
    CHECK(!p.config_source.empty());
    CHECK(!p.official_source.empty());
  }
}

TEST_CASE("registry: a model that drifts is beyond its bounds") {
  for (const Published& p : published_models()) {
    CAPTURE(p.id);
    Published changed = p;
    changed.model.moe->num_experts *= 4;
    CHECK(!deviation_of(changed).within);
    if (!p.active) continue;
    changed = p;
    changed.active = 1.3 * *p.active;
    CHECK(!deviation_of(changed).within);
  }
}

TEST_CASE("registry: what is wrong in what was published is told in a sentence") {
  for (const std::string id : {"switch-xxl-64", "switch-large-128", "kimi-k2", "glm-4.5-air", "glm-5",
                               "gshard-2048e-36l", "gshard-2048e-12l", "grok-1", "deepseek-v3"}) {
    CAPTURE(id);
    CHECK(find_published(id)->erratum.ends_with('.'));
  }
  CHECK(!find_published("switch-xxl-64")->reproducible);
  CHECK(deviation_of(*find_published("switch-xxl-64")).total < -49);
  CHECK(find_published("switch-xxl-128")->reproducible);
}

TEST_CASE("registry: the multiply-adds of the models of 2017 round to what was printed") {
  // Printed in millions with one decimal; two of the seven are cut there instead.
  int models = 0;
  for (const Published& p : published_models()) {
    if (!p.multiply_adds) continue;
    CAPTURE(p.id);
    CHECK(std::abs(static_cast<double>(count(p.model).matmul) - *p.multiply_adds) < 100000);
    ++models;
  }
  CHECK(models == 7);
  CHECK(count(find_published("shazeer2017-moe-131072-h")->model).matmul == 9699328);
}

TEST_CASE("registry: FLOPs of training and with recompute") {
  const Model& m = find_published("deepseek-v3")->model;
  const ModelFlops none = flops(m, 4096), selective = flops(m, 4096, Span::Causal, Recompute::Selective),
                   full = flops(m, 4096, Span::Causal, Recompute::Full);
  CHECK(none.hardware == none.training);
  CHECK(selective.hardware == none.training + none.scores);
  CHECK(full.hardware == 4 * none.forward_total);
  CHECK(flops(m, 4096, Span::Full).scores == 2 * none.scores);
  // The full-attention convention at a published length: 83.483e9 FLOPs a token at 4096.
  CHECK(none.forward_total / 1000000 == 83483);
}

TEST_CASE("registry: an encoder sees all of its context, and so does cross attention") {
  const Model& m = find_published("switch-base-128")->model;
  // 12 layers of 12 heads of 64, a multiply-add for a score and one for its value, of 2 FLOPs.
  const std::int64_t layers = 12LL * 12 * (64 + 64) * 2;
  CHECK(flops(m, 100).scores == layers * 100 + layers * 50 + layers * 100);  // encoder, decoder, cross
}

TEST_CASE("registry: weights in four bits are what a checkpoint of them weighs") {
  // gpt-oss-120b: 60.8 GiB as published, experts in MXFP4 and the rest in bf16.
  const ModelCount c = count(find_published("gpt-oss-120b")->model);
  const std::int64_t experts = c[Component::Routed].params;
  const double bytes =
      bytes_of(experts, weight_format("mxfp4")) + bytes_of(c.total - experts, weight_format("bf16"));
  CHECK(bytes / 0x1p30 > 60.65);
  CHECK(bytes / 0x1p30 < 60.85);
  CHECK(training_bytes_per_param("adamw16") == 16);
  CHECK(training_bytes_per_param("megatron18") == 18);
  CHECK(message_of([] { training_bytes_per_param("sgd"); }) ==
        "optimizer = \"sgd\" must be one of adamw16, megatron18");
  CHECK(message_of([] { weight_format("f3"); }).starts_with("dtype = \"f3\" must be one of fp32, bf16, "));
}

TEST_CASE("registry: caches per token, and states that do not grow") {
  CHECK(2 * kv_numbers_per_token(find_published("deepseek-v3")->model) == 70272);  // 61 layers of 512 + 64
  CHECK(index_numbers_per_token(find_published("glm-5")->model) == 78 * 128);
  CHECK(index_numbers_per_token(find_published("deepseek-v3")->model) == 0);
  // 36 layers: 32 heads of 128 x 128, and 3 positions of 2 x 16 x 128 + 32 x 128 before the convolution.
  CHECK(state_numbers(find_published("qwen3-next-80b-a3b")->model) == 36 * (32 * 128 * 128 + 3 * 8192));
  CHECK(state_numbers(find_published("jamba-v0.1")->model) == 28 * 8192 * (16 + 3));
  CHECK(state_numbers(find_published("nemotron-3-nano-30b-a3b")->model) ==
        23 * (4096 * 128 + 3 * (4096 + 2048)));
  CHECK(state_numbers(find_published("minimax-text-01")->model) == 70 * 64 * 128 * 128);
  CHECK(state_numbers(find_published("shazeer2017-moe-32")->model) == 2 * 2 * 512);
  CHECK(state_numbers(find_published("mixtral-8x7b")->model) == 0);
}

TEST_CASE("registry: a row holds fields and what was printed, and no count") {
  for (const Published& p : published_models()) {
    const std::string row = published_json(p.id).dump();
    const ModelCount c = count(p.model);
    CAPTURE(p.id);
    for (const std::int64_t n : {c.total, c.active.full, c.active.no_embed, c.active.no_embed_head})
      CHECK(row.find(std::to_string(n)) == std::string::npos);
  }
  CHECK(message_of([] { published_json("none"); }) ==
        "id = \"none\" must be one that published_models lists");
}

TEST_CASE("registry: names of models, presets and files") {
  CHECK(model_called("mixtral-8x7b").published == find_published("mixtral-8x7b"));
  const NamedModel preset = model_called("mixtral");
  CHECK(preset.published == nullptr);
  CHECK(count(preset.model).total == 8 * 32 + 8 * 3 * 32 * 64);  // a router and 8 experts, D 32, F 64
  CHECK(
      message_of([] { model_called("mixtrall"); }) ==
      "MODEL = \"mixtrall\" must be one of moe-oracle models or presets, or a path with / or .json; did you "
      "mean mixtral?");
}

TEST_CASE("registry: released models have as many parameters as transformers' classes") {
  // Sums over the parameters of transformers 5.24's model classes on the meta device.
  const std::pair<const char*, std::int64_t> totals[] = {
      {"deepseek-v3.2", 671877944064},      {"deepseek-v4-flash", 284332240471},
      {"gemma-4-26b", 25233141760},         {"glm-5.2", 743377019904},
      {"granite-4.0-tiny", 6939037248},     {"jetmoe-8b", 8522237952},
      {"kimi-linear-48b-a3b", 49133081120}, {"lfm2-8b-a1b", 8339930560},
      {"llama-3.1-8b", 8030261248},         {"minimax-m2", 228689764864},
      {"nemotron-3-super", 120668707840},   {"nemotron-3-ultra", 549308993536},
      {"phi-3.5-moe", 41873153344},         {"qwen3-vl-30b-a3b", 30532122624}};
  for (const auto& [name, total] : totals) {
    CAPTURE(name);
    const NamedModel named = model_called(name);
    CHECK(named.exact());
    CHECK(named.published == nullptr);
    CHECK(count(named.model).total == total);
  }
  CHECK(released_models().size() == std::size(totals) + 1);
  CHECK(model_called("minimax-m3").exact());  // its class has another config
}

TEST_CASE("registry: what windows leave of a cache of 131,072 tokens") {
  const Model m = model_called("gemma-4-26b").model;
  // 5 layers of 2 heads of 512 keep all, 25 of 8 heads of 256 keep 1,024; keys and values, each of 2 bytes.
  CHECK(2 * kv_numbers_in_windows(m, 131072) ==
        2 * 2 * (5 * 2 * 512 * std::int64_t{131072} + 25 * 8 * 256 * 1024));
  CHECK(kv_numbers_in_windows(m, 131072) < kv_numbers_per_token(m) * 131072);
}
