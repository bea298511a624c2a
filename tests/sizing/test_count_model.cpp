#include "sizing_support.h"

using namespace moe;

TEST_CASE("count model: a model of two layers by hand") {
  const ModelCount c = count(tiny_model());
  CHECK(c[Component::Embedding].params == 40);  // 10 x 4
  CHECK(c[Component::Head].params == 40);
  CHECK(c[Component::Attention].params == 2 * 72);  // 4 x 6 queries, 2 x 4 x 3 keys and values, 6 x 4 out: 72
  CHECK(c[Component::Dense].params == 72);          // 3 x 4 x 6
  CHECK(c[Component::Router].params == 12);         // 4 x 3
  CHECK(c[Component::Routed].params == 180);        // 3 experts of 3 x 4 x 5
  CHECK(c[Component::Routed].active == 120);
  CHECK(c[Component::Norms].params == 20);  // 2 a layer and one at the end, of 4
  CHECK(c.total == 40 + 40 + 144 + 72 + 12 + 180 + 20);
  CHECK(c.active.full == c.total - 60);
  CHECK(c.active.no_embed == c.active.full - 40);
  CHECK(c.active.no_embed_head == c.active.full - 80);
  CHECK(c.matmul == c.active.no_embed - 20);  // all but the norms
  CHECK(c.expert == 60);
  CHECK(c.moe_layers == 1);
}

TEST_CASE("count model: the parts add up, and only routed experts rest") {
  for (const Published& p : published_models()) {
    CAPTURE(p.id);
    const ModelCount c = count(p.model);
    std::int64_t total = 0, active = 0, matmul = 0;
    for (const ComponentCount& part : c.parts)
      total += part.params, active += part.active, matmul += part.matmul;
    CHECK(total == c.total);
    CHECK(active == c.active.full);
    CHECK(matmul == c.matmul);
    const std::int64_t resting = p.model.moe->num_experts - p.model.moe->top_k;
    CHECK(c.total - c.active.full == c.moe_layers * resting * c.expert);
  }
}

TEST_CASE("count model: with every expert chosen, all is active") {
  for (const std::string id :
       {"mixtral-8x7b", "deepseek-v3", "switch-c-2048", "fairseq-moe-15b", "nemotron-3-nano-30b-a3b"}) {
    CAPTURE(id);
    Model m = find_published(id)->model;
    m.moe->top_k = m.moe->num_experts;
    CHECK(count(m).active.full == count(m).total);
  }
}

TEST_CASE("count model: one expert of one is the dense twin and a router") {
  Model m = find_published("mixtral-8x7b")->model, dense = m;
  m.moe->num_experts = m.moe->top_k = 1;
  dense.dense_size = m.moe->ffn_size;
  for (Layer& layer : dense.layers) layer.moe = false, layer.dense = true;
  CHECK(count(m).total == count(dense).total + 32 * 4096LL);
  CHECK(count(dense).active.full == count(dense).total);
}

TEST_CASE("count model: tying leaves out one table") {
  Model m = find_published("gpt-oss-20b")->model;
  const ModelCount apart = count(m);
  m.tied = true;
  const ModelCount tied = count(m);
  const std::int64_t table = std::int64_t{201088} * 2880;
  CHECK(apart.total - tied.total == table);
  CHECK(tied.active.no_embed == tied.active.full);
  CHECK(tied.active.no_embed_head == apart.active.no_embed_head);
  CHECK(tied.matmul == apart.matmul);  // the table is multiplied all the same, as the head
}

TEST_CASE("count model: latent experts and experts that do nothing") {
  Model m = tiny_model();
  m.moe->latent_size = 2, m.moe->zero_experts = 5;
  const ModelCount c = count(m);
  CHECK(c.expert == 30);                                     // 3 x 2 x 5
  CHECK(c[Component::Routed].params == 3 * 30 + 2 * 4 * 2);  // and the way to the narrow width and back
  CHECK(c[Component::Routed].active == 2 * 30 + 2 * 4 * 2);
  CHECK(c[Component::Router].params == 4 * (3 + 5));
}

TEST_CASE("count model: a router of two levels runs the gates of the branches that it takes") {
  Model m = find_published("shazeer2017-moe-1024-h")->model;
  // 16 gates, then 64 in each of 2 branches; a matrix for the gate and one for its noise.
  CHECK(count(m)[Component::Router].matmul == 2 * 512 * (16 + 2 * 64));
  CHECK(count(m)[Component::Router].params == 2 * 512 * (16 + 1024));
}

TEST_CASE("count model: a field without a meaning is an error that names it") {
  const auto error = [](auto change) {
    Model m = tiny_model();
    change(m);
    return message_of([&] { count(m); });
  };
  CHECK(error([](Model& m) { m.moe->top_k = 4; }) == "top_k = 4 must lie in [1, num_experts = 3]");
  CHECK(error([](Model& m) { m.hidden_size = -1; }) == "hidden_size = -1 must lie in [1, 2147483647]");
  CHECK(error([](Model& m) { m.layers.clear(); }) == "layers = 0 must lie in [1, 10000]");
  CHECK(error([](Model& m) { m.layers[0].mixer = 1; }) == "mixer = 1 must be an index of mixers");
  CHECK(error([](Model& m) { m.layers[0] = {}; }) == "layer = {} must hold something");
  CHECK(error([](Model& m) { m.moe.reset(); }) == "layer = moe needs the fields of moe");
  CHECK(error([](Model& m) { m.dense_size = 0; }) == "dense_size = 0 must lie in [1, 2147483647]");
  CHECK(error([](Model& m) { std::get<Gqa>(m.mixers[0]).heads = 0; }) ==
        "heads = 0 must lie in [1, 2147483647]");
}

TEST_CASE("count model: what does not fit 64 bits is an error, never a wrong number") {
  Model m = tiny_model();
  m.hidden_size = m.moe->ffn_size = m.moe->num_experts = (std::int64_t{1} << 31) - 1;
  CHECK(message_of([&] { count(m); }) ==
        "model: a count of its parameters, FLOPs or bytes must be below 2^63");
  m = tiny_model();
  CHECK(message_of([&] { flops(m, std::int64_t{1} << 41); }).starts_with("context = "));
}
