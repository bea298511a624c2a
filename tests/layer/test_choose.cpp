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
    return key_of(ScoreFunction::Softmax, p(0, static_cast<Index>(own)), z[own], z);
  };
  CHECK(tied(key({1, 0.5, -0.25}, 0), key({3, 1.75, 2.5}, 0)));  // shifted by 2, and permuted
  CHECK(!tied(key({1, 0.5, -0.25}, 0), key({3, 1.75, 2.75}, 0)));
  CHECK(!tied(key({1, 0.5, -0.25}, 0), key({1, 0.5, -0.25}, 1)));
}

TEST_CASE("choose: sigmoid scores tie exactly when the logits do, their shares when all logits do") {
  using enum ScoreFunction;
  CHECK(tied(key_of(Sigmoid, 0.5, 0.0, {}), key_of(Sigmoid, 0.5, 0.0, {})));
  CHECK(!tied(key_of(Sigmoid, 1.0, 40.0, {}), key_of(Sigmoid, 1.0, 50.0, {})));
  CHECK(tied(key_of(Sigmoid, 0.5, 1.0, {1.0, 2.0}), key_of(Sigmoid, 0.5, 1.0, {2.0, 1.0})));
  CHECK(!tied(key_of(Sigmoid, 0.5, 1.0, {1.0, 2.0}), key_of(Sigmoid, 0.5, 2.0, {2.0, 1.0})));
}

TEST_CASE("choose: places run from the largest key down, ties in order") {
  const auto key = [](double score) { return Key<double>{score, {score}}; };
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
