#include "../support.h"
#include "moe/scalar/exact.h"

using namespace moe;

namespace {

/// The value, or NaN where it is not known.
double value(const Exact& a) { return approx(a); }
int bits(const Exact& a) { return a.need().bits; }

Exact sum_of(const std::vector<double>& terms) {
  const std::vector<Exact> exact(terms.begin(), terms.end());
  return sum(exact.data(), static_cast<Index>(exact.size()));
}

/// Adds the terms in every order and every grouping, each sum rounded to `digits` bits: is none of them rounded?
bool exact_in_every_order(const std::vector<double>& terms, int digits) {
  for (const double t : terms)
    if (rounded(t, digits, -2000) != t) return false;
  for (std::size_t i = 0; i < terms.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      std::vector<double> rest = terms;
      rest[j] += rest[i];
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
      if (!exact_in_every_order(rest, digits)) return false;
    }
  return true;
}

/// Small integers times powers of two, a few at a time.
std::vector<double> drawn_terms(std::uint32_t seed) {
  const Stream stream{seed, 0, 0};
  std::vector<double> terms;
  for (std::uint64_t i = 0; i < 2 + stream.word(0) % 4; ++i)
    terms.push_back(std::ldexp(static_cast<double>(stream.word(3 * i + 1) % 15) - 7,
                               static_cast<int>(stream.word(3 * i + 2) % 4)));
  return terms;
}

}  // namespace

TEST_CASE("exact: arithmetic on dyadic numbers, by hand") {
  const Exact a = 1.5, b = -0.375;
  CHECK(value(a + b) == 1.125);
  CHECK(value(a - b) == 1.875);
  CHECK(value(-b) == 0.375);
  CHECK(value(a * b) == -0.5625);
  CHECK(value(b / a) == -0.25);
  CHECK(value(square(a)) == 2.25);
  CHECK(value(sqrt(Exact(2.25))) == 1.5);
  CHECK(value(sqrt(Exact(0.5) * Exact(0.5))) == 0.5);
  CHECK(value(exp(a - a)) == 1);
  CHECK(value(log1p(a - a)) == 0);
  CHECK(value(erfc(a - a)) == 1);
  CHECK(value(tanh(a - a)) == 0);
  CHECK(value(a - a) == 0);
  CHECK(value(Exact(0x1p-1074)) == 0x1p-1074);
  CHECK(value(Exact(-0.0)) == 0);
  Exact c = a;
  c += b;
  CHECK(same(c, Exact(1.125)));
  CHECK(greater(a, b));
  CHECK(!greater(b, b));
  CHECK(!same(a, b));
}

TEST_CASE("exact: what leaves the dyadic numbers is not known, and spreads") {
  const Exact one = 1, three = 3;
  for (const Exact& a : {one / three, exp(one), log1p(one), erfc(one), tanh(one), sqrt(three), sqrt(-one),
                         pi<Exact>(), one / Exact(0), Exact(HUGE_VAL), Exact(std::nan(""))}) {
    CHECK(!a.known());
    CHECK(std::isnan(value(a)));
    for (const Exact& b : {a + one, one - a, -a, a * one, a / one, one / a, exp(a), log1p(a), sqrt(a),
                           erfc(a), relu(a), relu_slope(a), square(a), dot(&a, &one, 1), sum(&a, 1)})
      CHECK(!b.known());
    CHECK(!same(a, a));
    CHECK_THROWS_AS(greater(a, one), Undecided);
    CHECK(value(a * Exact(0)) == 0);  // a real number all the same
    CHECK(value(Exact(0) * a) == 0);
  }
}

TEST_CASE("exact: what needs more than 53 bits is not known") {
  const Exact most = 0x1p53, odd = 0x1p27 + 1;
  CHECK((most - Exact(1)).known());
  CHECK(!(most + Exact(1)).known());
  CHECK((most + Exact(2)).known());
  CHECK(!square(odd).known());
  CHECK(bits(square(Exact(0x1p26 + 1))) == 53);
  CHECK(!(most * most * most * odd + Exact(1)).known());
  CHECK(!(Exact(0x1p1000) * Exact(0x1p1000)).known());
  CHECK(!(Exact(0x1p-1000) * Exact(0x1p-1000)).known());
  CHECK(!(Exact(0x1p60) + Exact(0x1p-60)).known());
  CHECK(!sum_of({0x1p53, 1, -0x1p53, -1}).known());  // it is 0, but not in every order
}

TEST_CASE("exact: a number needs the bits of its odd part, and the exponents of its granule and its size") {
  const Need need = Exact(-5.5).need();  // 11 / 2
  CHECK(need.bits == 4);
  CHECK(need.low == -1);
  CHECK(need.high == 3);
  CHECK(bits(Exact(64)) == 1);
  CHECK(bits(Exact(0)) == 0);
  CHECK(bits(Exact(3) * Exact(5)) == 4);
  CHECK(bits(Exact(3) * Exact(0)) == 2);  // the 3 has to be there
  CHECK(bits(relu(Exact(-7))) == 3);      // and so has the sign
  CHECK(bits(relu_slope(Exact(-7))) == 3);
  CHECK(value(relu(Exact(-7))) == 0);
  CHECK(value(relu(Exact(7))) == 7);
  CHECK(value(relu_slope(Exact(7))) == 1);
  CHECK(value(relu_slope(Exact(0))) == 0);
}

TEST_CASE("exact: a sum needs the bits of its worst order") {
  CHECK(bits(sum_of({1, 1, 1})) == 2);
  CHECK(bits(sum_of({1, 1, 1, 1})) == 2);  // 4 is a power of two, 3 is not
  CHECK(bits(sum_of({16, 1, -16})) == 5);  // 17 on the way to 1
  CHECK(bits(sum_of({16, -1, -16})) == 5);
  CHECK(bits(sum_of({8, -1})) == 3);
  CHECK(bits(Exact(16) + Exact(0.5) - Exact(16)) == 6);
  CHECK(bits(Exact(8) * (Exact(2) + Exact(0.25)) + Exact(1)) == 5);  // 16 + 2 + 1: terms stay terms
  CHECK(bits(Exact(3) * (Exact(2) + Exact(2)) + Exact(4)) == 2);     // 12 + 4: not after a product
  Exact stored = Exact(16) + Exact(1) - Exact(16), output = stored;
  store(stored, Tensor::expert_hidden);
  store(output, Tensor::expert_out);
  CHECK(bits(stored + Exact(32)) == 6);  // 32 + 1
  CHECK(bits(output + Exact(32)) == 6);
  CHECK(bits(stored + Exact(15)) == 5);  // 15 + 1 is less than what it took to get there
  CHECK(bits(output + Exact(15)) == 5);  // 16 + 1 + 15
  CHECK(bits(output + Exact(16)) == 6);  // 16 + 1 + 16
}

TEST_CASE("exact: so many bits do in every order, and one less does not") {
  int too_many = 0;
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    const std::vector<double> terms = drawn_terms(seed);
    const int claim = bits(sum_of(terms));
    CAPTURE(seed);
    CHECK(exact_in_every_order(terms, claim));
    too_many += claim > 0 && exact_in_every_order(terms, claim - 1) ? 1 : 0;
  }
  CHECK(too_many <= 40);  // (E1) sees the sum of the terms, not each part of it
  for (const std::vector<double>& tight :
       {std::vector<double>{1, 1, 1}, {1, 1, 1, 1}, {16, 1, -16}, {8, -1}, {0.5, 3, 4}, {7}, {-3, -4, 8}})
    CHECK(!exact_in_every_order(tight, bits(sum_of(tight)) - 1));
}

TEST_CASE("exact: the products of a dot are terms, and rounded alone they are exact, too") {
  const std::vector<Exact> a{3, -2, 5}, b{7, 4, 0.5};
  const Exact ab = dot(a.data(), b.data(), 3);
  CHECK(value(ab) == 15.5);
  CHECK(exact_in_every_order({21, -8, 2.5}, bits(ab)));
  CHECK(!exact_in_every_order({21, -8, 2.5}, bits(ab) - 1));
  CHECK(value(dot(a.data(), a.data(), 2, 2)) == 34);
  CHECK(value(dot(a.data(), a.data(), 0)) == 0);
  const Exact long_way = Exact(16) + Exact(1) - Exact(16), one = 1;
  CHECK(bits(dot(&long_way, &one, 1) + Exact(15)) == 5);  // 1 + 15 takes 4, the 1 took 5
}

TEST_CASE("exact: equal logits share weights of 1 / K for K a power of two") {
  const std::vector<Exact> z(4, -2.5);
  std::vector<Exact> p(4);
  for (const Index n : {1, 2, 4}) {
    softmax(z.data(), n, p.data());
    for (Index i = 0; i < n; ++i) CHECK(value(at(p, i)) == 1 / static_cast<double>(n));
    CHECK(bits(p[0]) == 3);  // the logits must be equal, so they must be exact
  }
  softmax(z.data(), 3, p.data());
  CHECK(!p[0].known());
  CHECK(value(log_sum_exp(z.data(), 1)) == -2.5);
  CHECK(!log_sum_exp(z.data(), 2).known());
  CHECK(value(sigmoid(Exact(0))) == 0.5);
  CHECK(!sigmoid(Exact(1)).known());
  const std::vector<Exact> other{1, 2};
  softmax(other.data(), 2, p.data());
  CHECK(!p[0].known());
}

TEST_CASE("exact: deviations need the bits of the mean, but for one number") {
  const std::vector<Exact> half{0.5, 0.5}, d{64, 1}, one{1};
  std::vector<Exact> c(2);
  deviations(d.data(), half.data(), 2, c.data());
  CHECK(value(c[0]) == 31.5);
  CHECK(value(c[1]) == -31.5);
  CHECK(bits(c[0]) == 7);  // 64 - 1 takes six, 64 less the mean of 32.5 seven
  deviations(d.data(), one.data(), 1, c.data());
  CHECK(value(c[0]) == 0);
  CHECK(bits(c[0]) == 0);
  const std::vector<Exact> vague{Exact(1) / Exact(3), Exact(2) / Exact(3)}, none{0, 0}, same{1, 1};
  deviations(none.data(), vague.data(), 2, c.data());
  CHECK(value(c[0]) == 0);
  deviations(same.data(), vague.data(), 2, c.data());
  CHECK(!c[0].known());  // 0, but 1 less a mean that is rounded is not
}
