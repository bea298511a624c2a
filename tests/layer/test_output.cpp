#include "../support.h"
#include "moe/layer/output.h"

using namespace moe;

namespace {

// Two tokens, one expert, weights of 1: what goes in comes out.
const Plan plan = make_plan(ids({{0}, {0}}), rank_assignments({}, 2, 1, {}), 1, 2, 1, {});
const Matrix<double> ones = matrix({{1}, {1}}), out = matrix({{3, 4}, {-6, 8}}), x = matrix({{7, 7}, {7, 7}});

Combined<double> forward(const Config& config, const Params<double>& params,
                         const Matrix<double>& shared = {}) {
  return combine_forward(config, params, ones, plan, out, x, shared);
}

}  // namespace

TEST_CASE("output: (C2) a bias is added to the sum, and the shared expert to both") {
  Config config;
  config.experts.bias = ExpertBias::AfterCombine;
  Params<double> params;
  params.combine_bias = as_weight(matrix({{0.5, -1}}));
  CHECK(difference(forward(config, params).y, matrix({{3.5, 3}, {-5.5, 7}}), 0) == "");
  CHECK(difference(forward(config, params, x).y, matrix({{10.5, 10}, {1.5, 14}}), 0) == "");
  config.shared.mode = SharedMode::Average;
  CHECK(difference(forward(config, params, x).y, matrix({{5.25, 5}, {0.75, 7}}), 0) == "");
}

TEST_CASE("output: (C4) rows over their root mean squares, by hand") {
  Config config;
  config.combine.norm = Norm::Rms;
  config.combine.norm_epsilon = 3.5;  // 12.5 + 3.5 = 4^2
  Params<double> params;
  params.norm_weight = as_weight(matrix({{2, -1}}));
  const Combined<double> c = forward(config, params);
  CHECK(difference(c.sum, out, 0) == "");
  CHECK(difference(rows_of(c.y, 0, 1), matrix({{1.5, -1}}), 0) == "");
  // dc = dy v q; dv = q (c dy - v q^2 / 2 (c dy, v)): (c dy, v) = 2 3 - 4 = 2, q = 1/4
  const auto g = output_backward(config, params, rows_of(c.sum, 0, 1), {}, matrix({{1, 1}}));
  CHECK(difference(g.norm_weight, matrix({{0.75, 1}}), 0) == "");
  CHECK(difference(g.sum, matrix({{0.25 * (2 - 3 / 16.0), 0.25 * (-1 - 4 / 16.0)}}), 0) == "");
  CHECK(difference(g.routed, g.sum, 0) == "");
}

TEST_CASE("output: (C4) the norm of a row of zeros is zeros") {
  const Matrix<double> nothing = zeros<double>(1, 2), c = matrix({{2, -1}}), dy = matrix({{1, 1}});
  Combine combine;
  combine.norm_epsilon = 0.0625;
  CHECK(difference(rms_forward(combine.norm_epsilon, nothing, c), nothing, 0) == "");
  CHECK(difference(rms_backward(combine.norm_epsilon, nothing, c, dy), matrix({{8, -4}}), 0) == "");
}

TEST_CASE("norm: (X7) factors come before the norm, which sees them, by hand") {
  const Matrix<double> v = matrix({{2, 2}}), c = matrix({{1.5, 2}}), dy = matrix({{1, 0}});
  // u = (3, 4), q = 1/4 with 12.5 + 3.5 = 4^2
  CHECK(difference(scaled_rms_forward(3.5, v, c), matrix({{0.75, 1}}), 0) == "");
  // du = q (dy - u q^2 / 2 <dy, u>) = (1/4 - 9/128, -12/128)
  CHECK(difference(scaled_rms_backward(3.5, v, c, dy), matrix({{1.5 * 23 / 128, -2.0 * 12 / 128}}), 0) == "");
  CHECK(difference(scaled_rms_backward_weight(3.5, v, c, dy), matrix({{2.0 * 23 / 128, -2.0 * 12 / 128}}),
                   0) == "");
}

TEST_CASE("output: (X5) the sum over experts is mapped back, and so are gradients") {
  Config config;
  config.experts.latent_size = 2;
  Params<double> params;
  params.latent_up = as_weight(matrix({{1, 0}, {0, 2}, {1, -1}}));
  const Combined<double> c = forward(config, params);
  CHECK(difference(c.latent, out, 0) == "");
  CHECK(difference(c.y, matrix({{3, 8, -1}, {-6, 16, -14}}), 0) == "");
  const auto g = output_backward(config, params, {}, out, matrix({{1, 0, 0}, {0, 1, 1}}));
  CHECK(difference(g.latent_y, matrix({{1, 0}, {1, 1}}), 0) == "");
  CHECK(difference(g.latent_up, matrix({{3, 4}, {-6, 8}, {-6, 8}}), 0) == "");
}
