#include <doctest/doctest.h>

#include <algorithm>

#include "draws.h"
#include "moe/budget.h"
#include "moe/layer/activation.h"
#include "moe/scalar/bound.h"
#include "moe/scalar/narrow.h"

using namespace moe;

namespace {

using Draws = DrawsOf<1000>;

/// A number that may be off by e, and what an implementation may hold in its place: off by all of it, either way, or exact.
struct Uncertain {
  Bound bound;
  Narrow held;
};
Uncertain uncertain(Draws& draw, double size, double e) {
  const double v = current_profile().inside.round(size * draw()), side = draw();
  const double off = side < -0.3 ? -e : side > 0.3 ? e : 0;
  return {Bound(v, e), Narrow(v + off)};
}

/// |got - v| / e over many draws of f: at most 1, and large enough that half of e would not do.
struct Use {
  double largest = 0;
  void add(const Bound& bound, const Narrow& got) {
    const double error = std::abs(got.v - bound.v);
    REQUIRE(std::isfinite(bound.e));
    if (error > 0) largest = std::max(largest, error / bound.e);
  }
};

const std::array kOrders{Order::Sequential, Order::Pairwise, Order::Lanes32, Order::Reversed};

template <typename F>
double use_of(double size, double e, F f) {
  Draws draw;
  Use use;
  for (int i = 0; i < 4000; ++i) {
    const Uncertain a = uncertain(draw, size, e), b = uncertain(draw, size, e);
    use.add(f(a.bound, b.bound), f(a.held, b.held));
  }
  return use.largest;
}

template <typename F>
void check_curve(const F& f) {
  for (const double e : {0.0, 0x1p-20, 0x1p-7}) {
    Draws draw;
    Use use;
    for (int i = 0; i < 4000; ++i) {
      const Uncertain z = uncertain(draw, 12, e);
      use.add(smooth(f, z.bound), f(z.held));
    }
    CAPTURE(e);
    CHECK(use.largest <= 1);
    CHECK(use.largest > (e > 0 ? 0.4 : 0.01));
  }
}

}  // namespace

TEST_CASE("bound: an operator is within its bound, and uses most of it") {
  for (const char* name : {"fp32_any_order", "bf16_every_op"}) {
    const ProfileScope scope(profile_called(name));
    for (const double e : {0.0, 0x1p-17}) {
      CAPTURE(name);
      CAPTURE(e);
      const auto within = [&](auto f, double least) {
        const double use = use_of(4, e, f);
        CHECK(use <= 1);
        CHECK(use > least);
      };
      within([](const auto& a, const auto& b) { return a + b; }, 0.9);
      within([](const auto& a, const auto& b) { return a - b; }, 0.9);
      within([](const auto& a, const auto& b) { return a * b; }, 0.9);
      within([](const auto& a, const auto&) { return square(a); }, 0.9);
      within([](const auto& a, const auto& b) { return a / (b + decltype(b + b)(8)); }, 0.5);
      within([](const auto& a, const auto&) { return exp(a); }, 0.05);
      within([](const auto& a, const auto&) { return log1p(exp(a)); }, 0.05);
      within([](const auto& a, const auto&) { return erfc(a); }, 0.05);
      within([](const auto& a, const auto&) { return tanh(a); }, 0.05);
      within([](const auto& a, const auto&) { return relu(a); }, e > 0 ? 0.9 : -1);
    }
  }
}

TEST_CASE("bound: a dot and a sum are, in every order") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  for (const Order order : kOrders) {
    const OrderScope scoped(order);
    for (const Index n : {1, 2, 3, 50, 300}) {
      Draws draw;
      Use of_dot, of_sum;
      for (int i = 0; i < 400; ++i) {
        std::vector<Bound> a, b;
        std::vector<Narrow> a_held, b_held;
        for (Index j = 0; j < n; ++j) {
          const Uncertain x = uncertain(draw, 3, 0x1p-23), y = uncertain(draw, 3, 0x1p-23);
          a.push_back(x.bound), a_held.push_back(x.held), b.push_back(y.bound), b_held.push_back(y.held);
        }
        of_dot.add(dot(a.data(), b.data(), n), dot(a_held.data(), b_held.data(), n));
        of_sum.add(sum(a.data(), n), sum(a_held.data(), n));
      }
      CAPTURE(n);
      CHECK(of_dot.largest <= 1);
      CHECK(of_sum.largest <= 1);
      if (n == 1) CHECK(of_dot.largest > 0.8);
    }
  }
}

TEST_CASE("bound: the sum of no terms is exactly 0, and that of one term is that term") {
  const ProfileScope scope(profile_called("bf16_every_op"));
  const Bound one(1.25, 0.5);
  CHECK(dot(&one, &one, 0).e == 0);
  CHECK(sum(&one, 0).e == 0);
  CHECK(sum(&one, 1).e <= 0.5 * (1 + 1e-12));
}

TEST_CASE("bound: shares, log-sum-exp and deviations are, whatever moves together") {
  for (const char* name : {"fp32_any_order", "bf16_every_op"}) {
    const ProfileScope scope(profile_called(name));
    for (const Index n : {1, 2, 8, 200}) {
      Draws draw;
      Use of_softmax, of_normalize, of_lse, of_deviations;
      for (int i = 0; i < 200; ++i) {
        std::vector<Bound> z, s, p = buffer<Bound>(n), w = buffer<Bound>(n), c = buffer<Bound>(n);
        std::vector<Narrow> z_held, s_held, p_held = buffer<Narrow>(n), w_held = p_held, c_held = p_held;
        for (Index j = 0; j < n; ++j) {
          const Uncertain x = uncertain(draw, 8, 0x1p-10);
          z.push_back(x.bound), z_held.push_back(x.held);
          s.push_back(exp(Bound(x.bound.v / 8, 1e-4))),
              s_held.push_back(Narrow(s.back().v + 0.999 * s.back().e * draw()));
        }
        softmax(z.data(), n, p.data()), softmax(z_held.data(), n, p_held.data());
        normalize(s.data(), n, w.data()), normalize(s_held.data(), n, w_held.data());
        deviations(z.data(), w.data(), n, c.data()),
            deviations(z_held.data(), w_held.data(), n, c_held.data());
        for (Index j = 0; j < n; ++j) {
          of_softmax.add(at(p, j), at(p_held, j));
          of_normalize.add(at(w, j), at(w_held, j));
          of_deviations.add(at(c, j), at(c_held, j));
        }
        of_lse.add(log_sum_exp(z.data(), n), log_sum_exp(z_held.data(), n));
      }
      CAPTURE(name);
      CAPTURE(n);
      CHECK(of_softmax.largest <= 1);
      CHECK(of_normalize.largest <= 1);
      CHECK(of_lse.largest <= 1);
      CHECK(of_deviations.largest <= 1);
      if (n == 2) CHECK(of_softmax.largest > 0.1);
    }
  }
}

TEST_CASE("bound: equal deviations are within their bound as kernels compute them") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  const std::vector<double> shares{0.3, 0.2, 0.5};
  std::vector<Bound> d(3, Bound(1e4)), p, c(3);
  std::vector<Narrow> d_held(3, Narrow(1e4)), p_held, c_held(3);
  for (const double share : shares)
    p.push_back(Bound(share, 0x1p-24)), p_held.push_back(Narrow(Narrow::inside(share)));
  deviations(d.data(), p.data(), 3, c.data());
  deviations(d_held.data(), p_held.data(), 3, c_held.data());
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(c[i].v == 0);
    CHECK(std::abs(c_held[i].v) <= c[i].e);
  }
}

TEST_CASE("bound: every curve is within its bound, in any operand and with its own roundings") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  check_curve(Silu());
  check_curve(SiluSlope());
  check_curve(SigmoidSlope());
  check_curve(NormalCdf());
  check_curve(NormalDensity());
  check_curve(GeluErf());
  check_curve(GeluErfSlope());
  check_curve(GeluTanh());
  check_curve(GeluTanhSlope());
}

TEST_CASE("bound: formulas that subtract from 1 are covered, two of three by the blur alone") {
  for (const char* name : {"fp32_any_order", "bf16_every_op"}) {
    const ProfileScope scope(profile_called(name));
    const auto one = [](double x) { return current_profile().result.round(x); };
    int silu = 0, gelu = 0, tanh_gelu = 0, quick = 0;  // how often the blur is needed
    for (int i = -9 * 16; i < 12 * 16; ++i) {
      const double z = i * 0x1p-4;
      const double s = one(1 / one(1 + one(std::exp(-z))));
      const auto use = [&](const Bound& b, double blurred, double got, int& needed) {
        CAPTURE(name);
        CAPTURE(z);
        CHECK(std::abs(got - b.v) <= b.e);
        if (std::abs(got - b.v) > b.e - blurred * current_profile().result.u) ++needed;
      };
      use(smooth(SiluSlope(), Bound(z)), blur<SiluSlope>(std::abs(z)), one(s * one(1 + one(z * one(1 - s)))),
          silu);
      const QuickGeluSlope slope{1.702};
      const double w = one(one(1.702) * z), t = one(1 / one(1 + one(std::exp(-w))));
      use(smooth(slope, Bound(z)), blur(slope, std::abs(z)), one(t * one(1 + one(w * one(1 - t)))), quick);
      use(smooth(GeluErf(), Bound(z)), blur<GeluErf>(std::abs(z)),
          one(z * one(0.5 * one(1 + one(std::erf(one(z * M_SQRT1_2)))))), gelu);
      const double v = one(one(std::sqrt(2 / M_PI)) * one(z + one(one(0.044715) * one(z * one(z * z)))));
      use(smooth(GeluTanh(), Bound(z)), blur<GeluTanh>(std::abs(z)),
          one(one(0.5 * z) * one(1 + one(std::tanh(v)))), tanh_gelu);
    }
    CHECK(silu > 0);
    CHECK(quick > 0);
    CHECK(gelu == 0);  // the rule of erfc covers 1 - erf already: its argument is rounded, too
    CHECK(tanh_gelu > 0);
  }
}

TEST_CASE(
    "bound: a quotient whose denominator may be 0 has no bound, and neither has what leaves its format") {
  const ProfileScope scope(profile_called("fp16_store_fp32_acc"));
  CHECK(!std::isfinite((Bound(1) / Bound(1e-3, 1e-3)).e));
  Bound large(65000, 600);
  store(large, Tensor::y);
  CHECK(!std::isfinite(large.e));
  Bound small(65000, 10);
  store(small, Tensor::y);
  CHECK(std::isfinite(small.e));
}

TEST_CASE("bound: a store rounds once, and what it holds already not at all") {
  const ProfileScope scope(profile_called("bf16_store_fp32_acc"));
  Bound exact(1.5), other(1.01);
  store(exact, Tensor::y), store(other, Tensor::y);
  CHECK(exact.e == 0);
  CHECK(other.e >= std::abs(kBfloat16.round(1.01) - 1.01));
  CHECK(other.e < 2 * 0x1p-8);
}

TEST_CASE("bound: isolated, a stage is judged as computed and goes on as held") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  const Held held{kBfloat16, {3, 4}};
  Isolation isolation;
  isolation.held[static_cast<std::size_t>(Tensor::y)] = &held;
  Bound a(1, 0.25), b(2, 0.5), c(5, 0.125);
  {
    const IsolationScope isolated(&isolation);
    store(a, Tensor::y), store(b, Tensor::y), store(c, Tensor::expert_up);
  }
  CHECK(isolation_ == nullptr);
  CHECK(a.v == 3);
  CHECK(b.v == 4);
  CHECK(a.e >= 3 * 0x1p-8);  // returned in bf16, it may have gone on in fp32
  CHECK(c.v == 5);
  const auto& computed = isolation.computed[static_cast<std::size_t>(Tensor::y)];
  REQUIRE(computed.size() == 2);
  CHECK(computed[0].first == 1);
  CHECK(computed[1].second >= 0.5);
}

TEST_CASE("bound: what underflows is covered, whether subnormal numbers are kept or not") {
  for (const char* name :
       {"fp64_any_order", "fp32_any_order", "bf16_every_op", "fp16_store_fp32_acc", "tf32_gemm"})
    for (const bool flush : {false, true}) {
      Profile profile = profile_called(name);
      profile.flush = flush;
      const ProfileScope scope(profile);
      const double least = std::ldexp(1.0, profile.result.low);  // of the normal numbers
      const double x = 1.5 * std::sqrt(least), y = 0.375 * std::sqrt(least);
      const Bound product = Bound(x) * Bound(y), dotted = [&] {
        const Bound a(x), b(y);
        return dot(&a, &b, 1);
      }();
      const double kept = flush ? 0 : profile.result.bits == 53 ? x * y : profile.result.round(x * y);
      CAPTURE(name);
      CAPTURE(flush);
      CHECK(std::abs(kept - product.v) <= product.e);
      CHECK(std::abs(kept - dotted.v) <= dotted.e);
      CHECK(product.e >
            0.5 * (flush ? least : least * profile.result.u));  // it is the underflow that is covered
      CHECK(product.e < 1.5 * least);
    }
}

TEST_CASE("bound: operands that are truncated below the normal numbers are covered") {
  const ProfileScope scope(profile_called("tf32_gemm"));
  const Bound a(0x1.fp-136), b(0x1p100);  // a is between two subnormal numbers of that format
  Narrow a_held(a.v), b_held(b.v);
  const Bound bound = dot(&a, &b, 1);
  CHECK(dot(&a_held, &b_held, 1).v == 0x1p-36);
  CHECK(std::abs(0x1p-36 - bound.v) <= bound.e);
}
