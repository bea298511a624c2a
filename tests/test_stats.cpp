#include "moe/stats.h"
#include "support.h"

using namespace moe;

namespace {

/// A trace from rows of ids, weights, whether kept, and scores; loads are counted.
Arrays trace(Index E, const std::vector<std::vector<double>>& id,
             const std::vector<std::vector<double>>& weight, const std::vector<std::vector<double>>& kept,
             const std::vector<std::vector<double>>& score) {
  const IdMatrix i = ids(id);
  const Matrix<double> w = matrix(weight), s = score.empty() ? Matrix<double>(0, E) : matrix(score);
  const Matrix<std::uint8_t> k = matrix(kept).cast<std::uint8_t>();
  std::vector<std::int64_t> counts(static_cast<std::size_t>(E));
  for (Index n = 0; n < i.size(); ++n) ++at(counts, i.data()[n]);
  const Dims choices{w.rows(), w.cols()};
  return {{"router.scores", array_of({s.rows(), E}, s.data())},
          {"router.topk_ids", array_of(choices, i.data())},
          {"router.topk_weights", array_of(choices, w.data())},
          {"dispatch.counts", array_of({E}, counts.data())},
          {"dispatch.kept", array_of(choices, k.data())}};
}

/// Equal but for some ten roundings of numbers of about 1.
bool near(double got, double want) { return std::abs(got - want) <= 16 * kUnit; }

}  // namespace

TEST_CASE("stats: an example by hand") {
  // c = (2, 1, 1, 0), so m = 1 and cv^2 = (1 + 0 + 0 + 1) / 4; importance (5, 1, 2, 0) / 4, so m = 1/2 and
  // cv^2 = (9 + 1 + 0 + 4) / 16 / 4 / (1/4) = 7/8; H(f) = 1/2 log 2 + 2 1/4 log 4
  const RoutingStats s = routing_stats(trace(4, {{0, 1}, {0, 2}}, {{0.75, 0.25}, {0.5, 0.5}},
                                             {{1, 1}, {1, 0}}, {{1, 1, 0, 0}, {0.5, 0, 0, 0}}));
  CHECK(s.load == std::vector<Index>{2, 1, 1, 0});
  CHECK(s.load_share == std::vector<double>{0.5, 0.25, 0.25, 0});
  CHECK(s.importance == std::vector<double>{1.25, 0.25, 0.5, 0});
  CHECK(near(s.load_cv, std::sqrt(0.5)));
  CHECK(near(s.importance_cv, std::sqrt(0.875)));
  CHECK(near(s.load_entropy, 1.5 * std::log(2)));
  CHECK(near(s.score_entropy, 0.5 * std::log(2)));  // log 2 for the first token, 0 for the second
  CHECK(near(s.max_entropy, 2 * std::log(2)));
  CHECK(s.max_violation == 1);
  CHECK(s.dropped_share == 0.25);
  CHECK(s.dead == std::vector<Index>{3});
}

TEST_CASE("stats: a uniform routing, one that has collapsed, and none") {
  const RoutingStats even =
      routing_stats(trace(4, {{0}, {1}, {2}, {3}}, {{1}, {1}, {1}, {1}}, {{1}, {1}, {1}, {1}},
                          {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}}));
  CHECK(even.load_cv == 0);
  CHECK(even.importance_cv == 0);
  CHECK(near(even.load_entropy, even.max_entropy));
  CHECK(near(even.score_entropy, even.max_entropy));
  CHECK(even.max_violation == 0);
  CHECK(even.dead.empty());
  const RoutingStats one =
      routing_stats(trace(5, {{2}, {2}}, {{1}, {1}}, {{1}, {0}}, {{0, 0, 1, 0, 0}, {0, 0, 1, 0, 0}}));
  CHECK(near(one.load_cv, 2));  // sqrt(E - 1)
  CHECK(one.max_violation == 4);
  CHECK(one.load_entropy == 0);
  CHECK(one.score_entropy == 0);
  CHECK(one.dead == std::vector<Index>{0, 1, 3, 4});
  CHECK(one.dropped_share == 0.5);
  const RoutingStats none = routing_stats(trace(3, {}, {}, {}, {}));
  CHECK(none.load == std::vector<Index>{0, 0, 0});
  CHECK(none.load_share == std::vector<double>{0, 0, 0});
  CHECK(none.dead.size() == 3);
  for (const double zero : {none.load_cv, none.importance_cv, none.load_entropy, none.score_entropy,
                            none.max_violation, none.dropped_share})
    CHECK(zero == 0);
}

TEST_CASE("stats: of one expert alone all spread is 0, and without a router there are none") {
  const RoutingStats s = routing_stats(trace(1, {{0}, {0}}, {{1}, {1}}, {{1}, {1}}, {{1}, {1}}));
  for (const double zero : {s.load_cv, s.load_entropy, s.score_entropy, s.max_entropy, s.max_violation})
    CHECK(zero == 0);
  const Config dense = small("dense");
  const Arrays without = evaluate<double>(dense, seeded_inputs(dense), nullptr, false);
  CHECK(error_of([&] { routing_stats(without); }) ==
        "statistics need router.scores, which this trace does not have");
}

TEST_CASE("stats: given logits are routed as the layer routes its own") {
  for (const Config& config :
       {small("switch", {"capacity.factor=0.5"}), small("mixtral"),
        small("deepseek_v3", {"router.n_group=2", "router.topk_group=1", "shape.top_k=2"})}) {
    const Inputs inputs = seeded_inputs(config);
    const Arrays whole = evaluate<double>(config, inputs, nullptr, false);
    Array bias;
    if (config.router.selection_bias) bias = materialized(inputs.at(Tensor::router_selection_bias));
    const Arrays routed = routing_trace(config, tensor_in(whole, "router.logits"), &bias);
    CHECK(routed.size() == 5);
    for (const auto& tensor : routed) {
      CAPTURE(tensor.first);
      CHECK(tensor.second.dims == tensor_in(whole, tensor.first).dims);
      CHECK(tensor.second.bytes == tensor_in(whole, tensor.first).bytes);
    }
  }
}

TEST_CASE("stats: logits that do not fit the config are refused") {
  const std::vector<double> values(12, 0.5), bad(4, NAN);
  const auto error_with = [](const Config& config, const Array& logits) {
    return error_of([&] { routing_trace(config, logits, nullptr); });
  };
  const Config config = small("mixtral");
  CHECK(error_with(config, array_of({4, 3}, values.data())) == "router.logits: shape = [4,3] must be [T,4]");
  CHECK(error_with(config, array_of({12}, values.data())) == "router.logits: shape = [12] must be [T,4]");
  CHECK(error_with(config, array_of({1, 4}, bad.data())) == "router.logits[0] = nan must be finite");
  CHECK(error_with(small("dense"), array_of({12, 1}, values.data())) ==
        "router.score_function = none has no use for router.logits");
  CHECK(error_with(small("deepseek_v3", {"router={\"selection_bias\":true}", "shape.top_k=2"}),
                   array_of({3, 4}, values.data())) == "router.selection_bias = nothing must be there");
  CHECK(error_with(small("mixtral", {"router.expert_scale=true"}), array_of({3, 4}, values.data())) ==
        "router.expert_scale = true needs more than router.logits");
  CHECK(error_with(small("gshard", {"shape.num_tokens=6"}), array_of({4, 4}, values.data())) ==
        "router.second_policy = random needs more than router.logits");
  CHECK(routing_stats(routing_trace(config, array_of({3, 4}, values.data()), nullptr)).load ==
        std::vector<Index>{3, 3, 0, 0});
}
