#include "../support.h"
#include "moe/layer/choose.h"
#include "moe/scalar/ball.h"

using namespace moe;

namespace {

const Noise kNoise{NoiseKind::GaussianLearned, 0.25};

template <typename Num = double>
NoiseTrace<Num> made_of(const std::vector<std::vector<double>>& z, const std::vector<std::vector<double>>& r,
                        const std::vector<std::vector<double>>& n) {
  return {matrix<Num>(z), matrix<Num>(r), {}, matrix<Num>(n)};
}

}  // namespace

TEST_CASE("noise: h = z + n (softplus(r) + epsilon) by hand") {
  NoiseTrace<double> a = made_of({{1, 2}}, {{0, 800}}, {{2, -0.5}});
  const Matrix<double> h = noise_forward(kNoise, a);
  CHECK(std::abs(h(0, 0) - (1.5 + 2 * kLn2)) <= 4 * kUnit);
  CHECK(h(0, 1) == 2 - 0.5 * 800.25);
  CHECK(a.scale(0, 1) == 800.25);
  CHECK(std::abs(softplus(-800.0)) <= 0x1p-1000);
  CHECK(std::abs(softplus(1.0) - softplus(-1.0) - 1) <= 2 * kUnit);
}

TEST_CASE("noise: a fixed scale, and exact sums that tie") {
  const Noise fixed{.kind = NoiseKind::GaussianFixed, .scale = 0.5};
  NoiseTrace<double> a{matrix({{1, 0.5, 0}}), {}, {}, matrix({{0, 1, 3}})};
  const Matrix<double> h = noise_forward(fixed, a);
  CHECK(h == matrix({{1, 1, 1.5}}));
  CHECK(a.scale == matrix({{0.5, 0.5, 0.5}}));
  const auto key = noisy_keys(fixed, a, h, 0);
  CHECK((tied(key[0], key[1]) && !tied(key[0], key[2])));
}

TEST_CASE("noise: (N2) it ranks all choices, or those after the first, and equal noisy logits tie") {
  const Matrix<double> z = matrix({{2, 1, 0, 0.5}}), h = ranked_forward(z, matrix({{-5, 1, 2, 0}}));
  CHECK(h == matrix({{-3, 2, 2, 0.5}}));
  const auto chosen = [&](NoisyChoices choices) {
    const Noise noise{.kind = NoiseKind::Gumbel, .choices = choices};
    return best(gumbel_keys(noise, row(z, 0), row(h, 0), 4), 3, all_open(4));
  };
  CHECK(chosen(NoisyChoices::All) == std::vector<Index>{1, 2, 3});
  CHECK(chosen(NoisyChoices::Second) == std::vector<Index>{0, 1, 2});
}

TEST_CASE("noise: (N3) jitter multiplies what is seen, and its gradient") {
  CHECK(jittered(matrix({{2, -3}, {0.5, 1}}), matrix({{0.5, 2}, {4, 0}})) == matrix({{1, -6}, {2, 0}}));
}

TEST_CASE("noise: the gradient of r by hand") {
  const NoiseTrace<double> a = made_of({{0, 0}}, {{0, 0}}, {{2, -1}});
  CHECK(noise_backward(a, matrix({{3, 5}}), matrix({{1, 0}})) == matrix({{3.5, -2.5}}));
}

TEST_CASE("noise: what is equal in truth ties for balls, and nothing else does") {
  Ball::bits = 128;
  // All h are equal to the first: one by one, with the opposite r, and not at all.
  NoiseTrace<Ball> a = made_of<Ball>({{1, 1, 1.375, 1.5}}, {{0.75, 0.75, -0.75, 0.75}}, {{0.5, 0.5, 0.5, 0}});
  const Matrix<Ball> h = noise_forward(kNoise, a);
  const std::vector<Key<Ball>> key = noisy_keys(kNoise, a, h, 0);
  CHECK(tied(key[0], key[1]));
  CHECK(tied(key[0], key[2]));
  CHECK(!tied(key[0], key[3]));
  CHECK(overlap(h(0, 0), h(0, 2)));
  CHECK(!overlap(h(0, 0), h(0, 3)));
  const NoisyChoice choice = choose_noisy(kNoise, a, h, 2);
  CHECK(choice.expert == ids({{0, 1}}));
  CHECK(choice.runner_up == std::vector<std::int32_t>{2});
}

TEST_CASE("noise: where it is 0 the scale does not matter") {
  NoiseTrace<double> a = made_of({{1, 1, 3}}, {{5, -5, 0}}, {{0, 0, -1}});
  const Matrix<double> h = noise_forward(kNoise, a);
  CHECK(tied(noisy_key(kNoise, a, h(0, 0), 0, 0), noisy_key(kNoise, a, h(0, 1), 0, 1)));
  CHECK(choose_noisy(kNoise, a, h, 3).expert == ids({{2, 0, 1}}));
  CHECK(choose_noisy(kNoise, a, h, 3).runner_up.empty());
}
