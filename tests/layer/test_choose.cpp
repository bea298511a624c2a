#include "../support.h"
#include "moe/layer/choose.h"
#include "moe/scalar/ball.h"

using namespace moe;

TEST_CASE("choose: the K largest logits, largest first") {
  CHECK(choose_experts(matrix({{1, 3, 2, 0}, {-1, -4, -2, -3}}), 2) == ids({{1, 2}, {0, 2}}));
  CHECK(choose_experts(matrix({{1, 3, 2}}), 3) == ids({{1, 2, 0}}));
}

TEST_CASE("choose: ties go to the smaller id, even among 64") {
  CHECK(choose_experts(matrix({{1, 2, 2, 2}}), 2) == ids({{1, 2}}));
  CHECK(choose_experts(zeros<double>(1, 64), 3) == ids({{0, 1, 2}}));
  CHECK(choose_experts(zeros<Ball>(1, 64), 3) == ids({{0, 1, 2}}));
}

TEST_CASE("choose: (R1) sinks come first, in their order, and then the best of the others") {
  const Router router{.score_function = ScoreFunction::Sigmoid, .selection_bias = true, .sinks = 2};
  const Matrix<double> z = matrix({{1, 3, 2, -9, -8}}), b = matrix({{3, 0, 0, -1, -2}});
  CHECK(choose_experts(router, z, b, 4) == ids({{3, 4, 0, 1}}));
  CHECK(choose_experts(Router{.sinks = 1}, z, {}, 3) == ids({{4, 1, 2}}));
  Ball::bits = 128;
  CHECK(choose_experts(Router{.sinks = 2}, zeros<Ball>(1, 5), {}, 3) == ids({{3, 4, 0}}));
}

TEST_CASE("choose: (R1) given experts in their order, the others never") {
  const std::vector<double> given{3, 0};
  CHECK(best(given_keys(given.data(), 2, 5), 2, all_open(5)) == std::vector<Index>{3, 0});
}

TEST_CASE("choose: (R6) a threshold alone, which a weight must exceed") {
  const Router router{.second_policy = SecondPolicy::Threshold, .second_threshold = 0.25};
  const Matrix<double> w = matrix({{0.75, 0.25}, {0.5, 0.5}});
  CHECK(take_up(router, w, {}) == matrix({{1, 0}, {1, 1}}).cast<std::uint8_t>());
}

TEST_CASE("choose: (R4) biased logits, where scores are logits") {
  const Router router{.score_function = ScoreFunction::Identity, .selection_bias = true};
  CHECK(choose_experts(router, matrix({{1, 0.5, 0, -1}}), matrix({{0, 0.5, 1, 0}}), 3) == ids({{0, 1, 2}}));
}

TEST_CASE("choose: a ball that cannot tell does not guess") {
  Ball::bits = 128;
  const Ball third = Ball(1) / Ball(3);
  Matrix<Ball> z(1, 2);
  z(0, 0) = third * Ball(3);
  z(0, 1) = Ball(1);
  CHECK_THROWS_AS(choose_experts(z, 1), Undecided);
}

TEST_CASE("choose: softmax scores tie exactly when the differences of the logits are one multiset") {
  Ball::bits = 128;
  const auto key = [](std::vector<Ball> z, std::size_t own) {
    Matrix<Ball> p(1, static_cast<Index>(z.size()));
    softmax(z.data(), p.cols(), p.data());
    return weight_key(ScoreFunction::Softmax, p(0, static_cast<Index>(own)), z[own], z);
  };
  CHECK(tied(key({1, 0.5, -0.25}, 0), key({3, 1.75, 2.5}, 0)));  // shifted by 2, and permuted
  CHECK(!tied(key({1, 0.5, -0.25}, 0), key({3, 1.75, 2.75}, 0)));
  CHECK(!tied(key({1, 0.5, -0.25}, 0), key({1, 0.5, -0.25}, 1)));
}

TEST_CASE("choose: sigmoid scores tie exactly when the logits do, their shares when all logits do") {
  using enum ScoreFunction;
  CHECK(tied(weight_key(Sigmoid, 0.5, 0.0, {}), weight_key(Sigmoid, 0.5, 0.0, {})));
  CHECK(!tied(weight_key(Sigmoid, 1.0, 40.0, {}), weight_key(Sigmoid, 1.0, 50.0, {})));
  CHECK(tied(weight_key(Sigmoid, 0.5, 1.0, {1.0, 2.0}), weight_key(Sigmoid, 0.5, 1.0, {2.0, 1.0})));
  CHECK(!tied(weight_key(Sigmoid, 0.5, 1.0, {1.0, 2.0}), weight_key(Sigmoid, 0.5, 2.0, {2.0, 1.0})));
}

namespace {

Router grouped(GroupScore score, Index n = 2) {
  return {.score_function = ScoreFunction::Sigmoid,
          .n_group = 3,
          .topk_group = 2,
          .group_score = score,
          .group_score_n = n};
}

}  // namespace

TEST_CASE("choose: a selection bias ranks scores plus bias, and the smaller id of equal pairs") {
  const Router router{.score_function = ScoreFunction::Sigmoid, .selection_bias = true};
  const Matrix<double> z = matrix({{0, 1, 1, -1}});
  CHECK(choose_experts(router, z, matrix({{0.5, 0, 0, 0.125}}), 2) == ids({{0, 1}}));
  CHECK(choose_experts(router, z, matrix({{0, 0, 0, 0.5}}), 3) == ids({{3, 1, 2}}));  // 0.27 + 0.5 > 0.73
  CHECK(choose_experts(router, matrix({{3, 1, 2}}), matrix({{-9, -9, -9}}), 2) == ids({{0, 2}}));
}

TEST_CASE("choose: only experts of the best groups, by their best or by the sum of their two best") {
  const Matrix<double> z = matrix({{9, -9, 1, 1, 0, 0}}), none;  // groups (9, -9), (1, 1), (0, 0)
  CHECK(choose_experts(grouped(GroupScore::Max), z, none, 3) == ids({{0, 2, 3}}));
  CHECK(choose_experts(grouped(GroupScore::SumTopn), matrix({{9, -9, 1, 1, 0.5, 0}}), none, 3) ==
        ids({{2, 3, 4}}));
  CHECK(choose_experts(grouped(GroupScore::SumTopn, 1), z, none, 3) == ids({{0, 2, 3}}));
  const Matrix<double> tied = matrix({{5, -5, 3, -3, 0, 0}});  // sigmoid(z) + sigmoid(-z) = 1 in each
  CHECK(choose_experts(grouped(GroupScore::SumTopn), tied, none, 2) == ids({{0, 2}}));
}

TEST_CASE("choose: (R1) experts of closed groups are out, or compete with the score 0") {
  Router router = grouped(GroupScore::Max);
  router.topk_group = 1, router.selection_bias = true;
  const Matrix<double> z = matrix({{9, 8, 1, 1, 0, 0}}), low = matrix({{-2, -2, -9, -9, -9, -9}}),
                       mixed = matrix({{-0.5, -2, -9, -9, -9, -9}});
  CHECK(choose_experts(router, z, low, 2) == ids({{0, 1}}));
  router.closed_groups = ClosedGroups::Zero;
  CHECK(choose_experts(router, z, low, 2) == ids({{2, 3}}));
  CHECK(choose_experts(router, z, mixed, 2) == ids({{0, 2}}));
  CHECK(choose_experts(router, z, zeros<double>(1, 6), 2) == ids({{0, 1}}));
}

TEST_CASE("choose: groups of one score in truth are seen to tie by balls, too") {
  Ball::bits = 128;
  const Router router = grouped(GroupScore::SumTopn);
  const Matrix<Ball> none, z = matrix<Ball>({{3, -3, 5, -5, 0, 0}});
  CHECK(choose_experts(router, z, none, 4) == ids({{2, 0, 1, 3}}));
  const auto group = [&](const Matrix<Ball>& b) { return ranking_of(router, z.data(), b.data(), 6).group; };
  const auto even = group(matrix<Ball>({{0.5, 0, 0, 0.5, 0.25, 0.25}}));
  CHECK(tied(even[0], even[1]));
  CHECK(tied(even[0], even[2]));  // 0 is its own opposite: 1/2 + 1/2 = 1 as well
  CHECK(!tied(even[0], group(matrix<Ball>({{0.5, 0.25, 0, 0, 0, 0}}))[0]));
}

TEST_CASE(
    "choose: a second choice is taken up if it weighs more than the threshold times the random number") {
  Router router;
  router.second_policy = SecondPolicy::Random;
  const Matrix<double> w = matrix({{0.75, 0.25}, {0.75, 0.25}, {0.5, 0.5}, {0, 0}}),
                       u = matrix({{0.5, 0.25, 0, 0}});
  CHECK(take_up(router, w, u) == matrix({{1, 0}, {1, 1}, {1, 1}, {1, 0}}).cast<std::uint8_t>());
  router.second_threshold = 1;
  CHECK(take_up(router, w, u) == matrix({{1, 0}, {1, 0}, {1, 1}, {1, 0}}).cast<std::uint8_t>());
}

TEST_CASE("choose: places run from the largest key down, ties in order") {
  const auto key = [](double score) { return Key<double>{score, score, {}}; };
  CHECK(places<double>({key(1), key(3), key(2), key(3)}) == std::vector<Index>{3, 0, 2, 1});
  CHECK(places<double>({}).empty());
}

TEST_CASE("choose: ranks of two tokens with two choices each") {
  Capacity c;
  c.order = DropOrder::TokenMajor;
  CHECK(rank_assignments(c, 2, 2, {}) == matrix({{0, 1}, {2, 3}}).cast<Index>());
  c.order = DropOrder::ChoiceMajor;
  CHECK(rank_assignments(c, 2, 2, {}) == matrix({{0, 2}, {1, 3}}).cast<Index>());
  c.priority = Priority::BprTop1;  // token 1 comes first
  CHECK(rank_assignments(c, 2, 2, {1, 0}) == matrix({{1, 3}, {0, 2}}).cast<Index>());
  c.priority = Priority::Weight;
  CHECK(rank_assignments(c, 2, 2, {3, 0, 2, 1}) == matrix({{3, 0}, {2, 1}}).cast<Index>());
}
