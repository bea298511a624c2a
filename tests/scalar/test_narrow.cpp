#include <doctest/doctest.h>

#include "moe/budget.h"
#include "moe/random.h"
#include "moe/scalar/narrow.h"

using namespace moe;

namespace {

double draw(std::uint64_t i) {
  return static_cast<double>(static_cast<std::int32_t>(Stream{kDefaultSeed, 1001, 0}.word(i))) * 0x1p-31;
}
float as_float(double x) { return static_cast<float>(x); }

}  // namespace

TEST_CASE("narrow: in fp32 it is float, operator by operator") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const float a = as_float(draw(2 * i)), b = as_float(draw(2 * i + 1));
    const Narrow x(static_cast<double>(a)), y(static_cast<double>(b));
    CHECK((x + y).v == static_cast<double>(a + b));
    CHECK((x - y).v == static_cast<double>(a - b));
    CHECK((x * y).v == static_cast<double>(a * b));
    CHECK((x / y).v == static_cast<double>(a / b));
  }
}

TEST_CASE("narrow: a dot in each order is that order in float") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  std::vector<Narrow> a, b;
  std::vector<float> product;
  for (std::uint64_t i = 0; i < 100; ++i) {
    a.emplace_back(static_cast<double>(as_float(draw(2 * i))));
    b.emplace_back(static_cast<double>(as_float(draw(2 * i + 1))));
    product.push_back(as_float(a.back().v) * as_float(b.back().v));
  }
  const auto in_order = [&](Order order) {
    const OrderScope scoped(order);
    return dot(a.data(), b.data(), 100).v;
  };
  float forwards = 0, backwards = 0, lanes = 0;
  for (std::size_t i = 0; i < 100; ++i) forwards += product[i], backwards += product[99 - i];
  for (std::size_t lane = 0; lane < 32; ++lane) {
    float of_lane = 0;
    for (std::size_t i = lane; i < 100; i += 32) of_lane += product[i];
    lanes += of_lane;
  }
  CHECK(in_order(Order::Sequential) == static_cast<double>(forwards));
  CHECK(in_order(Order::Reversed) == static_cast<double>(backwards));
  CHECK(in_order(Order::Lanes32) == static_cast<double>(lanes));
  CHECK(in_order(Order::Pairwise) != in_order(Order::Sequential));
  CHECK(Narrow::order == Order::Sequential);
}

TEST_CASE("narrow: a profile that rounds results rounds them, and a store what it keeps") {
  const ProfileScope scope(profile_called("bf16_every_op"));
  CHECK((Narrow(1) + Narrow(0x1p-9)).v == 1);
  CHECK((Narrow(1) + Narrow(0x1p-7)).v == 1 + 0x1p-7);
  const std::vector<Narrow> one{{1}, {1}}, small{{1}, {0x1p-9}};
  CHECK(dot(one.data(), small.data(), 2).v == 1);
  Narrow kept(1 + 0x1p-9);
  store(kept, Tensor::y);
  CHECK(kept.v == 1);
}

TEST_CASE("narrow: factors of tf32 are truncated, not rounded") {
  const ProfileScope scope(profile_called("tf32_gemm"));
  const Narrow one(1), above(1 + 0x1.8p-11), below(-1 - 0x1.8p-11), fits(1 + 0x1p-10);
  CHECK(dot(&one, &above, 1).v == 1);
  CHECK(dot(&one, &below, 1).v == -1);
  CHECK(dot(&one, &fits, 1).v == 1 + 0x1p-10);
}
