#include "../support.h"
#include "moe/sweep.h"

using namespace moe;

namespace {

const Model& mixtral() { return find_published("mixtral-8x7b")->model; }

SweepGrid grid(std::vector<std::int64_t> experts, std::vector<std::int64_t> top_k) {
  SweepGrid g;
  g.experts = std::move(experts), g.top_k = std::move(top_k);
  return g;
}

}  // namespace

TEST_CASE("sweep: the point of the model itself is its count") {
  const std::vector<SweepPoint> points = sweep(mixtral(), grid({8, 16}, {1, 2}));
  REQUIRE(points.size() == 4);
  const SweepPoint& itself = points[1];
  CHECK(itself.total == 46702792704);  // published: 46.7e9
  CHECK(itself.active == 12879925248);
  CHECK(itself.padded == static_cast<double>(itself.forward));
  CHECK(itself.dropped == 0);
  // By hand: eight more experts of 3 4096 14336 in 32 layers, and eight more rows of 4096 of each router.
  CHECK(points[3].total - itself.total == 32 * (8 * 176160768LL + 8 * 4096LL));
  CHECK(points[3].active - itself.active == 32 * 8 * 4096);
  CHECK(itself.active - points[0].active == 32 * 176160768LL);
}

TEST_CASE("sweep: splitting experts changes routers and nothing else") {
  SweepGrid g = grid({8}, {2});
  g.granularity = {1, 2, 4};
  const std::vector<SweepPoint> points = sweep(mixtral(), g);
  REQUIRE(points.size() == 3);
  for (const SweepPoint& p : points) {
    CHECK(p.ffn_size * p.granularity == 14336);
    CHECK(p.total - points[0].total == 32LL * 4096 * 8 * (p.granularity - 1));
    CHECK(p.forward - points[0].forward == 2LL * 32 * 4096 * 8 * (p.granularity - 1));
  }
  g.granularity = {3};
  CHECK(error_of([&] { sweep(mixtral(), g); }) ==
        "granularity = 3 must divide the width of an expert, 14336");
}

TEST_CASE("sweep: capacity, shared experts and context by hand") {
  SweepGrid g = grid({8}, {2});
  g.shared = {0, 1}, g.factors = {1.25, 1}, g.contexts = {0, 4096}, g.tokens = 8192;
  const std::vector<SweepPoint> points = sweep(mixtral(), g);
  REQUIRE(points.size() == 8);
  CHECK(points[4].total - points[0].total == 32 * 176160768LL);
  CHECK(points[1].forward - points[0].forward ==
        4096LL * 32 * 2 * 4096);  // half of 2 32 (128 + 128) for each token, in 32 layers
  const double routed = 2.0 * 32 * 2 * 176160768;
  CHECK(std::abs(points[0].padded - static_cast<double>(points[0].forward) - 0.25 * routed) < 1);
  CHECK(points[2].padded == static_cast<double>(points[2].forward));
  CHECK(std::abs(100 * points[2].dropped - 0.763) <= 5e-4);  // as in the table of drops
}

TEST_CASE("sweep: what does not fit is left out or refused") {
  CHECK(sweep(mixtral(), grid({2, 4}, {3, 4})).size() == 2);
  const std::vector<std::int64_t> many(4000, 8);
  CHECK(error_of([&] { sweep(mixtral(), grid(many, many)); }) ==
        "grid = 1.6e+07 points must not exceed 10^7");
  Model dense = mixtral();
  dense.moe.reset();
  CHECK(error_of([&] { sweep(dense, grid({1}, {1})); }) == "MODEL = Mixtral-8x7B must have experts");
}
