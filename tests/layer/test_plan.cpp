#include "../support.h"
#include "moe/layer/choose.h"
#include "moe/layer/plan.h"

using namespace moe;

namespace {
Plan plan_of(const IdMatrix& expert, Index E, Index C, DropOrder order = DropOrder::TokenMajor,
             const Matrix<std::uint8_t>& taken_up = {}) {
  Capacity c;
  c.order = order;
  return make_plan(expert, rank_assignments(c, expert.rows(), expert.cols(), {}), E, C, 1, taken_up);
}
using Integers = std::vector<std::int64_t>;
}  // namespace

TEST_CASE("plan: rows by expert, then token, then slot") {
  const Plan plan = plan_of(ids({{2, 0}, {1, 0}}), 3, 2);
  CHECK(plan.counts == Integers{2, 1, 1});
  CHECK(plan.offsets == Integers{0, 2, 3, 4});
  CHECK(plan.order == Integers{1, 3, 2, 0});
  CHECK(plan.row == matrix({{3, 0}, {2, 1}}).cast<Index>());
  CHECK(plan.token(1) == 1);
  CHECK(plan.N() == 4);
}

TEST_CASE("plan: a choice that is not taken up has no row, but its place in the queue") {
  const Plan plan = plan_of(ids({{0, 1}, {2, 1}, {3, 1}}), 4, 2, DropOrder::ChoiceMajor,
                            matrix({{1, 0}, {1, 1}, {1, 1}}).cast<std::uint8_t>());
  CHECK(plan.kept == matrix({{1, 0}, {1, 1}, {1, 0}}).cast<std::uint8_t>());
  CHECK(plan.counts == Integers{1, 3, 1, 1});
  CHECK(plan.order == Integers{0, 3, 2, 4});
}

TEST_CASE("plan: two tokens with opposite preferences and one place each") {
  const IdMatrix expert = ids({{0, 1}, {1, 0}});
  const Plan choices = plan_of(expert, 2, 1, DropOrder::ChoiceMajor), tokens = plan_of(expert, 2, 1);
  CHECK(choices.kept == matrix({{1, 0}, {1, 0}}).cast<std::uint8_t>());
  CHECK(tokens.kept == matrix({{1, 1}, {0, 0}}).cast<std::uint8_t>());
  CHECK(choices.row == matrix({{0, -1}, {1, -1}}).cast<Index>());
  CHECK(tokens.counts == Integers{2, 2});  // before any drop
  CHECK(tokens.offsets == Integers{0, 1, 2});
}

TEST_CASE("plan: nothing fits, nobody comes, everybody goes to one") {
  CHECK(plan_of(ids({{0}, {1}}), 2, 0).N() == 0);
  CHECK(plan_of(IdMatrix(0, 2), 3, 5).offsets == Integers{0, 0, 0, 0});
  CHECK(plan_of(ids({{1}, {1}, {1}}), 3, 3).offsets == Integers{0, 0, 3, 3});
}

TEST_CASE("plan: every order keeps as many, and kept rows are a permutation") {
  for (const DropOrder order : {DropOrder::TokenMajor, DropOrder::ChoiceMajor}) {
    const Plan plan = plan_of(ids({{0, 1}, {0, 2}, {0, 1}, {2, 0}}), 3, 2, order);
    CHECK(plan.N() == 6);
    for (Index n = 0; n < plan.N(); ++n) CHECK(plan.row.data()[at(plan.order, n)] == n);
  }
}

TEST_CASE("plan: (P3) a choice that is not taken up holds a place, or leaves it to the next") {
  const IdMatrix expert = ids({{0, 1}, {0, 1}});
  const Matrix<Index> rank = rank_assignments({}, 2, 2, {});
  Matrix<std::uint8_t> taken_up = Matrix<std::uint8_t>::Constant(2, 2, 1);
  taken_up(0, 1) = 0;
  const auto kept = [&](bool frees) { return make_plan(expert, rank, 2, 1, 1, taken_up, frees).kept; };
  Matrix<std::uint8_t> held = zeros<std::uint8_t>(2, 2), freed = held;
  held(0, 0) = freed(0, 0) = freed(1, 1) = 1;
  CHECK(kept(false) == held);
  CHECK(kept(true) == freed);
}
