#include "../support.h"
#include "moe/activation_memory.h"
#include "moe/evaluate.h"
#include "moe/inputs.h"
#include "moe/layer/layer.h"

using namespace moe;

namespace {

/// D 8, 4 experts of 6, two of which a token uses, and a shared one of 5.
Model three_layers() {
  Model m;
  m.name = "three", m.hidden_size = 8, m.vocabulary = 12;
  m.mixers = {Gqa{.heads = 4, .kv_heads = 4, .head_size = 2}};
  m.layers = {{.mixer = 0, .moe = true}, {.mixer = 0, .moe = true}, {.mixer = 0, .moe = true}};
  m.moe = Mixture{.num_experts = 4, .top_k = 2, .ffn_size = 6, .shared_size = 4};
  return m;
}

}  // namespace

TEST_CASE("activations: (K12) by hand") {
  const ActivationBytes a = activation_bytes(three_layers(), {.batch = 2, .context = 5});
  CHECK(a.tokens == 10);
  CHECK(a.rows == 20);
  CHECK(a.input == 10 * 8 * 2);
  CHECK(a.router == 10 * (4 * 4 + 8 * 2));
  CHECK(a.shared == 10 * 3 * 4 * 2);
  CHECK(a.routed == 20 * (8 + 3 * 6 + 8) * 2);
  CHECK(a.layer == 160 + 320 + 240 + 1360);
  CHECK(a.layers == 3);
  CHECK(a.all == 3 * a.layer);
}

TEST_CASE("activations: what is computed again is not kept, but of one layer at a time") {
  TrainingSetting s{.batch = 2, .context = 5, .recompute = Recompute::Selective};
  const ActivationBytes some = activation_bytes(three_layers(), s);
  CHECK(some.routed == 20 * (8 + 2 * 6 + 8) * 2);
  CHECK(some.shared == 10 * 2 * 4 * 2);
  s.recompute = Recompute::Full;
  const ActivationBytes full = activation_bytes(three_layers(), s);
  CHECK(full.layer == 160);
  CHECK(full.all == 3 * 160 + (2080 - 160));
}

TEST_CASE("activations: a device that is fuller keeps more rows, and devices share tokens and widths") {
  CHECK(activation_bytes(three_layers(), {.batch = 2, .context = 5, .load_factor = 1.5}).rows == 30);
  const ActivationBytes a = activation_bytes(
      three_layers(), {.batch = 4, .context = 6, .devices = {.tp = 2, .pp = 3, .ep = 2, .etp = 2, .dp = 2}});
  CHECK(a.tokens == 6);  // two sequences of 6, over tp
  CHECK(a.rows == 24);   // of twice as many devices' tokens, each of half an expert's width
  CHECK(a.routed == 24 * (8 + 3 * 3 + 8) * 2);
  CHECK(a.layers == 1);
  Model latent = three_layers();
  latent.moe->latent_size = 3, latent.moe->glu = false;
  CHECK(activation_bytes(latent, {.batch = 2, .context = 5}).routed ==
        20 * (3 + 2 * 6 + 3) * 2 + 2 * 10 * 3 * 2);
  CHECK(error_of([] { activation_bytes(three_layers(), {.load_factor = 0.5}); }) ==
        "--load-factor = 0.5 must lie in [1, experts = 4]");
  Model dense = three_layers();
  dense.layers = {{.mixer = 0}};
  CHECK(error_of([&] { activation_bytes(dense, {}); }) == "MODEL = three must have experts");
}

TEST_CASE("activations: of our own layer they are as many numbers as its trace has") {
  const Config config = small("mixtral");
  const auto params = params_of<double>(config, seeded_inputs(config, 5));
  const auto trace = layer_forward(config, params, decide(config, params));
  Model m = three_layers();
  m.hidden_size = config.shape.hidden_size, m.moe->num_experts = config.shape.num_experts;
  m.moe->top_k = config.shape.top_k, m.moe->ffn_size = config.shape.ffn_size, m.moe->shared_size = 0;
  const ActivationBytes a = activation_bytes(m, {.context = config.shape.num_tokens, .bytes = 8});
  CHECK(a.rows == static_cast<double>(trace.out.rows()));
  CHECK(a.input == 8 * static_cast<double>(trace.x.size()));
  // Beside what stands there, the rows of x that the experts got.
  const Index numbers = trace.gate.size() + trace.up.size() + trace.hidden.size() + 2 * trace.out.size();
  CHECK(a.routed == 8 * static_cast<double>(numbers));
}
