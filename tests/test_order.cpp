#include "../src/check/routing.h"
#include "moe/check.h"
#include "support.h"

// Weights of which each is a share of what was left: there the order of the choices is a decision, too.
using namespace moe;

namespace {

CheckCase case_called(const std::string& id) {
  for (CheckCase& c : read_check_cases(MOE_ROOT "/golden/sparsemixer/weights.json"))
    if (c.golden.id == id) return std::move(c);
  throw Error(id, id + " is not there");
}

/// What is said of a right evaluation in which token t has chosen these experts, in this order, and says so or not.
CaseVerdict verdict_on(const CheckCase& c, Index t, std::vector<std::int32_t> chosen, bool says_so) {
  IdMatrix ids = decide(c.config, params_of<double>(c.config, c.golden.inputs)).expert;
  std::copy(chosen.begin(), chosen.end(), row(ids, t));
  const Decisions made = decisions_for(c.config, c.golden.inputs, ids, {});
  Answer answer;
  for (const auto& [name, a] : evaluate<double>(c.config, c.golden.inputs, &made, false))
    if (name == "y" || (says_so && (name == "router.topk_ids" || name == "router.topk_weights")))
      answer.tensors.emplace_back(name, a);
  return check(c, answer, {profile_called("fp64_any_order"), Mode::EndToEnd});
}

}  // namespace

TEST_CASE("order: of two equal experts either may be the first, and share with the other") {
  const CheckCase c = case_called("sparsemixer/tie");
  for (const bool says_so : {true, false})
    for (const auto& chosen : {std::vector<std::int32_t>{0, 1}, {1, 0}}) {
      const CaseVerdict verdict = verdict_on(c, 0, chosen, says_so);
      CAPTURE(verdict.reason);
      CHECK(verdict.status <= Status::LowPower);
    }
}

TEST_CASE("order: the worse of two is not the first") {
  const CheckCase c = case_called("sparsemixer/two");
  CHECK(verdict_on(c, 0, {0, 1}, true).status <= Status::LowPower);
  const CaseVerdict said = verdict_on(c, 0, {1, 0}, true);
  CHECK(said.status == Status::Fail);
  CHECK(said.reason == "routing: token 0 has its experts in the order {1,0} where only {0,1} is right");
  CHECK(verdict_on(c, 0, {1, 0}, false).status == Status::Fail);
}
