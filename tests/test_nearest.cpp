#include <doctest/doctest.h>

#include "moe/nearest.h"

using namespace moe;

TEST_CASE("nearest: the fewest letters that differ, and no more than a third") {
  const std::vector<std::string> names{"router.logits", "router.scores", "y", "grad.x"};
  using Names = std::vector<std::string>;
  CHECK(nearest("router.logit", names) == Names{"router.logits"});
  CHECK(nearest("ruoter.logits", names) == Names{"router.logits"});
  CHECK(nearest("wirte", {"write", "verify"}) == Names{"write"});  // two that changed places are one mistake
  CHECK(nearest("router.score", names) == Names{"router.scores"});
  CHECK(nearest("grad.y", names) == Names{"grad.x"});
  CHECK(nearest("GRAD.X", names) == Names{"grad.x"});
  CHECK(nearest("h1000", {"h100", "h200", "a100"}) == Names{"h100"});
  CHECK(nearest("h300", {"h100", "h200", "a100"}) == Names{"h100", "h200"});
  CHECK(nearest("", names).empty());
  CHECK(nearest("z", names).empty());
  CHECK(nearest("expert.hidden", names).empty());
  CHECK(nearest(std::string(101, 'y'), {std::string(100, 'y')}).empty());
  CHECK(did_you_mean("router.logit", names) == "; did you mean router.logits?");
  CHECK(did_you_mean("z", names).empty());
  CHECK(did_you_mean("H300", {"h100", "h200", "a100"}) == "; did you mean h100 or h200?");
}

TEST_CASE("nearest: where no name is near, those that begin so") {
  const std::vector<std::string> names{"ties/a", "ties/b", "ties/c", "ties/d", "ties/e", "ties/f", "y"};
  CHECK(nearest("Ties", names).size() == 6);
  CHECK(did_you_mean("tie", {names.begin(), names.begin() + 3}) ==
        "; did you mean ties/a, ties/b or ties/c?");
  CHECK(did_you_mean("ties", names) ==
        "; did you mean ties/a, ties/b, ties/c, ties/d, ties/e or one of 1 more?");
}
