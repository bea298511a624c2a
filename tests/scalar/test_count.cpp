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

Config size_of(const std::string& preset, const char* glu) {
  if (preset == "gshard") return small(preset, {glu, "shape.num_groups=1"});
  if (preset == "deepseek_v3")
    return small(preset,
                 {glu, "shape.top_k=2", "router.n_group=2", "router.topk_group=1", "shared.ffn_size=3"});
  return small(preset, {glu});
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
  for (const char* preset : {"dense", "shazeer2017", "gshard", "switch", "mixtral", "deepseek_v3"})
    for (const char* glu : {"experts.glu=true", "experts.glu=false"}) {
      const Config config = size_of(preset, glu);
      CAPTURE(preset);
      CAPTURE(glu);
      const auto [T, D, F, E, K] = Letters(config);
      const Index N = decide(config, params_of<double>(config, seeded_inputs(config))).plan.N();
      const Index matrices = config.experts.glu ? 3 : 2,
                  router = !has_router(config) ? 0
                           : learns_noise(config) ? 2 * T * E * D
                                               : T * E * D,
                  shared = has_shared(config) ? T * matrices * D * config.shared.ffn_size : 0;
      // Forward: the experts' matrices, the router (and its noise), the combine, the shared expert, and <y, dy>. Backward: twice the matrices and the
      // router; per row <out, dy> and w dy.
      const Index forward = N * matrices * D * F + router + shared + N * D + T * D;
      CHECK(counted(config, false) == forward);
      CHECK(counted(config, true) == forward + 2 * (N * matrices * D * F + router + shared) + 2 * N * D);
    }
}
