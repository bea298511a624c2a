#include "../support.h"
#include "moe/budget.h"
#include "moe/layer/remaining.h"
#include "moe/scalar/bound.h"

using namespace moe;

namespace {

Router quarter() {
  Router router;
  router.renorm = Renorm::Sparsemixer;
  router.sparsemixer_jitter = 0.125;
  return router;
}
Members near(const std::vector<double>& z, const std::vector<std::int32_t>& chosen, Index k) {
  return near_choice(quarter(), z.data(), static_cast<Index>(z.size()), chosen.data(), k).members;
}
std::vector<double> softmax_of(const std::vector<double>& z) {
  std::vector<double> s(z.size());
  softmax(z.data(), static_cast<Index>(z.size()), s.data());
  return s;
}
std::vector<double> weights(const std::vector<double>& z, const std::vector<std::int32_t>& chosen) {
  std::vector<double> p(chosen.size());
  remaining_forward(quarter(), z.data(), softmax_of(z).data(), static_cast<Index>(z.size()), chosen.data(),
                    static_cast<Index>(chosen.size()), p.data());
  return p;
}

}  // namespace

TEST_CASE("remaining: (R8) who is near, by hand") {
  CHECK(near({4, 3.5, 3.25, 0}, {0, 1}, 0) == Members{0, 1, 2});
  CHECK(near({4, 3.5, 3.25, 0}, {0, 1}, 1) == Members{1, 2});
  CHECK(near({4, 3, 2.25, 0}, {0, 1}, 0) == Members{0, 1});     // exactly as far as may be
  CHECK(near({-4, -5, -5.5, -8}, {0, 1}, 0) == Members{0, 1});  // 1 <= 5 / 4, but 1.5 > 5.5 / 4
  CHECK(near({0, 0, -1, -2}, {0, 1}, 0) == Members{0, 1});      // 0 <= 0, and 1 > 1 / 4
  CHECK(near({8, 6.5, 5.5, 0}, {0, 1}, 1) == Members{1, 2});    // which the first was not near
  CHECK(near({2, 2, 2, 2}, {0, 1, 2, 3}, 3) == Members{3});
  CHECK(near({2, 2, 2, 2}, {0, 0}, 1) == Members{0, 1, 2, 3});  // what nobody should choose
}

TEST_CASE("remaining: (R8) shares are of those that are left") {
  const std::vector<double> p = weights({4, 3.5, 3.25, 0}, {0, 1});
  CHECK(std::abs(p[0] - 1 / (1 + std::exp(-0.5) + std::exp(-0.75))) <= 2 * kUnit);
  CHECK(std::abs(p[1] - 1 / (1 + std::exp(-0.25))) <= 2 * kUnit);
  CHECK(weights({4, 2, 1, 0}, {0, 1}) == std::vector<double>{1, 1});
}

TEST_CASE("remaining: (R8') the gradients are what differences say, and 0 for those that are far") {
  const std::vector<double> z{4, 3.5, 3.25, 0}, dp{3, -2};
  const std::vector<std::int32_t> chosen{0, 1};
  const std::vector<double> s = softmax_of(z);
  std::vector<double> ds(4, 0.0), dz(4, 0.0);
  remaining_backward(quarter(), z.data(), s.data(), 4, chosen.data(), 2, dp.data(), ds.data(), dz.data());
  for (std::size_t j = 0; j < 4; ++j) {
    const double h = 0x1p-20;
    std::vector<double> above = z, below = z;
    above[j] += h, below[j] -= h;
    double slope = 0;
    for (std::size_t k = 0; k < 2; ++k)
      slope += dp[k] * (weights(above, chosen)[k] - weights(below, chosen)[k]) / (2 * h);
    CHECK(std::abs(dz[j] - slope) <= 1e-9);
  }
  CHECK((dz[3] == 0 && ds[3] == 0));
  // As functions of the scores: 3 s_0 / (s_0 + s_1 + s_2) - 2 s_1 / (s_1 + s_2)
  const double a = s[0] + s[1] + s[2], b = s[1] + s[2];
  CHECK(std::abs(ds[0] - 3 * b / (a * a)) <= 1e-14 * std::abs(ds[0]));
  CHECK(std::abs(ds[2] - (-3 * s[0] / (a * a) + 2 * s[1] / (b * b))) <= 1e-14 * std::abs(ds[2]));
}

TEST_CASE("remaining: what rounding may put on the other side is covered") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  const std::vector<Bound> z{{4, 0}, {3, 1e-6}, {1, 0}}, s(3, Bound(0.25));
  const std::int32_t chosen = 0;
  const Near near = near_choice(quarter(), z.data(), 3, &chosen, 0);
  CHECK(near.members == Members{0, 1});
  CHECK(near.perhaps == std::vector<Members>{{0}});
  Bound p;
  remaining_forward(quarter(), z.data(), s.data(), 3, &chosen, 1, &p);
  CHECK(p.v + p.e >= 1);
  const std::vector<Bound> far{{4, 0}, {2.5, 1e-6}, {1, 0}};
  CHECK(near_choice(quarter(), far.data(), 3, &chosen, 0).perhaps.empty());
}
