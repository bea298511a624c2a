#include <doctest/doctest.h>

#include "moe/nearest.h"

using namespace moe;

TEST_CASE("nearest: the fewest letters that differ, and no more than a third") {
  const std::vector<std::string> names{"router.logits", "router.scores", "y", "grad.x"};
  CHECK(nearest("router.logit", names) == "router.logits");
  CHECK(nearest("ruoter.logits", names) == "router.logits");
  CHECK(nearest("router.score", names) == "router.scores");
  CHECK(nearest("grad.y", names) == "grad.x");
  CHECK(nearest("", names).empty());
  CHECK(nearest("z", names).empty());
  CHECK(nearest("expert.hidden", names).empty());
  CHECK(nearest(std::string(101, 'y'), {std::string(100, 'y')}).empty());
  CHECK(did_you_mean("router.logit", names) == "; did you mean router.logits?");
  CHECK(did_you_mean("z", names).empty());
}
