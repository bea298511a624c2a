#include "../support.h"
#include "moe/scalar/count.h"

using namespace moe;

namespace {

Index counted(const Config& config, bool backward) {
  Count::multiply_adds = 0;
  const Inputs inputs = seeded_inputs(config);
  const auto params = params_of<Count>(config, inputs);
  const Decisions decisions = decide(config, params_of<double>(config, inputs));
  const Trace<Count> trace = layer_forward(config, params, decisions);
  if (backward) layer_backward(config, params, trace, [](Index, auto&&) {});
  return Count::multiply_adds;
}

}  // namespace

TEST_CASE("count: dot and scale count their terms, everything else counts apart") {
  const Count a[] = {1, 2, 3}, b[] = {4, 5, 6};
  Count c[3];
  Count::multiply_adds = Count::other = 0;
  CHECK(dot(a, b, 3).v == 32);
  scale(Count(2), a, 3, c);
  CHECK(c[2].v == 6);
  CHECK(Count::multiply_adds == 6);
  CHECK(Count::other == 0);
  CHECK((exp(a[0] * b[0]) - a[1]).v == std::exp(4.0) - 2);
  CHECK(Count::multiply_adds == 6);
  CHECK(Count::other == 3);
}

TEST_CASE("count: every preset does exactly the multiply-adds of its closed form") {
  for (const char* preset : {"dense", "switch", "mixtral"})
    for (const char* glu : {"experts.glu=true", "experts.glu=false"}) {
      const Config config = small(preset, {glu});
      CAPTURE(preset);
      CAPTURE(glu);
      const auto [T, D, F, E, K] = Letters(config);
      const Index N = decide(config, params_of<double>(config, seeded_inputs(config))).plan.N();
      const Index matrices = config.experts.glu ? 3 : 2, router = has_router(config) ? T * E * D : 0;
      // Forward: the experts' matrices, the router, the combine, and <y, dy>. Backward: twice the matrices and the
      // router; per row <out, dy> and w dy.
      const Index forward = N * matrices * D * F + router + N * D + T * D;
      CHECK(counted(config, false) == forward);
      CHECK(counted(config, true) == forward + 2 * (N * matrices * D * F + router) + 2 * N * D);
    }
}
