#include "moe/scalar/doubt.h"

#include "../support.h"
#include "moe/budget.h"
#include "moe/scalar/bound.h"

using namespace moe;

TEST_CASE("doubt: a number without an error is never in doubt") {
  CHECK(!in_doubt(1.0, 1.0));
  CHECK(!exceeds_in_doubt(1.0, 0.25, 4.0, 4.0));
  CHECK(!exceeds_in_doubt(0.0, 0.25, 0.0, 0.0));
}

TEST_CASE("doubt: where rounding may decide whether a distance is too far") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  const auto in_doubt_at = [](double off, double error, double size, double best) {
    return exceeds_in_doubt(Bound{off, error}, Bound(0.25), Bound(size), Bound(best));
  };
  CHECK(in_doubt_at(1, 1e-6, 3, 4));      // 1 against 4 / 4
  CHECK(in_doubt_at(1, 1e-6, 4, 3));      // ... of the other
  CHECK(!in_doubt_at(0.75, 1e-6, 3, 4));  // at a quarter of the smaller, which does not decide
  CHECK(!in_doubt_at(1.1, 1e-6, 3, 4));
  CHECK(!in_doubt_at(0.9, 1e-6, 4, 3));
  CHECK(in_doubt_at(1e-9, 1e-6, 0, 0));
}

TEST_CASE("doubt: each of those in doubt on its other side, and all of them") {
  using Set = std::vector<Index>;
  CHECK(other_sides({0, 2}, {}, 4).empty());
  CHECK(other_sides({0, 2}, {2}, 4) == std::vector<Set>{{0}});
  CHECK(other_sides({0, 2}, {2, 3}, 4) == std::vector<Set>{{0}, {0, 2, 3}, {0, 3}});
}
