#include <doctest/doctest.h>

#include "draws.h"
#include "moe/budget.h"
#include "moe/layer/activation.h"
#include "moe/scalar/narrow.h"
#include "moe/scalar/spread.h"

using namespace moe;

namespace {

using SpreadDraws = DrawsOf<1002>;

/// The root mean square of error / sigma over many draws of f(SpreadDraws&) -> {Spread, Narrow}.
template <typename F>
double rms_of(F f, int draws = 4000) {
  SpreadDraws draw;
  double squares = 0;
  for (int i = 0; i < draws; ++i) {
    const auto [spread, got] = f(draw);
    REQUIRE(spread.var > 0);
    squares += (got.v - spread.v) * (got.v - spread.v) / spread.var;
  }
  return std::sqrt(squares / draws);
}

/// Numbers that a bf16 store has left, and what they would have been.
struct Stored {
  std::vector<Spread> spread;
  std::vector<Narrow> narrow;
  Stored(SpreadDraws& draw, Index n, double low, double high) {
    for (Index i = 0; i < n; ++i) {
      const double v = low + (high - low) * (draw() + 1) / 2;
      spread.emplace_back(v), narrow.emplace_back(v);
      store(spread.back(), Tensor::y), store(narrow.back(), Tensor::y);
    }
  }
};

}  // namespace

TEST_CASE("spread: what stored numbers make of their roundings is what is seen of it") {
  const ProfileScope scope(profile_called("bf16_store_fp32_acc"));
  const auto near_one = [](double rms) {
    CHECK(rms > 0.85);
    CHECK(rms < 1.15);
  };
  for (const double low : {-1.0, 0.5}) {
    CAPTURE(low);
    const auto two = [&](SpreadDraws& draw) { return Stored(draw, 2, low, 1); };
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored s = two(d);
      return std::pair(s.spread[0], s.narrow[0]);
    }));
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored s = two(d);
      return std::pair(s.spread[0] + s.spread[1], s.narrow[0] + s.narrow[1]);
    }));
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored s = two(d);
      return std::pair(s.spread[0] * s.spread[1], s.narrow[0] * s.narrow[1]);
    }));
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored s = two(d);
      return std::pair(square(s.spread[0]), square(s.narrow[0]));
    }));
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored s = two(d);
      return std::pair(exp(s.spread[0]), exp(s.narrow[0]));
    }));
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored s = two(d);
      return std::pair(smooth(Silu(), s.spread[0]), smooth(Silu(), s.narrow[0]));
    }));
    near_one(rms_of(
        [&](SpreadDraws& d) {
          const Stored a(d, 60, low, 1), b(d, 60, -1, 1);
          return std::pair(dot(a.spread.data(), b.spread.data(), 60),
                           dot(a.narrow.data(), b.narrow.data(), 60));
        },
        1000));
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored z(d, 6, low, 1);
      Spread p[6];
      Narrow q[6];
      softmax(z.spread.data(), 6, p), softmax(z.narrow.data(), 6, q);
      return std::pair(p[2], q[2]);
    }));
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored z(d, 6, low, 1);
      return std::pair(log_sum_exp(z.spread.data(), 6), log_sum_exp(z.narrow.data(), 6));
    }));
    near_one(rms_of([&](SpreadDraws& d) {
      const Stored z(d, 6, low, 1), s(d, 6, 0.1, 1);
      Spread w[6], c[6];
      Narrow v[6], e[6];
      normalize(s.spread.data(), 6, w), normalize(s.narrow.data(), 6, v);
      deviations(z.spread.data(), w, 6, c), deviations(z.narrow.data(), v, 6, e);
      return std::pair(c[3], e[3]);
    }));
  }
}

TEST_CASE("spread: a store of what it holds already adds nothing") {
  const ProfileScope scope(profile_called("bf16_store_fp32_acc"));
  Spread a(1.01);
  store(a, Tensor::expert_up);
  const double once = a.var;
  CHECK(once == Spread::uniform(1.01, kBfloat16));
  Spread copied = relu(a);
  store(copied, Tensor::expert_hidden);
  CHECK(copied.var == once);
  Spread summed = sum(&a, 1);
  store(summed, Tensor::y);
  CHECK(summed.var == once);
  Spread other = a + a;
  const double moved = other.var;
  store(other, Tensor::y);
  CHECK(other.var > moved);
}

TEST_CASE("spread: sums that drift spread more than sums that wander, as they do") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  const OrderScope order(Order::Sequential);
  const auto rms = [&](double low) {
    return rms_of(
        [&](SpreadDraws& draw) {
          std::vector<Spread> a;
          std::vector<Narrow> b;
          for (int i = 0; i < 2000; ++i)
            a.emplace_back(Narrow::inside(low + (1 - low) * (draw() + 1) / 2)), b.emplace_back(a.back().v);
          return std::pair(sum(a.data(), 2000), sum(b.data(), 2000));
        },
        200);
  };
  for (const double low : {-1.0, 0.0}) {
    CAPTURE(low);
    CHECK(rms(low) < 1.2);
    CHECK(rms(low) > 0.3);
  }
}

TEST_CASE("spread: products that are not normal are rounded to the spacing of those") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  for (const double size : {1e-22, 1e-21, 1e-19}) {
    const double rms = rms_of([&](SpreadDraws& draw) {
      std::vector<Spread> a, b;
      std::vector<Narrow> c, d;
      for (Index i = 0; i < 5; ++i) {
        const auto x = static_cast<double>(static_cast<float>(size * draw())),
                   y = static_cast<double>(static_cast<float>(size * draw()));
        a.emplace_back(x), b.emplace_back(y), c.emplace_back(x), d.emplace_back(y);
      }
      return std::pair(dot(a.data(), b.data(), 5), dot(c.data(), d.data(), 5));
    });
    CAPTURE(size);
    CHECK(rms > 0.7);
    CHECK(rms < 1.3);
  }
}
