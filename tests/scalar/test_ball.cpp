#include "../support.h"
#include "moe/random.h"
#include "moe/scalar/ball.h"

using namespace moe;

TEST_CASE("ball: exact operations stay exact, others enclose") {
  Ball::bits = 128;
  const Ball third = Ball(1) / Ball(3);
  CHECK(same(Ball(0.5) + Ball(0.25), Ball(0.75)));
  CHECK(!same(third, third));
  CHECK(overlap(third * Ball(3), Ball(1)));
  CHECK(!overlap(third, Ball(1.0 / 3)));
  CHECK(correctly_rounded(third).value() == 1.0 / 3);
}

TEST_CASE("ball: functions against identities that share nothing with them") {
  Ball::bits = 128;
  const Ball x(0.7), tiny = Ball::power_of_two(-110);
  const auto agree = [&](const Ball& a, const Ball& b) {
    return overlap(a, b) && greater(tiny, a - b) && greater(a - b, -tiny);
  };
  CHECK(agree(log1p(exp(x) - Ball(1)), x));
  CHECK(agree(square(sqrt(x)), x));
  CHECK(agree(exp(x) * exp(-x), Ball(1)));
  CHECK(agree(erfc(x) + erfc(-x), Ball(2)));
  CHECK(agree(tanh(x), Ball(2) * sigmoid(Ball(2) * x) - Ball(1)));
  CHECK(std::abs(approx(erfc(x)) - std::erfc(0.7)) <= 4 * kUnit);
  CHECK(std::abs(approx(pi<Ball>()) - std::numbers::pi) <= 4 * kUnit);
  CHECK(agree(square(x), x * x));
}

TEST_CASE("ball: an order that overlaps is undecided, an exact tie is not greater") {
  Ball::bits = 128;
  const Ball third = Ball(1) / Ball(3);
  CHECK(greater(Ball(2), Ball(1)));
  CHECK(!greater(Ball(1), Ball(2)));
  CHECK(!greater(Ball(1), Ball(1)));
  CHECK_THROWS_AS(greater(third, third), Undecided);
}

TEST_CASE("ball: both ends must round alike") {
  Ball::bits = 128;
  const Ball midpoint = Ball(1) + Ball::power_of_two(-53);  // exactly between 1 and its successor: to even
  CHECK(correctly_rounded(midpoint).value() == 1);
  const Ball blurred = midpoint * (Ball(1) / Ball(3)) * Ball(3);
  CHECK(!correctly_rounded(blurred));
  const Ball::Interval ends = enclosing_doubles(blurred);
  CHECK(ends.low == 1);
  CHECK(ends.high == 1 + 2 * 0x1p-53);
}

TEST_CASE("ball: enclosing doubles lie outside, not at the nearest") {
  Ball::bits = 128;
  const Ball::Interval third = enclosing_doubles(Ball(1) / Ball(3));
  CHECK(third.low == 1.0 / 3);
  CHECK(third.high == std::nextafter(1.0 / 3, 1.0));
}

TEST_CASE("ball: a sum of no products is zero, wherever it is not") {
  CHECK(same(dot(static_cast<const Ball*>(nullptr), nullptr, 0), Ball(0)));
}

TEST_CASE("ball: exponents beyond binary64") {
  CHECK(exponent_of(Ball(1)) == 1);
  CHECK(exponent_of(Ball::power_of_two(-5000)) == -4999);
  CHECK(exponent_of(exp(Ball(0x1p62))) == INT32_MAX);
}

TEST_CASE("ball: subnormals, underflow and overflow round as binary64 does, and a zero has no sign") {
  Ball::bits = 128;
  CHECK(correctly_rounded(Ball::power_of_two(-1074)).value() == 0x1p-1074);
  CHECK(correctly_rounded(Ball(3) * Ball::power_of_two(-1075)).value() == 0x1p-1073);
  for (const Ball& tiny : {Ball(0), -Ball::power_of_two(-2000), exp(Ball(-1000000.5))}) {
    const double zero = correctly_rounded(tiny).value();
    CHECK(zero == 0);
    CHECK(!std::signbit(zero));
  }
  CHECK(std::isinf(correctly_rounded(exp(Ball(1000))).value()));
  CHECK(!correctly_rounded(Ball(1) / (Ball(1) - exp(Ball(0)) * Ball(1))));  // 1 / 0 encloses everything
}

TEST_CASE("ball: a floor is known where the whole ball agrees") {
  Ball::bits = 128;
  CHECK(unique_floor(Ball(2.75)).value() == 2);
  CHECK(unique_floor(Ball(-0.5)).value() == -1);
  CHECK(!unique_floor(Ball(1) / Ball(3) * Ball(3)));
  CHECK(!unique_floor(exp(Ball(100))));  // beyond a long
}

TEST_CASE("ball: dot is the sum of the products it names") {
  Ball::bits = 128;
  const Ball a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
  CHECK(same(dot(a, b, 4), Ball(70)));
  CHECK(same(dot(a, b, 2, 2), Ball(26)));
  CHECK(same(dot(a, b, 0), Ball(0)));
}

TEST_CASE("ball: a double becomes the same ball in place, whatever stood there") {
  Ball::bits = 400;
  const Ball long_one = Ball(1) / Ball(3), far = Ball::power_of_two(slong{1} << 61) * Ball::power_of_two(1);
  for (const double x :
       {0.0, 1.0, -1.0, 0.1, -0x1.fffffffffffffp1023, 0x1p-1022, 0x0.fffffffffffffp-1022, -0x1p-1074})
    for (const Ball& before : {Ball(), Ball(7), long_one, far}) {
      Ball after = before;
      after = x;
      CHECK(correctly_rounded(after).value() == x);
      CHECK(same(after, Ball(x)));
      CHECK(same(after * Ball(2), Ball(x) + Ball(x)));
    }
  Ball none;
  none = HUGE_VAL;
  CHECK(std::isinf(correctly_rounded(none).value()));
  Ball::bits = 128;
}

namespace {

/// sum_i a_i b_i by an operation each, at a precision at which nothing of these is rounded.
Ball exact_sum(const std::vector<Ball>& a, const std::vector<Ball>& b, Index step) {
  const Bits all(20000);
  Ball sum(0);
  for (std::size_t i = 0; i < a.size(); i += static_cast<std::size_t>(step)) sum += a[i] * b[i];
  return sum;
}

/// An exact number of `digits` significant bits at most, with an exponent drawn from [-far, far]; sometimes 0.
Ball drawn(const Stream& stream, std::uint64_t i, int digits, int far) {
  const auto word = stream.word(2 * i);
  const double size = static_cast<double>(word >> (32 - digits));
  const auto exponent = static_cast<slong>(stream.word(2 * i + 1) % static_cast<std::uint32_t>(2 * far + 1));
  return Ball(word % 16 == 0 ? 0.0 : (word % 2 == 0 ? size : -size)) * Ball::power_of_two(exponent - far);
}

}  // namespace

TEST_CASE("ball: dot of short exact operands is the exact sum, of any others it is around it") {
  for (const slong bits : {64, 128, 400})
    for (const int digits : {1, 8, 24, 31, 32})
      for (const int far : {0, 3, 12, 40, 3000}) {
        const Bits precision(bits);
        CAPTURE(bits);
        CAPTURE(digits);
        CAPTURE(far);
        for (const Index n : {1, 2, 3, 7, 64, 1000})
          for (const Index step : {1, 2}) {
            const Stream stream{static_cast<std::uint64_t>(n + step), static_cast<std::uint32_t>(digits),
                                static_cast<std::uint32_t>(far)};
            std::vector<Ball> a, b;
            for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(n * step); ++i) {
              a.push_back(drawn(stream, i, digits, far));
              b.push_back(drawn(stream, i + 10000, digits, far));
            }
            const Ball sum = dot(a.data(), b.data(), n, step), exact = exact_sum(a, b, step);
            CHECK(overlap(sum, exact));
            // 31 + 31 digits, 2 far exponents to either side, and the length fit an integer, and 128 bits.
            if (bits >= 128 && digits <= 31 && far <= 3) CHECK(same(sum, exact));
            const Bits more(20000);
            CHECK(greater(Ball::power_of_two(-bits / 2) * (Ball(1) + square(exact)), square(sum - exact)));
          }
      }
}

TEST_CASE("ball: integers are not left at the largest sum that fits, nor beyond it") {
  Ball::bits = 128;
  const double most = 0x7fffffff;  // 31 bits
  for (const Index n : {1, 3, 7, 8, 127, 128, 4095})
    for (slong apart = 0; apart <= 70; ++apart) {
      // The first product is small; the others are all alike and as large as they can be.
      std::vector<Ball> a(static_cast<std::size_t>(n), Ball(most) * Ball::power_of_two(apart));
      std::vector<Ball> b(a.size(), Ball(-most));
      a[0] = Ball(most);
      CHECK(overlap(dot(a.data(), b.data(), n), exact_sum(a, b, 1)));
      a[0] = a.back() * Ball::power_of_two(apart);
      CHECK(overlap(dot(a.data(), b.data(), n), exact_sum(a, b, 1)));
    }
}

TEST_CASE(
    "ball: short exact operands cancel exactly at any precision, an inexact one is never taken for exact") {
  const Bits few(16);
  const Ball a[] = {0x1p30, 1, -0x1p30, 0}, ones[] = {1, 1, 1, 1};
  CHECK(same(dot(a, ones, 4), Ball(1)));
  CHECK(same(dot(a + 3, ones, 1), Ball(0)));
  const Ball third = Ball(1) / Ball(3), about_zero = third - third;
  for (const Ball& blurred : {about_zero, Ball(1) + about_zero}) {
    const Ball both[] = {blurred, 1};
    const Ball sum = dot(both, ones, 2);
    CHECK(!same(sum, sum));
    CHECK(overlap(sum, blurred + Ball(1)));
    CHECK(overlap(dot(ones, both, 2), blurred + Ball(1)));
  }
  const Ball far[] = {Ball::power_of_two(slong{1} << 50), 1},
             near[] = {Ball::power_of_two(-(slong{1} << 50)), 1};
  CHECK(overlap(dot(far, near, 2), Ball(2)));
}
