#include "../support.h"
#include "moe/layer/choose.h"
#include "moe/layer/losses.h"

using namespace moe;

namespace {

// Three tokens, two experts: first choices 0, 0, 1, second choices the other.
const IdMatrix kExpert = ids({{0, 1}, {0, 1}, {1, 0}});
Plan uniform_plan(Index C) { return make_plan(kExpert, rank_assignments({}, 3, 2, {}), 2, C, 1, {}); }

Routing<double> routing(const Matrix<double>& scores) {
  Routing<double> r;
  r.scores = scores;
  r.expert = kExpert;
  return r;
}
const Part kAll{0, 3, 1};
const Matrix<double> scores = matrix({{0.75, 0.25}, {0.5, 0.5}, {0.25, 0.75}});  // P = (1/2, 1/2)

Aux balance(LoadSource source, bool by_k = false, LoadStage stage = LoadStage::PreDrop) {
  return {.name = "balance", .coefficient = 1, .f_source = source, .f_divide_by_k = by_k, .f_stage = stage};
}
double loss(const Aux& aux, const Plan& p) {
  return balance_forward(aux, ScoreFunction::Softmax, 1, routing(scores), p);
}

}  // namespace

TEST_CASE("losses: what the balance counts") {
  CHECK(counted_load(balance(LoadSource::Top1), routing(scores), uniform_plan(3), kAll) ==
        std::vector<double>{2, 1});
  CHECK(counted_load(balance(LoadSource::AllK), routing(scores), uniform_plan(3), kAll) ==
        std::vector<double>{3, 3});
  CHECK(counted_load(balance(LoadSource::AllK, false, LoadStage::PostDrop), routing(scores), uniform_plan(2),
                     kAll) == std::vector<double>{2, 2});
  CHECK(counted_load(balance(LoadSource::AllK), routing(scores), uniform_plan(3), Part{2, 1, 3}) ==
        std::vector<double>{1, 1});
  Aux by_score = balance(LoadSource::Top1);
  by_score.f_from = LoadFrom::RetopkOfAuxScores;
  Routing<double> r = routing(scores);
  r.retopk = ids({{1, 0}, {1, 0}, {1, 0}});
  CHECK(counted_load(by_score, r, uniform_plan(0), kAll) ==
        std::vector<double>{0, 3});  // whatever was dropped
}

TEST_CASE("losses: dropped tokens, kept divisors and earlier tokens count as they say") {
  const IdMatrix one = ids({{1}, {1}, {1}});
  const Plan full = make_plan(one, rank_assignments({}, 3, 1, {}), 2, 1, 1, {}),
             none = make_plan(one, rank_assignments({}, 3, 1, {}), 2, 0, 1, {});
  Routing<double> r = routing(scores);
  r.expert = one;
  Aux aux = balance(LoadSource::Top1, false, LoadStage::PostDropFirst);
  CHECK(counted_load(aux, r, full, kAll) == std::vector<double>{2, 1});
  aux.f_stage = LoadStage::PostDrop;
  CHECK(balance_forward(aux, ScoreFunction::Softmax, 1, r, full) == 2 * (1.0 / 3) * 0.5);
  aux.divisor = LoadDivisor::Kept;  // S = 1: f = (0, 1), P = (1.5, 1.5)
  CHECK(balance_forward(aux, ScoreFunction::Softmax, 1, r, full) == 3);
  CHECK(balance_forward(aux, ScoreFunction::Softmax, 1, r, none) == 0);
  Matrix<double> ds = zeros<double>(3, 2), dz = ds;
  balance_backward(aux, ScoreFunction::Softmax, 1, r, none, 9.0, ds, dz);
  CHECK(ds == zeros<double>(3, 2));

  Aux more = balance(LoadSource::Top1);
  more.earlier_tokens = 1;  // S = 4: f = (3, 1) / 4, P = (1.75, 2.25) / 4
  Routing<double> with = routing(scores);
  with.earlier_counts = matrix({{1, 0}}), with.earlier_scores = matrix({{0.25, 0.75}});
  CHECK(counted_load(more, with, uniform_plan(3), kAll) == std::vector<double>{3, 1});
  CHECK(balance_forward(more, ScoreFunction::Softmax, 1, with, uniform_plan(3)) ==
        2 * (3 * 1.75 + 2.25) / 16);
  more.p_of_batch = true;  // P = (1.5, 1.5) / 3
  CHECK(balance_forward(more, ScoreFunction::Softmax, 1, with, uniform_plan(3)) == 2 * (3 * 1.5 + 1.5) / 12);
}

TEST_CASE("losses: padding counts neither as chosen nor in a mean (B1), (B2), (Z1)") {
  Aux aux = balance(LoadSource::Top1);
  aux.masked = true;
  Routing<double> r = routing(scores);
  r.token_mask = matrix({{1, 0, 1}});  // c = (1, 1), P = (1, 1) / 2
  CHECK(counted_tokens(aux, r) == std::vector<Index>{0, 2});
  CHECK(counted_tokens(Aux{}, r).size() == 3);
  CHECK(counted_load(aux, r, uniform_plan(3), kAll) == std::vector<double>{1, 1});
  CHECK(balance_forward(aux, ScoreFunction::Softmax, 1, r, uniform_plan(3)) == 1);
  Matrix<double> ds = zeros<double>(3, 2), dz = ds;
  balance_backward(aux, ScoreFunction::Softmax, 1, r, uniform_plan(3), 4.0, ds,
                   dz);  // dp = 2 / 4 each, times 4
  CHECK(ds == matrix({{2, 2}, {0, 0}, {2, 2}}));

  const Matrix<double> l = matrix({{3}, {100}, {1}});
  CHECK(z_loss_forward(l, counted_tokens(aux, r)) == 5);
  z_loss_backward(zeros<double>(3, 2), l, counted_tokens(aux, r), 1.0, dz);
  CHECK(row(dz, 1)[0] == 0);
  CHECK(row(dz, 0)[0] > 1.4);

  r.token_mask = matrix({{0, 0, 0}});
  CHECK(balance_forward(aux, ScoreFunction::Softmax, 1, r, uniform_plan(3)) == 0);
  balance_backward(aux, ScoreFunction::Softmax, 1, r, uniform_plan(3), 4.0, ds, dz);
  CHECK(ds == matrix({{2, 2}, {0, 0}, {2, 2}}));
  CHECK(z_loss_forward(l, counted_tokens(aux, r)) == 0);
}

TEST_CASE("losses: the softmax of scores, gradient included") {
  Aux aux = balance(LoadSource::Top1);
  aux.p_source = PSource::SoftmaxOfScores;
  const Routing<double> r = routing(matrix({{0.5, 0.5}, {0.5, 0.5}, {0.5, 0.5}}));
  CHECK(std::abs(balance_forward(aux, ScoreFunction::Sigmoid, 1, r, uniform_plan(3)) - 1) <= 4 * kUnit);
  Matrix<double> ds = zeros<double>(3, 2), dz = ds;
  balance_backward(aux, ScoreFunction::Sigmoid, 1, r, uniform_plan(3), 9.0, ds, dz);  // dp = (4, 2)
  CHECK(difference(ds, matrix({{0.5, -0.5}, {0.5, -0.5}, {0.5, -0.5}}), 8 * kUnit) == "");
  CHECK(dz == zeros<double>(3, 2));
}

TEST_CASE("losses: the balance by hand") {
  CHECK(loss(balance(LoadSource::Top1), uniform_plan(3)) == 1);        // 2 (2/3 1/2 + 1/3 1/2)
  CHECK(loss(balance(LoadSource::AllK), uniform_plan(3)) == 2);        // 2 (1 1/2 + 1 1/2) = K
  CHECK(loss(balance(LoadSource::AllK, true), uniform_plan(3)) == 1);  // even shares give 1
  CHECK(std::abs(loss(balance(LoadSource::AllK, false, LoadStage::PostDrop), uniform_plan(2)) - 4.0 / 3) <=
        4 * kUnit);
}

TEST_CASE("losses: uniform traffic is not where the balance is least") {
  Routing<double> r = routing(matrix({{0.51, 0.49}, {0.51, 0.49}, {0.51, 0.49}, {0.01, 0.99}, {0.01, 0.99}}));
  r.expert = ids({{0}, {0}, {0}, {1}, {1}});
  const Plan all = make_plan(r.expert, rank_assignments({}, 5, 1, {}), 2, 5, 1, {});
  // 2 (0.6 0.31 + 0.4 0.69); even shares give 1.
  CHECK(std::abs(balance_forward(balance(LoadSource::Top1), ScoreFunction::Softmax, 1, r, all) - 0.924) <=
        8 * kUnit);
}

TEST_CASE("losses: a collapsed router costs E") {
  Routing<double> r = routing(matrix({{1, 0}, {1, 0}, {1, 0}}));
  r.expert = ids({{0, 1}, {0, 1}, {0, 1}});
  CHECK(balance_forward(balance(LoadSource::Top1), ScoreFunction::Softmax, 1, r, uniform_plan(3)) == 2);
}

TEST_CASE("losses: the gradient of the balance by hand") {
  Matrix<double> ds = matrix({{1, 0}, {0, 0}, {0, 0}}), dz = zeros<double>(3, 2);
  balance_backward(balance(LoadSource::Top1), ScoreFunction::Softmax, 1, routing(scores), uniform_plan(3),
                   9.0, ds, dz);
  CHECK(difference(ds, matrix({{5, 2}, {4, 2}, {4, 2}}), 8 * kUnit) == "");  // 9 2 (2, 1) / 9
}

TEST_CASE("losses: sigmoid scores enter as shares, gradient included") {
  const Routing<double> r = routing(matrix({{0.6, 0.2}, {0.5, 0.5}, {0.25, 0.75}}));
  CHECK(std::abs(balance_forward(balance(LoadSource::Top1), ScoreFunction::Sigmoid, 1, r, uniform_plan(3)) -
                 1) <= 4 * kUnit);
  Matrix<double> ds = zeros<double>(3, 2), dz = ds;
  balance_backward(balance(LoadSource::Top1), ScoreFunction::Sigmoid, 1, r, uniform_plan(3), 9.0, ds, dz);
  // dp = (4, 2); for token 0 p = (3/4, 1/4) and the sum is 0.8: (4 - 3.5) / 0.8 and (2 - 3.5) / 0.8
  CHECK(difference(rows_of(ds, 0, 1), matrix({{0.625, -1.875}}), 16 * kUnit) == "");
}

TEST_CASE("losses: of the softmax of the logits whatever the scores, and back to the logits") {
  Aux aux = balance(LoadSource::Top1);
  aux.p_source = PSource::Softmax;
  Routing<double> r = routing(matrix({{0.6, 0.2}, {0.5, 0.5}, {0.25, 0.75}}));
  r.logits = matrix({{std::log(3.0), 0}, {0, 0}, {0, 0}});
  // f = (2, 1) / 3, P = (3/4 + 1/2 + 1/2, 1/4 + 1/2 + 1/2) / 3
  CHECK(std::abs(balance_forward(aux, ScoreFunction::Sigmoid, 1, r, uniform_plan(3)) -
                 2 * (2 * 1.75 + 1.25) / 9) <= 8 * kUnit);
  Matrix<double> ds = zeros<double>(3, 2), dz = ds;
  balance_backward(aux, ScoreFunction::Sigmoid, 1, r, uniform_plan(3), 9.0, ds, dz);
  CHECK(difference(ds, zeros<double>(3, 2), 0) == "");
  // dp = (4, 2), p = (3/4, 1/4): 3/4 (4 - 3.5) and 1/4 (2 - 3.5)
  CHECK(difference(rows_of(dz, 0, 1), matrix({{0.375, -0.375}}), 16 * kUnit) == "");
}

TEST_CASE("losses: the z-loss and its gradient by hand") {
  const double l = std::log(8.0);
  const Matrix<double> z = matrix({{0, std::log(2.0), std::log(5.0)}, {0, std::log(2.0), std::log(5.0)}}),
                       lse = matrix({{l}, {l}});
  CHECK(std::abs(z_loss_forward(lse, {0, 1}) - l * l) <= 8 * kUnit);
  Matrix<double> dz = zeros<double>(2, 3);
  z_loss_backward(z, lse, {0, 1}, 4.0, dz);
  CHECK(difference(dz, matrix({{l / 2, l, 5 * l / 2}, {l / 2, l, 5 * l / 2}}), 64 * kUnit) == "");
}

TEST_CASE("losses: no tokens, no loss") {
  Routing<double> none;
  none.scores.resize(0, 2);
  none.expert.resize(0, 2);
  const Plan empty = make_plan(none.expert, Matrix<Index>(0, 2), 2, 1, 1, {});
  Matrix<double> ds(0, 2);
  CHECK(balance_forward(balance(LoadSource::AllK), ScoreFunction::Softmax, 1, none, empty) == 0);
  balance_backward(balance(LoadSource::AllK), ScoreFunction::Softmax, 1, none, empty, 1.0, ds, ds);
  CHECK(z_loss_forward(Matrix<double>(0, 1), {}) == 0);
}

TEST_CASE("losses: the mean over groups of tokens, and without the factor E^2") {
  Aux aux = balance(LoadSource::Top1);
  aux.scope = Scope::Group;
  // Tokens alone: E f P = 2 (3/4), 2 (1/2), 2 (3/4); their mean is 4/3.
  CHECK(std::abs(balance_forward(aux, ScoreFunction::Softmax, 3, routing(scores), uniform_plan(3)) -
                 4.0 / 3) <= 4 * kUnit);
  Matrix<double> ds = zeros<double>(3, 2), dz = ds;
  balance_backward(aux, ScoreFunction::Softmax, 3, routing(scores), uniform_plan(3), 3.0, ds, dz);
  CHECK(difference(ds, matrix({{2, 0}, {2, 0}, {0, 2}}), 8 * kUnit) == "");
  aux.scope = Scope::Batch, aux.multiply = Multiply::None;
  CHECK(std::abs(balance_forward(aux, ScoreFunction::Softmax, 3, routing(scores), uniform_plan(3)) - 0.25) <=
        4 * kUnit);
}
