#include "../support.h"
#include "moe/layer/importance.h"

using namespace moe;

namespace {

double phi_of(double u) { return std::erfc(-u / std::sqrt(2.0)) / 2; }

// Two tokens, three experts, two choices: (2, 0) with 1 to follow, and (1, 2) with 0.
Routing<double> routing() {
  Routing<double> r;
  r.logits = matrix({{3, 1, 4}, {0, 5, 2}});
  r.noise = {matrix({{2, 1, 4}, {0, 6, 1}}), {}, matrix({{2, 1, 4}, {0.5, 2, 1}}), {}};
  r.scores = zeros<double>(2, 3);
  r.expert = ids({{2, 0}, {1, 2}});
  r.runner_up = {1, 0};
  r.weights = matrix({{0.75, 0.25}, {0.625, 0.375}});
  return r;
}

Aux with(double epsilon, Variance variance = Variance::Population) {
  Aux aux;
  aux.kind = AuxKind::CvImportance, aux.epsilon = epsilon, aux.variance = variance;
  return aux;
}

}  // namespace

TEST_CASE("importance: the squared coefficient of variation by hand") {
  const Variation<double> a = variation<double>({1, 3}, with(0));
  CHECK(a.mean == 2);
  CHECK(a.V == 0.25);
  const Variation<double> b =
      variation<double>({1, 3}, with(2));  // n = 4, mean 1, var (0 + 4) / 4, over 1 + 2
  CHECK(b.mean == 1);
  CHECK(std::abs(b.V - 1.0 / 3) <= kUnit);
  CHECK(variation<double>({0, 0, 0}, with(1e-10)).V == 0);
  const Variation<double> c =
      variation<double>({1, 3}, with(4, Variance::Unbiased));  // mean 2, var 2 / 1, over 4 + 4
  CHECK((c.mean == 2 && c.V == 0.25));
}

TEST_CASE("importance: the gradient of the variation is what differences say") {
  const double h = 0x1p-20;
  for (const auto& [epsilon, variance] :
       {std::pair{1e-10, Variance::Population}, {0.5, Variance::Population}, {0.5, Variance::Unbiased}}) {
    const Aux aux = with(epsilon, variance);
    const std::vector<double> v{1, 2.5, 0.25, 4}, g = variation_backward(v, aux, 3.0);
    for (std::size_t i = 0; i < v.size(); ++i) {
      std::vector<double> above = v, below = v;
      above[i] += h, below[i] -= h;
      const double slope = 3 * (variation(above, aux).V - variation(below, aux).V) / (2 * h);
      CHECK(std::abs(g[i] - slope) <= 1e-9);
    }
  }
}

TEST_CASE("importance: what the choices of each expert weigh, and back") {
  CHECK(importance_forward(Aux{}, routing()) == std::vector<double>{0.25, 0.625, 1.125});
  Matrix<double> dw = matrix({{1, 0}, {0, 0}}), ds = zeros<double>(2, 3), dz = ds;
  importance_backward(Aux{}, routing(), {10.0, 20.0, 30.0}, dw, ds, dz);
  CHECK(dw == matrix({{31, 10}, {20, 30}}));
  CHECK(ds == zeros<double>(2, 3));
  Aux of_scores = with(0);
  of_scores.importance_of = ImportanceOf::Scores;
  Routing<double> r = routing();
  r.scores = matrix({{0.5, 0.25, 0.25}, {0, 0.75, 0.25}});
  CHECK(importance_forward(of_scores, r) == std::vector<double>{0.5, 1, 0.5});
  importance_backward(of_scores, r, {10.0, 20.0, 30.0}, dw, ds, dz);
  CHECK(dw == matrix({{31, 10}, {20, 30}}));
  CHECK(ds == matrix({{10, 20, 30}, {10, 20, 30}}));
  CHECK(dz == zeros<double>(2, 3));
  of_scores.kind = AuxKind::CvImportance, of_scores.importance_of = ImportanceOf::CleanScores;
  r.noise.clean = matrix({{0, 0, -1000}, {-1000, 0, 0}});
  CHECK(importance_forward(of_scores, r) == std::vector<double>{0.5, 1, 0.5});
  importance_backward(of_scores, r, {10.0, 20.0, 30.0}, dw, ds, dz);
  CHECK(ds == matrix({{10, 20, 30}, {10, 20, 30}}));
  CHECK(dz == matrix({{-2.5, 2.5, 0}, {0, -2.5, 2.5}}));
}

TEST_CASE("importance: the rival is the runner-up of the chosen, the last chosen of all others") {
  const Routing<double> r = routing();
  CHECK(rival(Aux(), r.expert, r.runner_up, 0, 2) == 1);
  CHECK(rival(Aux(), r.expert, r.runner_up, 0, 0) == 1);
  CHECK(rival(Aux(), r.expert, r.runner_up, 0, 1) == 0);
  CHECK(rival(Aux(), r.expert, r.runner_up, 1, 0) == 2);
}

TEST_CASE("importance: the load by hand, and T for all if all are chosen") {
  const std::vector<double> load = load_forward(Aux(), routing());
  CHECK(std::abs(load[0] - (phi_of(0.5) + phi_of(-4))) <= 4 * kUnit);  // (2 - 1) / 2, (0 - 2) / 0.5
  CHECK(std::abs(load[1] - (phi_of(-2) + phi_of(3))) <= 4 * kUnit);    // (1 - 3) / 1, (6 - 0) / 2
  CHECK(std::abs(load[2] - (phi_of(0.75) + phi_of(1))) <= 4 * kUnit);  // (4 - 1) / 4, (1 - 0) / 1
  Routing<double> all = routing();
  all.expert = ids({{2, 0, 1}, {1, 2, 0}});
  CHECK(load_forward(Aux(), all) == std::vector<double>{2, 2, 2});
}

TEST_CASE("importance: the load against the last chosen one, whoever was chosen") {
  Aux last;
  last.load_against = LoadAgainst::LastChosen;
  const std::vector<double> load = load_forward(last, routing());  // thresholds 3 and 2
  CHECK(std::abs(load[0] - (phi_of(-0.5) + phi_of(-4))) <= 4 * kUnit);
  CHECK(std::abs(load[1] - (phi_of(-2) + phi_of(2))) <= 4 * kUnit);
  CHECK(std::abs(load[2] - (phi_of(0.25) + phi_of(-1))) <= 4 * kUnit);
  Routing<double> all = routing();
  all.expert = ids({{2, 0, 1}, {1, 2, 0}});
  CHECK(load_forward(last, all)[0] < 2);
  Matrix<double> dz = zeros<double>(2, 3), ds = dz, dh = dz;
  load_backward(last, routing(), {1, 1, 1}, dz, ds, dh);
  CHECK((dh(0, 0) < 0 && dh(0, 1) == 0 && dh(0, 2) == 0 && dh(1, 0) == 0));
}

TEST_CASE("importance: the gradient of the load is what differences say, thresholds included") {
  const std::vector<double> dload{1, -2, 3};
  const auto total = [&](const Routing<double>& r) {
    const std::vector<double> load = load_forward(Aux(), r);
    return load[0] * dload[0] + load[1] * dload[1] + load[2] * dload[2];
  };
  Matrix<double> dz = zeros<double>(2, 3), ds = dz, dh = dz;
  load_backward(Aux(), routing(), dload, dz, ds, dh);
  const double h = 0x1p-20;
  const auto slope = [&](auto member, Index i) {
    Routing<double> above = routing(), below = routing();
    member(above).data()[i] += h, member(below).data()[i] -= h;
    return (total(above) - total(below)) / (2 * h);
  };
  for (Index i = 0; i < 6; ++i) {
    CHECK(std::abs(dz.data()[i] - slope(
                                      [](auto& r) -> auto& { return r.noise.clean; }, i)) <= 1e-9);
    CHECK(std::abs(ds.data()[i] - slope(
                                      [](auto& r) -> auto& { return r.noise.scale; }, i)) <= 1e-9);
    CHECK(std::abs(dh.data()[i] - slope(
                                      [](auto& r) -> auto& { return r.logits; }, i)) <= 1e-9);
  }
}
