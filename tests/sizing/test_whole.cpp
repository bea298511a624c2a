#include "../support.h"
#include "moe/whole.h"

using namespace moe;

TEST_CASE("whole: sums, differences and products are exact, or an error") {
  CHECK(Whole(3) * 5 - 7 + 1 == Whole(9));
  Whole sum = INT64_MAX - 1;
  sum += 1;
  CHECK(sum.value() == INT64_MAX);
  for (const auto beyond : {+[] { return Whole(INT64_MAX) + 1; }, +[] { return Whole(INT64_MIN) - 1; },
                            +[] { return Whole(std::int64_t{1} << 32) * (std::int64_t{1} << 31); }})
    CHECK(error_of([&] { beyond(); }) ==
          "model: a count of its parameters, FLOPs or bytes must be below 2^63");
  CHECK((Whole(std::int64_t{1} << 31) * (std::int64_t{1} << 31)).value() == std::int64_t{1} << 62);
}
