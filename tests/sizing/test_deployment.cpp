#include <random>

#include "../support.h"
#include "moe/deployment.h"
#include "moe/occupancy.h"

using namespace moe;

namespace {

/// Two layers: D 8, a vocabulary of 20, 4 heads of 2 with 2 for keys, a dense block of 6, then 4 experts of 3 with one shared of 4.
Model two_layers() {
  Model m;
  m.name = "two", m.hidden_size = 8, m.vocabulary = 20, m.dense_size = 6;
  m.mixers = {Gqa{.heads = 4, .kv_heads = 2, .head_size = 2}};
  m.layers = {{.mixer = 0, .dense = true}, {.mixer = 0, .moe = true}};
  m.moe = Mixture{.num_experts = 4, .top_k = 2, .ffn_size = 3, .shared_size = 4};
  return m;
}

std::int64_t number(const DeviceCount& d, Component c) { return d.params[static_cast<std::size_t>(c)]; }

std::string fault(const Deployment& d) {
  try {
    deploy(two_layers(), d);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

// docs/MATH.md, section 21, works this out by hand.
TEST_CASE("deployment: two layers on 8 devices, tp 2, ep 4, dp 4, ZeRO 1, by hand") {
  const Deployment d{.tp = 2, .ep = 4, .dp = 4, .zero = 1};
  const auto devices = deploy(two_layers(), d);
  REQUIRE(devices.size() == 1);
  const DeviceCount& one = devices.front();
  CHECK(d.devices() == 8);
  CHECK(number(one, Component::Embedding) == 80);  // 20 x 8 / 2
  CHECK(number(one, Component::Head) == 80);
  CHECK(number(one, Component::Attention) == 192);  // 2 layers of 8 (4 + 2 + 2) + 4 x 8
  CHECK(number(one, Component::Dense) == 72);       // 3 x 8 x 3
  CHECK(number(one, Component::Router) == 32);      // 8 x 4, on all
  CHECK(number(one, Component::Shared) == 48);      // 3 x 8 x 2
  CHECK(number(one, Component::Routed) == 72);      // one expert of 3 x 8 x 3
  CHECK(number(one, Component::Norms) == 40);       // 5 of 8
  CHECK(one.total == 616);
  CHECK(kv_numbers_per_token(one.part) == 8);  // 2 layers of one head, keys and values of 2
  // 544 numbers have their optimizer's state over 4 copies, 72 over 2 x 4 / 4 = 2.
  CHECK(training_bytes(one, d, "adamw16") == 544 * (2 + 2 + 12 / 4.0) + 72 * (2 + 2 + 12 / 2.0));
  CHECK(training_bytes(one, d, "megatron18") == 544 * (2 + 4 + 12 / 4.0) + 72 * (2 + 4 + 12 / 2.0));
}

TEST_CASE("deployment: stages of a pipeline hold the model between them") {
  const Model m = two_layers();
  const auto stages = deploy(m, {.pp = 2});
  REQUIRE(stages.size() == 2);
  CHECK(number(stages[0], Component::Embedding) == 160);
  CHECK(number(stages[0], Component::Head) == 0);
  CHECK(number(stages[1], Component::Head) == 160);
  CHECK(number(stages[0], Component::Norms) == 16);
  CHECK(stages[0].total + stages[1].total == count(m).total);
  Model tied = m;
  tied.tied = true;
  const auto copied = deploy(tied, {.pp = 2});
  CHECK(copied[0].total + copied[1].total ==
        count(tied).total + 160);  // the table is the head of the last stage, too
  CHECK(deploy(tied, {}).front().total == count(tied).total);
}

TEST_CASE("deployment: one device holds every model of the registry") {
  for (const Published& p : published_models()) {
    CAPTURE(p.id);
    const std::vector<DeviceCount> all = deploy(p.model, {});
    REQUIRE(all.size() == 1);
    CHECK(all.front().total == count(p.model).total);
  }
}

TEST_CASE("deployment: what does not divide is named") {
  CHECK(fault({.tp = 3}) == "--tp = 3 must divide heads = 4");
  CHECK(fault({.tp = 4, .ep = 4}) == "--tp = 4 must divide dense_size = 6");
  CHECK(fault({.ep = 2}) == "--ep = 2 times --etp must divide tp x cp x dp = 1");
  CHECK(fault({.ep = 8, .dp = 8}) == "--ep = 8 must divide num_experts = 4");
  CHECK(fault({.etp = 2, .dp = 2}) == "--etp = 2 must divide ffn_size = 3");
  CHECK(fault({.pp = 3}) == "--pp = 3 must not exceed the number of layers = 2");
  CHECK(fault({.dp = 0}) == "--dp = 0 must lie in [1, 1048576]");
}

TEST_CASE("deployment: an encoder and a decoder share their heads out, and are in no stages") {
  Model m = two_layers();
  m.encoder_layers = 1, m.layers[1].cross = true, m.relative_buckets = 32;
  const DeviceCount one = deploy(m, {.tp = 2}).front();
  // Three blocks of 96 (two are the decoder's), and a number for each of 32 distances, both sides and two of four heads.
  CHECK(number(one, Component::Attention) == 3 * 96 + 32 * 2 * 2);
  CHECK(number(one, Component::Dense) == 72);
  CHECK_THROWS_WITH_AS(
      deploy(m, {.pp = 2}),
      "--pp = 2 must be 1: the model is an encoder and a decoder, whose layers no order of stages holds",
      Error);
}

TEST_CASE("deployment: FLOPs of a device by hand, and all devices together do the model's") {
  const Model m = two_layers();
  const DeviceFlops one = device_flops(m, {.tp = 2, .ep = 4, .dp = 4}, 6, Span::Full).front();
  const auto of = [&](Component c) { return one.forward[static_cast<std::size_t>(c)]; };
  CHECK(of(Component::Attention) == 2 * 192 / 4.0);  // the matrices of a device, for a quarter of the tokens
  CHECK(of(Component::Router) == 2 * 32 / 4.0);
  CHECK(of(Component::Routed) == 2 * 2 * 72 / 8.0);  // two experts of 72 each, over eight devices
  CHECK(one.scores == 2.0 * 2 * (2 + 2) * 2 * 6 / 4);
  for (const Published& p : published_models()) {
    CAPTURE(p.id);
    double all = 0;
    const std::int64_t stages = p.model.encoder_layers > 0 ? 1 : 2;
    for (const DeviceFlops& stage : device_flops(p.model, {.pp = stages, .dp = 4}, 1024))
      all += 4 * stage.total;
    const double whole = static_cast<double>(flops(p.model, 1024).forward_total);
    CHECK(std::abs(all / whole - 1) < 1e-12);
  }
}

TEST_CASE("exchange: copies of 1,000 random routings, counted, agree with (O10) and with a count of pairs") {
  constexpr std::int64_t E = 64, K = 6, T = 64;
  const Exchange e{.ranks = 16, .nodes = 4};
  const Copies expected = expected_copies(E, K, e);
  std::mt19937_64 dice(7);
  double sum = 0, squares = 0, nodes = 0;
  constexpr int kRoutings = 1000;
  for (int r = 0; r < kRoutings; ++r) {
    std::vector<std::int64_t> ids;
    std::vector<char> sent(T * e.ranks, 0);
    for (std::int64_t t = 0; t < T; ++t) {
      std::vector<std::int64_t> all(E);
      for (std::int64_t i = 0; i < E; ++i) all[static_cast<std::size_t>(i)] = i;
      for (std::int64_t k = 0; k < K; ++k) {
        std::swap(all[static_cast<std::size_t>(k)],
                  all[static_cast<std::size_t>(k) + dice() % static_cast<std::size_t>(E - k)]);
        const std::int64_t id = all[static_cast<std::size_t>(k)];
        ids.push_back(id), sent[static_cast<std::size_t>(t * e.ranks + id / (E / e.ranks))] = 1;
      }
    }
    const Copies counted = counted_copies(ids, E, K, e);
    CHECK(counted.ranks * T == static_cast<double>(std::count(sent.begin(), sent.end(), 1)));
    CHECK(counted.assignments == K);
    sum += counted.ranks, squares += counted.ranks * counted.ranks, nodes += counted.nodes;
  }
  const double mean = sum / kRoutings, error = std::sqrt((squares / kRoutings - mean * mean) / kRoutings);
  CHECK(std::abs(mean - expected.ranks) <= 3 * error);
  CHECK(error > 0);
  CHECK(std::abs(nodes / kRoutings - expected.nodes) <= 0.01);
}

TEST_CASE("exchange: DeepSeek-V3 on 8 nodes, to the digits that its closed form has") {
  CHECK(prints(expected_copies(256, 8, {.ranks = 64, .nodes = 8}).nodes, 5.295, 0.001));
  CHECK(prints(expected_copies(256, 8, {.ranks = 64, .nodes = 8}).ranks, 7.676, 0.001));
  // Limited to 4 nodes, a token reaches nearly all of them.
  const Copies limited = expected_copies(256, 8, {.ranks = 64, .nodes = 8, .node_limit = 4});
  CHECK(limited.nodes == distinct_groups(128, 8, 4));
  CHECK(limited.nodes < 4);
  CHECK(limited.remote_nodes == limited.nodes * 7 / 8);
  CHECK_THROWS_AS(expected_copies(256, 8, {.ranks = 3}), Error);
  CHECK_THROWS_AS(expected_copies(256, 8, {.ranks = 64, .nodes = 64, .node_limit = 1}), Error);
}
