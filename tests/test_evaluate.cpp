#include "moe/evaluate.h"
#include "support.h"

using namespace moe;

TEST_CASE("evaluate: blocks are collected into whole tensors") {
  Collector collector;
  const double first[] = {1, 2}, second[] = {3, 4};
  collector("grad.experts.up", Dims{2, 2}, 0, first, 2);
  collector("grad.experts.up", Dims{2, 2}, 2, second, 2);
  const std::int64_t counts[] = {5};
  collector("dispatch.counts", Dims{1}, 0, counts, 1);
  CHECK(values_in(collector.arrays, "grad.experts.up") == std::vector<double>{1, 2, 3, 4});
  CHECK(values_in(collector.arrays, "dispatch.counts") == std::vector<double>{5});
}

TEST_CASE("evaluate: progress runs to the end, forward and backward") {
  for (const bool backward : {false, true}) {
    double last = 0;
    evaluate<double>(small("mixtral"), seeded_inputs(small("mixtral")), nullptr, backward, [&](double share) {
      CHECK(share >= last);
      last = share;
    });
    CHECK(last >= 0.9);
    CHECK(last <= 1);
  }
}
