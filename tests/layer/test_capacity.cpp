#include "../support.h"
#include "moe/layer/capacity.h"

using namespace moe;

namespace {

/// The capacity of T tokens, E experts and K choices under a formula.
Index capacity(Index T, Index E, Index K, double factor, Capacity c) {
  Config config;
  config.shape = {T, 1, 1, E, K};
  c.mode = CapacityMode::Factor;
  c.factor = factor;
  config.capacity = c;
  return capacity_of(config);
}

// How published programs compute it: the rows of the table in docs/MATH.md.
const Capacity kMegatron{
    .base = CapacityBase::TokensTimesK, .outer_round = Rounding::Ceil, .arithmetic = Arithmetic::F64};
const Capacity kDeepSpeed{.outer_round = Rounding::Ceil,
                          .arithmetic = Arithmetic::F32};  // top-2 doubles the factor
const Capacity kTutel{.inner_round = Rounding::Ceil, .k_outside = true, .arithmetic = Arithmetic::F64};
const Capacity kMegaBlocks{.base = CapacityBase::TokensTimesK, .arithmetic = Arithmetic::F64};
const Capacity kVMoE{.base = CapacityBase::TokensTimesK,
                     .outer_round = Rounding::Ceil,
                     .eval_order = EvalOrder::FactorFirst,
                     .arithmetic = Arithmetic::F64,
                     .multiple_of = 4};
const Capacity kMaxText{
    .base = CapacityBase::TokensTimesK, .inner_round = Rounding::Ceil, .arithmetic = Arithmetic::F64};
const Capacity kMeshTF{
    .eval_order = EvalOrder::FactorFirst, .arithmetic = Arithmetic::F64, .min_capacity = 4};
const Capacity kFlaxformer{.outer_round = Rounding::HalfEven,
                           .eval_order = EvalOrder::FactorFirst,
                           .arithmetic = Arithmetic::F64,
                           .min_capacity = 4};
const Capacity kLingvo{.eval_order = EvalOrder::FactorFirst, .arithmetic = Arithmetic::F64, .multiple_of = 4};

}  // namespace

TEST_CASE("capacity: T 100, E 8, K 2, factor 1.25 in nine programs") {
  CHECK(capacity(100, 8, 2, 1.25, kMegatron) == 32);
  CHECK(capacity(100, 8, 2, 2.5, kDeepSpeed) == 32);
  CHECK(capacity(100, 8, 2, 1.25, kTutel) == 32);
  CHECK(capacity(100, 8, 2, 1.25, kMegaBlocks) == 31);
  CHECK(capacity(100, 8, 2, 1.25, kVMoE) == 32);
  CHECK(capacity(100, 8, 2, 1.25, kMaxText) == 31);
  CHECK(capacity(100, 8, 2, 1.25, kMeshTF) == 15);
  CHECK(capacity(100, 8, 2, 1.25, kFlaxformer) == 16);
  CHECK(capacity(100, 8, 2, 1.25, kLingvo) == 16);
}

TEST_CASE("capacity: T 37, E 5, K 2, factor 1 in six programs") {
  CHECK(capacity(37, 5, 2, 1, kMegatron) == 15);
  CHECK(capacity(37, 5, 2, 2, kDeepSpeed) == 15);
  CHECK(capacity(37, 5, 2, 1, kMegaBlocks) == 14);
  CHECK(capacity(37, 5, 2, 1, kVMoE) == 16);
  CHECK(capacity(37, 5, 2, 1, kTutel) == 16);
  CHECK(capacity(37, 5, 2, 1, kMaxText) == 15);
}

TEST_CASE("capacity: a decimal factor is that decimal, and floating point shows where it is the convention") {
  const Capacity exact{.outer_round = Rounding::Ceil},
      f64{.outer_round = Rounding::Ceil, .arithmetic = Arithmetic::F64},
      f32{.outer_round = Rounding::Ceil, .arithmetic = Arithmetic::F32};
  CHECK(capacity(50, 1, 1, 1.1, exact) == 55);
  CHECK(capacity(50, 1, 1, 1.1, f64) == 56);
  CHECK(capacity(50, 1, 1, 1.1, f32) == 55);
  CHECK(capacity(25, 1, 1, 1.2, exact) == 30);
  CHECK(capacity(25, 1, 1, 1.2, f64) == 30);
  CHECK(capacity(25, 1, 1, 1.2, f32) == 31);
  CHECK(capacity(100, 1, 1, 1.15, {}) == 115);
  CHECK(capacity(100, 1, 1, 1.15, {.arithmetic = Arithmetic::F64}) == 114);
}

TEST_CASE("capacity: halves round to even") {
  const Capacity half_even{.outer_round = Rounding::HalfEven};
  CHECK(capacity(10, 4, 1, 1, half_even) == 2);
  CHECK(capacity(14, 4, 1, 1, half_even) == 4);
  CHECK(capacity(11, 4, 1, 1, half_even) == 3);
  CHECK(capacity(9, 4, 1, 1, half_even) == 2);
}

TEST_CASE("capacity: none is T, fixed is itself, huge numbers do not overflow") {
  Config config;
  config.shape = {7, 1, 1, 2, 1};
  CHECK(capacity_of(config) == 7);
  config.capacity.mode = CapacityMode::Fixed;
  config.capacity.fixed = 3;
  CHECK(capacity_of(config) == 3);
  CHECK(capacity(2'000'000'000, 1, 1, 999999.999999999, {}) == 1'999'999'999'999'998);
}

TEST_CASE("capacity: a factor is a decimal of at most nine places") {
  CHECK(decimal_of(1.25).value == 125);
  CHECK(decimal_of(1.25).scale == 100);
  CHECK(decimal_of(0.1).scale == 10);
  CHECK(error_of([] { decimal_of(1.0 / 3); }) ==
        "capacity.factor = 0.3333333333333333 must be a decimal of at most nine places");
}
