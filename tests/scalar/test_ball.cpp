#include "../support.h"
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
