#include "moe/layer/conventions.h"
#include "support.h"

using namespace moe;

TEST_CASE("config: what a config has") {
  CHECK(has_router(small("mixtral")));
  CHECK(!has_router(small("dense")));
  CHECK(has_denominator(small("mixtral")));
  CHECK(!has_denominator(small("switch")));
  CHECK(has_bias(small("mixtral", {"experts.bias=per_expert"})));
}

TEST_CASE("config: the letters") {
  const auto [T, D, F, E, K] = Letters(small("mixtral"));
  CHECK(T == 5);
  CHECK(D == 6);
  CHECK(F == 7);
  CHECK(E == 4);
  CHECK(K == 2);
}
