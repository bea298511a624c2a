#include <Eigen/Core>

#include "activation.h"
#include "layers.h"
#include "number.h"
#include "select.h"

using namespace moe;
using cuda::Bf16, cuda::Half, cuda::narrow, cuda::same_bits, cuda::widen;

TEST_CASE("cuda numbers: a half and a bfloat16 of every pattern are what Eigen says they are") {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits);
    const float half = static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(low));
    const float brain = static_cast<float>(Eigen::numext::bit_cast<Eigen::bfloat16>(low));
    const bool same_half = widen(Half{low}) == half || (half != half && widen(Half{low}) != widen(Half{low}));
    const bool same_brain =
        widen(Bf16{low}) == brain || (brain != brain && widen(Bf16{low}) != widen(Bf16{low}));
    if (!same_half || !same_brain) CHECK(bits == 0);
    if (half == half) CHECK(narrow<Half>(half).bits == low);
    if (brain == brain) CHECK(narrow<Bf16>(brain).bits == low);
  }
}

TEST_CASE("cuda numbers: floats are rounded to nearest, ties to even, as Eigen does") {
  const Stream stream{1, 1, 0};
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    std::uint32_t bits = stream.word(i);
    if (i % 3 == 0) bits &= 0xffffe000U;                        // no half has more digits
    if (i % 3 == 1) bits = (bits & 0xffffe000U) | 0x00001000U;  // ties
    if (i % 2 == 0) bits = (bits & 0x8fffffffU) | 0x30000000U;  // in the range of halves
    const float x = same_bits<float>(bits);
    if (x != x) {
      CHECK(widen(narrow<Half>(x)) != widen(narrow<Half>(x)));
      CHECK(widen(narrow<Bf16>(x)) != widen(narrow<Bf16>(x)));
      continue;
    }
    if (narrow<Half>(x).bits != Eigen::numext::bit_cast<std::uint16_t>(Eigen::half(x))) CHECK(x == 0);
    if (narrow<Bf16>(x).bits != Eigen::numext::bit_cast<std::uint16_t>(Eigen::bfloat16(x))) CHECK(x == 0);
  }
}

TEST_CASE("cuda numbers: keys are in the order of numbers, then of smaller indices, and NaN is last") {
  const double nan = std::nan(""), infinity = HUGE_VAL;
  const std::vector<double> falling{infinity, 1e300, 1, 0x1p-1074, 0, -0x1p-1074, -1, -infinity};
  for (std::size_t i = 0; i + 1 < falling.size(); ++i) {
    CHECK(cuda::Key<double>::of(falling[i + 1], 0) < cuda::Key<double>::of(falling[i], 9));
    CHECK(!(cuda::Key<double>::of(falling[i], 9) < cuda::Key<double>::of(falling[i + 1], 0)));
  }
  const auto ranks = [&](auto zero) {
    using Num = decltype(zero);
    const auto key = [](double x, Index i) { return cuda::Key<Num>::of(static_cast<Num>(x), i); };
    CHECK(key(1, 3) < key(1, 2));
    CHECK(key(0, 3) < key(-0.0, 2));
    CHECK(key(-0.0, 3) < key(0, 2));
    CHECK(key(nan, 0) < key(-infinity, 4095));
    CHECK(key(-nan, 0) < key(-infinity, 4095));
    CHECK(key(nan, 1) < key(-nan, 0));
    CHECK(cuda::Key<Num>() < key(nan, 0x7fffffff));
    CHECK(key(infinity, 0) < cuda::Key<Num>::above_all());
    for (const Index i : {Index{0}, Index{77}, Index{0x7fffffff}}) CHECK(key(-2, i).index() == i);
  };
  ranks(0.0F), ranks(0.0);
}

TEST_CASE("cuda numbers: activations and slopes are those of the layer") {
  for (const Activation activation : {Activation::Relu, Activation::GeluErf, Activation::GeluTanh,
                                      Activation::Silu, Activation::Identity, Activation::Relu2})
    for (double z = -12; z <= 12; z += 0.03125) {
      const double value = moe::activate(activation, z), slope = moe::activate_slope(activation, z);
      // What exp and erfc are asked for is off by a few units of itself, and moves them by so many times |z| or z^2.
      const double few = (16 + 4 * z * z) * kUnit;
      CHECK(std::abs(cuda::activate(activation, z) - value) <= few * std::abs(value));
      CHECK(std::abs(cuda::activate_slope(activation, z) - slope) <= few * (std::abs(slope) + std::abs(z)));
    }
}
