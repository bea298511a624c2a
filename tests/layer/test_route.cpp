#include "../support.h"
#include "moe/layer/choose.h"
#include "moe/layer/route.h"

using namespace moe;

namespace {

const double kLn5 = std::log(5.0);

Plan keep_all(const IdMatrix& expert, Index E, Index C) {
  return make_plan(expert, rank_assignments({}, expert.rows(), expert.cols(), {}), E, C, 1, {});
}

/// One token with softmax scores (1, 2, 5) / 8 that chose experts 2 and 1.
Routing<double> route(Renorm renorm, RenormStage stage = RenormStage::BeforeDrop, Index C = 1) {
  const IdMatrix expert = ids({{2, 1}});
  return route_forward({.renorm = renorm, .renorm_stage = stage}, matrix({{0, kLn2, kLn5}}), {}, expert,
                       keep_all(expert, 3, C));
}

}  // namespace

TEST_CASE("route: weights as scored, and as shares of the chosen") {
  CHECK(difference(route(Renorm::None).weights, matrix({{0.625, 0.25}}), 4 * kUnit) == "");
  CHECK(difference(route(Renorm::Sum).weights, matrix({{5.0 / 7, 2.0 / 7}}), 4 * kUnit) == "");
  CHECK(difference(route(Renorm::Sum).denominator, matrix({{0.875}}), 4 * kUnit) == "");
  CHECK(difference(route(Renorm::None).logsumexp, matrix({{std::log(8.0)}}), 4 * kUnit) == "");
}

TEST_CASE("route: a token that keeps nothing shares nothing after the drop, everything before") {
  CHECK(difference(route(Renorm::Sum, RenormStage::AfterDrop, 0).weights, matrix({{0, 0}}), 0) == "");
  CHECK(route(Renorm::Sum, RenormStage::AfterDrop, 0).denominator(0, 0) == 0);
  CHECK(difference(route(Renorm::Sum, RenormStage::BeforeDrop, 0).weights, matrix({{5.0 / 7, 2.0 / 7}}),
                   4 * kUnit) == "");
}

TEST_CASE("route: sigmoid scores, and their shares") {
  const IdMatrix expert = ids({{0, 1}});
  const Matrix<double> z = matrix({{std::log(3.0), 0, -5}});  // sigmoid 3/4 and 1/2
  const auto weights = [&](Renorm renorm) {
    return route_forward({.score_function = ScoreFunction::Sigmoid, .renorm = renorm}, z, {}, expert,
                         keep_all(expert, 3, 1))
        .weights;
  };
  CHECK(difference(weights(Renorm::None), matrix({{0.75, 0.5}}), 4 * kUnit) == "");
  CHECK(difference(weights(Renorm::Sum), matrix({{0.6, 0.4}}), 4 * kUnit) == "");
}

TEST_CASE("route: gradients by hand, as scored") {
  const IdMatrix expert = ids({{2, 1}});
  const Plan plan = keep_all(expert, 3, 1);
  const Router router{.renorm = Renorm::None};
  const auto g = route_backward(router, route(Renorm::None), plan, matrix({{8, 0, 0}}), matrix({{0, 16}}));
  // ds = (8, 16, 0); the mean under (1, 2, 5) / 8 is 5; dz = s (ds - 5)
  CHECK(difference(g.scores, matrix({{8, 16, 0}}), 0) == "");
  CHECK(difference(g.logits, matrix({{0.375, 2.75, -3.125}}), 32 * kUnit) == "");
}

TEST_CASE("route: gradients by hand, renormalised: experts that were not chosen get exactly 0") {
  const IdMatrix expert = ids({{2, 1}});
  const auto g = route_backward({.renorm = Renorm::Sum}, route(Renorm::Sum), keep_all(expert, 3, 1),
                                zeros<double>(1, 3), matrix({{7, 0}}));
  // The mean of dw under (5, 2) / 7 is 5; dz = w (dw - 5); ds = (dw - 5) / (7/8)
  CHECK(g.logits(0, 0) == 0);
  CHECK(difference(g.logits, matrix({{0, -10.0 / 7, 10.0 / 7}}), 32 * kUnit) == "");
  CHECK(difference(g.scores, matrix({{0, -40.0 / 7, 16.0 / 7}}), 64 * kUnit) == "");
}

TEST_CASE("route: one choice, renormalised, weighs exactly 1 and trains nothing") {
  const IdMatrix expert = ids({{1}});
  const Plan plan = keep_all(expert, 3, 1);
  const Router router{.renorm = Renorm::Sum};
  const auto r = route_forward(router, matrix({{0.3, 0.7, 0.1}}), {}, expert, plan);
  CHECK(r.weights(0, 0) == 1);
  const auto g = route_backward(router, r, plan, zeros<double>(1, 3), matrix({{0.9}}));
  CHECK(difference(g.logits, zeros<double>(1, 3), 0) == "");
}

TEST_CASE("route: a factor multiplies weights, not shares, and the gradients through them") {
  const IdMatrix expert = ids({{2, 1}});
  const Plan plan = keep_all(expert, 3, 1);
  const Router router{.renorm = Renorm::Sum, .routed_scaling_factor = 2.5};
  const auto r = route_forward(router, matrix({{0, kLn2, kLn5}}), {}, expert, plan);
  CHECK(difference(r.weights, matrix({{12.5 / 7, 5.0 / 7}}), 8 * kUnit) == "");
  CHECK(difference(r.shares, matrix({{5.0 / 7, 2.0 / 7}}), 4 * kUnit) == "");
  const auto g = route_backward(router, r, plan, zeros<double>(1, 3), matrix({{7, 0}}));
  CHECK(difference(g.logits, matrix({{0, -25.0 / 7, 25.0 / 7}}), 64 * kUnit) == "");
}

TEST_CASE("route: what groups score") {
  const Router router{.score_function = ScoreFunction::Sigmoid,
                      .n_group = 2,
                      .group_score = GroupScore::SumTopn,
                      .group_score_n = 2};
  const IdMatrix expert = ids({{0}});
  const Matrix<double> z = matrix({{0, 0, std::log(3.0), -40, 0, std::log(3.0)}}),
                       b = matrix({{1, 0, 0, 0, 0, 2}});
  const Plan plan = keep_all(expert, 6, 1);
  CHECK(difference(route_forward(router, z, {}, expert, plan).group_scores, matrix({{1.25, 1.25}}),
                   8 * kUnit) == "");
  CHECK(difference(route_forward(router, z, b, expert, plan).group_scores, matrix({{2.25, 3.25}}),
                   8 * kUnit) == "");
}

TEST_CASE("route: the bias answers to the load by its sign") {
  const IdMatrix expert = ids({{0}, {0}, {1}, {2}});
  const Plan plan = keep_all(expert, 4, 1);
  const Matrix<double> b = matrix({{0.5, 0.5, -1, 0}});
  const auto next = [&](LoadStage count) { return updated_bias({BiasUpdate::Sign, 0.25, count}, b, plan); };
  CHECK(difference(next(LoadStage::PreDrop), matrix({{0.25, 0.5, -1, 0.25}}), 0) ==
        "");  // 2, 1, 1, 0; mean 1
  CHECK(difference(next(LoadStage::PostDrop), matrix({{0.25, 0.25, -1.25, 0.25}}), 0) == "");  // 1, 1, 1, 0
}

TEST_CASE("route: (U1) steps whose mean is taken off") {
  const Plan plan = keep_all(ids({{0}, {0}, {1}, {2}}), 4, 1);
  const Matrix<double> b = matrix({{0.5, 0.5, -1, 0}});
  const auto next = [&](LoadStage count) {
    return updated_bias({BiasUpdate::SignCentred, 0.25, count}, b, plan);
  };
  CHECK(difference(next(LoadStage::PreDrop), matrix({{0.25, 0.5, -1, 0.25}}), 0) == "");  // their mean is 0
  CHECK(difference(next(LoadStage::PostDrop), matrix({{0.375, 0.375, -1.125, 0.375}}), 0) == "");  // -1/2
}

TEST_CASE("route: (R3) a sum below epsilon counts as epsilon, and then passes no gradient") {
  const IdMatrix expert = ids({{0, 1}, {0, 1}});
  const Plan plan = keep_all(expert, 3, 2);
  const Router router{.score_function = ScoreFunction::Sigmoid,
                      .renorm = Renorm::Sum,
                      .renorm_epsilon = 0.75,
                      .renorm_epsilon_mode = EpsilonMode::Clamp};
  // Scores 1/2 and 1/2, then 1/4 and 1/4.
  const Matrix<double> z = matrix({{0, 0, 5}, {-std::log(3.0), -std::log(3.0), 5}});
  const auto r = route_forward(router, z, {}, expert, plan);
  CHECK(difference(r.weights, matrix({{0.5, 0.5}, {1.0 / 3, 1.0 / 3}}), 4 * kUnit) == "");
  CHECK(difference(r.denominator, matrix({{1}, {0.75}}), 4 * kUnit) == "");
  const auto g = route_backward(router, r, plan, zeros<double>(2, 3), matrix({{1, 0}, {1, 0}}));
  CHECK(difference(g.scores, matrix({{0.5, -0.5, 0}, {4.0 / 3, 0, 0}}), 4 * kUnit) == "");
}

TEST_CASE("route: (R3) shares of the root of the sum of squares, and their gradients by hand") {
  const IdMatrix expert = ids({{0, 1}});
  const Plan plan = keep_all(expert, 2, 1);
  const Router router{.renorm = Renorm::L2};
  // Scores 3/7 and 4/7: the root is 5/7.
  const auto r = route_forward(router, matrix({{std::log(3.0), std::log(4.0)}}), {}, expert, plan);
  CHECK(difference(r.weights, matrix({{0.6, 0.8}}), 4 * kUnit) == "");
  CHECK(difference(r.denominator, matrix({{5.0 / 7}}), 4 * kUnit) == "");
  const auto g = route_backward(router, r, plan, zeros<double>(1, 2), matrix({{25, 0}}));
  CHECK(difference(g.scores, matrix({{(25 - 0.6 * 15) * 7 / 5, -0.8 * 15 * 7 / 5}}), 64 * kUnit) == "");
}

TEST_CASE("route: (R3) a factor for each expert, after renormalisation") {
  const IdMatrix expert = ids({{1, 0}, {1, 2}});
  const Plan plan = keep_all(expert, 3, 2);
  const Router router{.renorm = Renorm::Sum, .routed_scaling_factor = 2, .expert_scale = true};
  const Matrix<double> z = zeros<double>(2, 3), c = matrix({{4, -1, 0.5}});
  const auto r = route_forward(router, z, {}, expert, plan, c);
  CHECK(difference(r.weights, matrix({{-1, 4}, {-1, 0.5}}), 0) == "");
  const auto g = route_backward(router, r, plan, zeros<double>(2, 3), matrix({{1, 10}, {100, 1000}}),
                                in_one_piece, score_backward<double>, c);
  CHECK(difference(g.expert_scale, matrix({{10, 101, 1000}}), 0) == "");
  // dp = 2 c dw = (-2, 80), so dz = p (dp - <p, dp>) at experts 1 and 0
  CHECK(difference(rows_of(g.logits, 0, 1), matrix({{20.5, -20.5, 0}}), 0) == "");
}
