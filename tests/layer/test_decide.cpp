#include "../support.h"
#include "moe/budget.h"
#include "moe/layer/decide.h"
#include "moe/scalar/bound.h"

using namespace moe;

namespace {

/// Two tokens, four experts, two choices: x is the identity, so that the logits are the columns of router.weight.
Config config_with(const std::vector<std::string>& sets) {
  std::vector<std::string> all{"shape.num_tokens=2", "shape.hidden_size=2", "shape.ffn_size=1"};
  all.insert(all.end(), sets.begin(), sets.end());
  return small("mixtral", all);
}
Params<double> params() {
  Params<double> p;
  p.x = as_weight(matrix({{1, 0}, {0, 1}}));
  p.router = as_weight(matrix({{3, 0}, {2, 1}, {1, 2}, {0, 3}}));
  return p;
}
Decisions decided(const Config& config, const Params<double>& p) { return decide(config, p); }

}  // namespace

TEST_CASE("decide: (R0) of x, and of what the router sees instead") {
  Params<double> p = params();
  const Matrix<double> x = all_rows(p.x);
  CHECK(logits_forward(config_with({"router.logit_scale=2"}), x, p).logits ==
        matrix({{6, 4, 2, 0}, {0, 2, 4, 6}}));
  p.jitter = as_weight(matrix({{2, 5}, {7, -1}}));
  CHECK(logits_forward(config_with({"noise.kind=input_jitter"}), x, p).logits ==
        matrix({{6, 4, 2, 0}, {0, -1, -2, -3}}));
  p.router_x = as_weight(matrix({{0, 1}, {1, 0}}));
  CHECK(logits_forward(config_with({"router.input=own"}), x, p).logits ==
        matrix({{0, 1, 2, 3}, {3, 2, 1, 0}}));
  CHECK(logits_forward(config_with({"router.input=own", "noise.kind=input_jitter"}), x, p).logits ==
        matrix({{0, 5, 10, 15}, {21, 14, 7, 0}}));
}

TEST_CASE("decide: (N2) noise ranks beside logits that stay as they are") {
  Params<double> p = params();
  p.gumbel = as_weight(matrix({{0, -9, 0, 4}, {0, 0, 0, -9}}));
  const Config all = config_with({"noise.kind=gumbel"}),
               second = config_with({"noise.kind=gumbel", "noise.choices=second"});
  const RouterLogits<double> z = logits_forward(all, all_rows(p.x), p);
  CHECK(z.logits == matrix({{3, 2, 1, 0}, {0, 1, 2, 3}}));
  CHECK(z.noise.ranked == matrix({{3, -7, 1, 4}, {0, 1, 2, -6}}));
  CHECK(decided(all, p).expert == ids({{3, 0}, {2, 1}}));
  CHECK(decided(second, p).expert == ids({{0, 3}, {3, 2}}));
}

TEST_CASE("decide: (R1) given experts, whatever the logits") {
  Params<double> p = params();
  p.given_ids = as_weight(matrix({{3, 1}, {0, 2}}));
  CHECK(decided(config_with({"router.choice=given"}), p).expert == ids({{3, 1}, {0, 2}}));
}

TEST_CASE("decide: (P2) places by lot, of each choice its own") {
  Params<double> p = params();
  p.x = as_weight(matrix({{1, 0}, {1, 0}}));  // both choose 0 and 1
  p.priority = as_weight(matrix({{0.25, 0.75, 1, 1}, {0.5, 0.5, 1, 1}}));
  const Config config = config_with({"capacity.mode=fixed", "capacity.fixed=1", "capacity.priority=random"});
  const Decisions made = decided(config, p);
  CHECK(made.expert == ids({{0, 1}, {0, 1}}));
  CHECK(made.plan.kept == matrix({{0, 1}, {1, 0}}).cast<std::uint8_t>());
}

TEST_CASE("decide: (R6) is of the share before the factor") {
  Params<double> p = params();
  const auto taken = [&](const char* factor) {
    return decided(config_with({"router.second_policy=threshold", "router.second_threshold=0.25", factor}), p)
        .taken_up;
  };
  CHECK(taken("router.routed_scaling_factor=1") == matrix({{1, 1}, {1, 1}}).cast<std::uint8_t>());  // 0.269
  CHECK(taken("router.routed_scaling_factor=0.5") == taken("router.routed_scaling_factor=1"));
}

TEST_CASE("decide: (R2') the bound of a sigmoid's gradient knows its offset") {
  const ProfileScope scope(profile_called("fp32_any_order"));
  const auto error = [](double offset) {
    Router router{.score_function = ScoreFunction::Sigmoid, .score_offset = offset};
    Matrix<Bound> z(1, 2);
    z(0, 0) = Bound(0.5), z(0, 1) = Bound(-1.0);
    const IdMatrix expert = ids({{0}});
    const Plan plan = make_plan(expert, rank_assignments({}, 1, 1, {}), 2, 1, 1, {});
    const Routing<Bound> r = route_forward(router, z, Matrix<Bound>(), expert, plan);
    const Matrix<Bound> dw = Matrix<Bound>::Constant(1, 1, Bound(1.0));
    return route_backward(router, r, plan, zeros<Bound>(1, 2), dw).logits(0, 0).e;
  };
  CHECK(error(0.125) <=
        4 * error(0));  // with the offset in s (1 - s) it is 0.03 off, a million times as much
}
