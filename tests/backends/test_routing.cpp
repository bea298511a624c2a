#include "../support.h"
#include "backends/cpu/choose.h"
#include "moe/layer/choose.h"
#include "moe/layer/score.h"
#include "moe/random.h"

using namespace moe;

namespace {

constexpr double kUlp = 0x1p-52;

/// n numbers within [-size, size], some of them equal.
std::vector<double> logits(Index n, double size, std::uint64_t seed) {
  const Stream stream{seed, 0, 0};
  std::vector<double> z;
  for (Index i = 0; i < n; ++i)
    z.push_back(i % 5 == 3 ? at(z, i - 3)
                           : size * (stream.word(static_cast<std::uint64_t>(i)) * 0x1p-31 - 1));
  return z;
}

}  // namespace

TEST_CASE("scores: those of the layer, of any number of experts, down to the smallest numbers") {
  for (const ScoreFunction function : {ScoreFunction::Softmax, ScoreFunction::Sigmoid})
    for (Index n = 1; n <= 70; ++n)
      for (const double size : {0.0, 1e-9, 1.0, 30.0, 700.0}) {
        const std::vector<double> z = logits(n, size, static_cast<std::uint64_t>(n));
        std::vector<double> s(z.size()), want(z.size());
        CAPTURE(n);
        CAPTURE(size);
        const double lse = log_sum_exp(z.data(), n);
        CHECK(std::abs(cpu::score(function, z.data(), n, s.data()) - lse) <= 4 * kUlp * (1 + std::abs(lse)));
        score_forward(function, z.data(), n, want.data());
        for (Index i = 0; i < n; ++i)
          CHECK(std::abs(at(s, i) - at(want, i)) <= 8 * kUlp * at(want, i) + 0x1p-1074);
      }
}

TEST_CASE("scores: what is small beside the largest is not lost in the logarithm") {
  const std::vector<double> z{-1e-3, -60, -60};
  std::vector<double> s(z.size());
  const std::vector<double> at_zero{0, -60, -60};
  CHECK(std::abs(cpu::score(ScoreFunction::Softmax, at_zero.data(), 3, s.data()) - 2 * std::exp(-60.0)) <=
        8 * kUlp * std::exp(-60.0));
  CHECK(cpu::score(ScoreFunction::Softmax, z.data(), 3, s.data()) == -1e-3);
  CHECK(cpu::score(ScoreFunction::Softmax, z.data(), 1, s.data()) == -1e-3);
  CHECK(at(s, 0) == 1);
}

TEST_CASE("scores: their gradients are those of the layer, and 0 where all scores are wanted alike") {
  for (const ScoreFunction function : {ScoreFunction::Softmax, ScoreFunction::Sigmoid})
    for (Index n = 1; n <= 70; ++n)
      for (const double size : {0.0, 1.0, 30.0, 700.0}) {
        const std::vector<double> z = logits(n, size, 1), ds = logits(n, 1, 2), alike(z.size(), 0.7);
        std::vector<double> s(z.size()), dz(z.size()), want(z.size());
        score_forward(function, z.data(), n, s.data());
        score_backward(function, z.data(), s.data(), ds.data(), n, want.data());
        cpu::score_back(function, z.data(), s.data(), ds.data(), n, dz.data());
        CAPTURE(n);
        CAPTURE(size);
        for (Index i = 0; i < n; ++i) {
          double terms = std::abs(at(want, i));  // of a sigmoid; of a softmax, what the differences add up to
          for (Index j = 0; function == ScoreFunction::Softmax && j < n; ++j)
            terms += at(s, i) * at(s, j) * std::abs(at(ds, i) - at(ds, j));
          CHECK(std::abs(at(dz, i) - at(want, i)) <= 0x1p-40 * terms + 0x1p-1070);
        }
        if (function != ScoreFunction::Softmax) continue;
        cpu::score_back(function, z.data(), s.data(), alike.data(), n, dz.data());
        CHECK(std::all_of(dz.begin(), dz.end(), [](double d) { return d == 0; }));
      }
}

TEST_CASE("scores: of what is no number there are none") {
  for (Index n = 1; n <= 40; ++n)
    for (Index wrong = 0; wrong < n; ++wrong) {
      std::vector<double> z = logits(n, 1, 3), s(z.size());
      at(z, wrong) = std::numeric_limits<double>::quiet_NaN();
      CHECK(std::isnan(cpu::score(ScoreFunction::Softmax, z.data(), n, s.data())));
      CHECK(std::all_of(s.begin(), s.end(), [](double p) { return std::isnan(p); }));
    }
}

TEST_CASE("choosing: the best keys in order, the smaller index of two that tie, none that is closed") {
  const std::vector<double> key{1, 5, 5, -2, 7, 1, 5};
  const auto chosen = [&](Index n, const std::vector<char>& closed) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(n), -1);
    cpu::best(key, n, closed, ids.data());
    return ids;
  };
  const std::vector<char> open(7, 0);
  CHECK(chosen(1, open) == std::vector<std::int32_t>{4});
  CHECK(chosen(3, open) == std::vector<std::int32_t>{4, 1, 2});
  CHECK(chosen(7, open) == std::vector<std::int32_t>{4, 1, 2, 6, 0, 5, 3});
  CHECK(chosen(3, {0, 1, 0, 0, 1, 0, 0}) == std::vector<std::int32_t>{2, 6, 0});
}

TEST_CASE("choosing: what the layer chooses, with and without a bias and groups") {
  constexpr Index E = 24, K = 6;
  for (const ScoreFunction function : {ScoreFunction::Softmax, ScoreFunction::Sigmoid})
    for (const bool biased : {false, true})
      for (const Index groups : {1, 4})
        for (const GroupScore score : {GroupScore::Max, GroupScore::SumTopn})
          for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            const Router router{.score_function = function,
                                .n_group = groups,
                                .topk_group = std::min<Index>(groups, 2),
                                .group_score = score};
            const std::vector<double> z = logits(E, 2, seed), b = logits(E, 0.25, seed + 100);
            Matrix<double> logit(1, E), bias(biased ? 1 : 0, E);
            std::copy(z.begin(), z.end(), logit.data());
            if (biased) std::copy(b.begin(), b.end(), bias.data());
            std::vector<std::int32_t> ids(K);
            cpu::Chooser()(router, z.data(), biased ? b.data() : nullptr, E, K, ids.data());
            const IdMatrix want = choose_experts(router, logit, bias, K);
            CHECK(ids == std::vector<std::int32_t>(want.data(), want.data() + K));
          }
}
