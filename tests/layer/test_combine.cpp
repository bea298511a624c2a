#include "../support.h"
#include "moe/layer/choose.h"
#include "moe/layer/output.h"

using namespace moe;

namespace {

// Tokens 0 and 1 choose experts (0, 1) and (1, 0), one place each, token-major: token 1 keeps nothing.
const Plan plan = make_plan(ids({{0, 1}, {1, 0}}), rank_assignments({}, 2, 2, {}), 2, 1, 1, {});
const Matrix<double> weight = matrix({{0.5, 0.25}, {4, 8}}), out = matrix({{2, 4}, {8, 16}}),
                     x = matrix({{1, 1}, {3, 5}}), dy = matrix({{1, 10}, {100, 1000}});

Config with(DroppedOutput dropped) {
  Config c;
  c.capacity.dropped_output = dropped;
  return c;
}
Combined<double> forward(DroppedOutput dropped) {
  return combine_forward(with(dropped), {}, weight, plan, out, x);
}
CombineGrads<double> backward(DroppedOutput dropped) {
  return combine_backward(with(dropped), weight, plan, out, x, dy);
}

}  // namespace

TEST_CASE("combine: a weighted sum, and what is left for a token without an expert") {
  CHECK(difference(forward(DroppedOutput::Zero).weighted, matrix({{1, 2}, {2, 4}}), 0) == "");
  CHECK(difference(forward(DroppedOutput::Zero).y, matrix({{3, 6}, {0, 0}}), 0) == "");
  CHECK(difference(forward(DroppedOutput::Identity).y, matrix({{3, 6}, {3, 5}}), 0) == "");
  CHECK(difference(forward(DroppedOutput::ScaledIdentity).y, matrix({{3, 6}, {12, 20}}), 0) == "");
}

TEST_CASE("combine: (C5) x gets what the weights of the kept leave of 1, and its gradient") {
  Config rests;
  rests.combine.rest = Rest::X;
  CHECK(combine_forward(rests, {}, weight, plan, out, x).y == matrix({{3.25, 6.25}, {3, 5}}));
  const CombineGrads<double> g = combine_backward(rests, weight, plan, out, x, dy);
  CHECK(g.x == matrix({{0.25, 2.5}, {100, 1000}}));
  CHECK(g.weight == matrix({{42 - 11, 168 - 11}, {0, 0}}));
  CHECK(rest_of(weight, plan, 0) == 0.25);
  CHECK(rest_of(weight, plan, 1) == 1);
}

TEST_CASE("combine: gradients by hand") {
  const auto zero = backward(DroppedOutput::Zero), same = backward(DroppedOutput::Identity),
             scaled = backward(DroppedOutput::ScaledIdentity);
  CHECK(difference(zero.weight, matrix({{42, 168}, {0, 0}}), 0) == "");
  CHECK(difference(zero.out, matrix({{0.5, 5}, {0.25, 2.5}}), 0) == "");
  CHECK(difference(zero.x, zeros<double>(2, 2), 0) == "");
  CHECK(difference(same.x, matrix({{0, 0}, {100, 1000}}), 0) == "");
  CHECK(difference(same.weight, zero.weight, 0) == "");
  CHECK(difference(scaled.x, matrix({{0, 0}, {400, 4000}}), 0) == "");
  CHECK(difference(scaled.weight, matrix({{42, 168}, {5300, 0}}), 0) == "");
}
