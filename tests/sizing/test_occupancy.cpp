#include "../support.h"
#include "moe/occupancy.h"

using namespace moe;

namespace {

/// Within three standard errors; an error of 0 would make nothing of that.
bool agrees(const Estimate& estimate, double expected) {
  return estimate.standard_error > 0 && std::abs(estimate.mean - expected) <= 3 * estimate.standard_error;
}

}  // namespace

TEST_CASE("occupancy: experts that a batch uses at least once") {
  const std::vector<double> tokens{1, 2, 4, 8, 16, 32, 64};
  const auto row = [&](double E, double K, const std::vector<double>& printed, double unit) {
    for (std::size_t i = 0; i < printed.size(); ++i)
      CHECK(prints(unique_experts(tokens[i], E, K), printed[i], unit));
  };
  row(8, 2, {2, 3.5, 5.469, 7.199, 7.920}, 1e-3);                       // Mixtral
  row(128, 8, {8, 15.5, 29.12, 51.62, 82.42, 111.77}, 1e-2);            // Qwen3-30B
  row(256, 8, {8, 15.75, 30.53, 57.42, 101.96, 163.31, 222.44}, 1e-2);  // DeepSeek-V3
  CHECK(unique_experts(0, 8, 2) == 0);
  CHECK(unique_experts(0, 8, 8) == 0);
  CHECK(unique_experts(1, 8, 8) == 8);
}

TEST_CASE("occupancy: groups that a token's experts are in") {
  CHECK(prints(distinct_groups(256, 8, 8), 5.295, 1e-3));
  CHECK(prints(distinct_groups(256, 8, 16), 6.523, 1e-3));
  CHECK(prints(distinct_groups(256, 8, 32), 7.267, 1e-3));
  CHECK(prints(distinct_groups(256, 8, 64), 7.676, 1e-3));
  // By hand: two of four experts in two groups are in one group with probability 1/3.
  CHECK(std::abs(distinct_groups(4, 2, 2) - 5.0 / 3) < 4 * kUnit);
  CHECK(distinct_groups(8, 3, 8) == 3);  // each expert a group
  CHECK(distinct_groups(8, 3, 1) == 1);
  CHECK(distinct_groups(8, 8, 4) == 4);
}

TEST_CASE("occupancy: slots and drops") {
  struct Row {
    Index T, E, K;
    double factor;
    Index slots;
    double dropped, unit;
  };
  for (const Row& r : {Row{4096, 64, 1, 1.0, 64, 4.941, 1e-3}, Row{4096, 64, 1, 1.25, 80, 0.127, 1e-3},
                       Row{1024, 128, 1, 1.25, 10, 5.275, 1e-3}, Row{8192, 2048, 1, 1.0, 4, 19.53, 1e-2},
                       Row{8192, 8, 2, 1.0, 2048, 0.763, 1e-3}}) {
    CAPTURE(r.T);
    const Index C = slots_per_expert(r.T, r.E, r.K, r.factor, SlotBase::TokensTimesK);
    CHECK(C == r.slots);
    CHECK(prints(100 * expected_occupancy(r.T, r.E, r.K, C).dropped, r.dropped, r.unit));
  }
  CHECK(slots_per_expert(4096, 64, 2, 1.25, SlotBase::Tokens) == 80);  // ST-MoE: K does not count
  CHECK(slots_per_expert(4096, 64, 2, 1.25, SlotBase::TokensTimesK) == 160);
  CHECK(slots_per_expert(10, 11, 1, 1.1, SlotBase::Tokens) == 1);  // 1.1 is 11/10, not the double above it
}

TEST_CASE("occupancy: an example by hand") {
  // X ~ Bin(2, 1/2): 0, 1, 2 with 1/4, 1/2, 1/4. One slot: 1/4 of an assignment too many of each of two experts, of 2 in all.
  const Occupancy one = expected_occupancy(2, 2, 1, 1);
  CHECK(std::abs(one.dropped - 0.25) < 4 * kUnit);
  CHECK(std::abs(one.idle - 0.25) < 4 * kUnit);
  CHECK(std::abs(one.waste - 1.0 / 3) < 8 * kUnit);
  CHECK(std::abs(expected_padding(2, 2, 1, 4) - 2 * (0 + 3 * 0.5 + 2 * 0.25)) < 16 * kUnit);
  const Occupancy none = expected_occupancy(2, 2, 1, 0);
  CHECK(std::abs(none.dropped - 1) < 4 * kUnit);
  CHECK(none.idle == 0);
  const Occupancy plenty = expected_occupancy(1000, 8, 2, 1000);
  CHECK(plenty.dropped == 0);
  CHECK(std::abs(plenty.waste - 3) < 1e-12);           // 8000 slots for 2000
  CHECK(expected_occupancy(5, 4, 4, 5).dropped == 0);  // K = E: everyone takes all
  CHECK(std::abs(expected_occupancy(5, 4, 4, 4).dropped - 0.2) < 4 * kUnit);
  CHECK(expected_occupancy(0, 4, 2, 3).dropped == 0);
}

TEST_CASE("occupancy: large batches lose no digits") {
  // For n p large, drops at C = mean tend to sd / sqrt(2 pi) each: T = 2^30, E = 2 gives sd = 2^14.
  const Index T = Index{1} << 30;
  const double normal = 2 * std::ldexp(1, 14) / std::sqrt(2 * std::acos(-1.0)) / static_cast<double>(T);
  const double dropped = expected_occupancy(T, 2, 1, T / 2).dropped;
  CHECK(std::abs(dropped / normal - 1) < 1e-8);  // the next term of Stirling's series is 1 / (4 T)
}

TEST_CASE("occupancy: chance and the layer's own router agree with the closed forms") {
  struct Row {
    Index T, E, K, C, G;
  };
  for (const Row& r :
       {Row{64, 8, 2, 16, 4}, Row{16, 128, 8, 1, 16}, Row{512, 64, 1, 8, 8}, Row{8, 256, 8, 1, 32}}) {
    CAPTURE(r.E);
    const double unique =
        unique_experts(static_cast<double>(r.T), static_cast<double>(r.E), static_cast<double>(r.K));
    const double groups = distinct_groups(r.E, r.K, r.G),
                 dropped = expected_occupancy(r.T, r.E, r.K, r.C).dropped;
    const OccupancyTrials chance = simulated_occupancy(r.T, r.E, r.K, r.C, r.G, 400);
    CHECK(agrees(chance.dropped, dropped));
    const OccupancyTrials router = routed_occupancy(r.T, r.E, r.K, r.C, r.G, 400);
    CHECK(agrees(router.dropped, dropped));
    CHECK((r.E == 8 ||
           agrees(chance.unique, unique)));  // 64 tokens use all of eight experts but once in 12 million
    CHECK((r.E == 8 || agrees(router.unique, unique)));
    CHECK((r.K == 1 || agrees(chance.groups, groups)));  // one choice is in one group
    CHECK((r.K == 1 || agrees(router.groups, groups)));
    CHECK(chance.dropped.mean != router.dropped.mean);  // two experiments, not one
  }
}

TEST_CASE("occupancy: what has no meaning is refused") {
  const auto slots = [](Index T, Index K, double factor) {
    return error_of([&] { slots_per_expert(T, 8, K, factor, SlotBase::TokensTimesK); });
  };
  CHECK(slots(8, 9, 1) == "top-k = 9 must lie in [1, experts = 8]");
  CHECK(slots(-1, 2, 1) == "tokens = -1 must lie in [0, 2^53]");
  CHECK(slots(Index{1} << 52, 2, 1) == "tokens = 4503599627370496 times top-k must be less than 2^53");
  CHECK(slots(8, 2, 0) == "factor = 0 must lie in (0, 10^9]");
  CHECK(slots(8, 2, NAN).starts_with("factor = nan must lie"));
  CHECK(error_of([] { distinct_groups(8, 2, 3); }) == "groups = 3 must divide experts = 8");
  CHECK(error_of([] { expected_padding(8, 8, 2, 0); }) == "tile = 0 must be at least 1");
  CHECK(error_of([] { expected_occupancy(8, 8, 2, -1); }) == "slots = -1 must not be negative");
  CHECK(error_of([] { simulated_occupancy(8, 8, 2, 1, 1, 1); }) == "trials = 1 must be at least 2");
  CHECK(error_of([] { unique_experts(NAN, 8, 2); }).starts_with("tokens = nan must"));
  CHECK(error_of([] {
          simulated_occupancy(Index{1} << 40, 8, 2, 1, 1, 2);
        }).starts_with("tokens = 1099511627776 "));
}
