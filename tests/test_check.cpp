#include <doctest/doctest.h>

#include "moe/check.h"
#include "moe/load.h"
#include "moe/scalar/narrow.h"

using namespace moe;

namespace {

CheckCase case_of(const std::string& preset, const std::vector<std::string>& sets = {}) {
  CheckCase c;
  c.config = load_config(preset, sets).config;
  c.golden.id = "test/" + preset;
  c.golden.inputs = seeded_inputs(c.config);
  for (auto& [id, a] : c.golden.inputs) a = materialized(std::move(a));
  return c;
}

Decisions decisions_of(const CheckCase& c) {
  return decide(c.config, params_of<double>(c.config, c.golden.inputs));
}

/// A correct answer in fp32, or what it makes of other decisions.
Answer fp32_answer(const CheckCase& c, const Decisions& decisions,
                   const std::string& profile = "fp32_any_order") {
  const ProfileScope scope(profile_called(profile));
  Answer answer;
  for (auto& [name, a] : evaluate<Narrow>(c.config, c.golden.inputs, &decisions, true))
    answer.tensors.emplace_back(name, is_real(a.format) ? converted(a, Format::F32, name) : a);
  return answer;
}
Answer fp32_answer(const CheckCase& c) { return fp32_answer(c, decisions_of(c)); }

Array& tensor(Answer& answer, const std::string& name) {
  for (auto& [known, a] : answer.tensors)
    if (known == name) return a;
  throw std::out_of_range(name);
}
void set(Array& a, Index i, double value) {
  const auto x = static_cast<float>(value);
  std::memcpy(a.bytes.data() + i * 4, &x, 4);
}
void scale_all(Array& a, double factor) {
  for (Index i = 0; i < a.size(); ++i) set(a, i, factor * a.real(i));
}
void swap_rows(Array& a, Index i, Index j) {
  const auto width = static_cast<std::ptrdiff_t>(a.bytes.size()) / a.dims[0];
  std::swap_ranges(a.bytes.begin() + i * width, a.bytes.begin() + (i + 1) * width,
                   a.bytes.begin() + j * width);
}
void erase(Answer& answer, const std::string& prefix) {
  std::erase_if(answer.tensors, [&](const auto& t) { return t.first.starts_with(prefix); });
}
void keep_only(Answer& answer, const std::string& name) {
  std::erase_if(answer.tensors, [&](const auto& t) { return t.first != name; });
}

Status status_after(const CheckCase& c, const std::function<void(Answer&)>& spoil,
                    Mode mode = Mode::Automatic) {
  Answer answer = fp32_answer(c);
  spoil(answer);
  return check(c, answer, {{}, mode}).status;
}

const TensorVerdict& of(const CaseVerdict& verdict, const std::string& name) {
  for (const TensorVerdict& v : verdict.tensors)
    if (v.name == name) return v;
  throw std::out_of_range(name);
}

}  // namespace

TEST_CASE("check: a correct answer passes in every preset and every mode") {
  for (const char* preset : {"dense", "switch", "mixtral", "gshard", "shazeer2017", "deepseek_v3"})
    for (const Mode mode : {Mode::Automatic, Mode::EndToEnd, Mode::Pinned, Mode::Isolated}) {
      const CheckCase c = case_of(preset);
      const CaseVerdict verdict = check(c, fp32_answer(c), {{}, mode});
      CAPTURE(preset);
      CAPTURE(verdict.reason);
      CHECK(verdict.status <= Status::LowPower);
      CHECK(verdict.profile == "fp32_any_order");
      CHECK(verdict.missing.empty());
      CHECK(verdict.unknown.empty());
      CHECK(verdict.tensors.size() > 15);
    }
}

TEST_CASE("check: what is not a number, or not finite, fails in any tensor") {
  const CheckCase c = case_of("mixtral");
  for (const char* name : {"y", "expert.hidden", "router.logits", "grad.x", "loss.task", "grad.experts.up"})
    for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL})
      for (const Mode mode : {Mode::Automatic, Mode::EndToEnd}) {
        CAPTURE(name);
        CHECK(status_after(
                  c, [&](Answer& a) { set(tensor(a, name), 0, bad); }, mode) == Status::Fail);
      }
}

TEST_CASE("check: NaN fails where there is no bound, too, and SOFT judges there") {
  CheckCase c = case_of("mixtral");
  Array& x = c.golden.inputs[Tensor::x];
  std::vector<double> values = buffer<double>(x.size());
  x.reals(0, values);
  for (double& v : values) v *= 32768;  // some of expert.up leaves the range of fp16
  x = array_of(x.dims, values.data());
  c.golden.demands = {};
  const CheckOptions fp16{profile_called("fp16_store_fp32_acc"), Mode::EndToEnd};
  Answer answer = fp32_answer(c);
  keep_only(answer, "expert.up");
  Array& up = tensor(answer, "expert.up");
  const CaseVerdict right = check(c, answer, fp16);
  CAPTURE(right.reason);
  CHECK(right.status <= Status::LowPower);
  REQUIRE(of(right, "expert.up").judged < of(right, "expert.up").numbers);
  for (Index i = 0; i < up.size(); ++i) {
    const double before = up.real(i);
    if (std::abs(before) < 66000) continue;
    set(up, i, HUGE_VAL);
    CHECK(check(c, answer, fp16).status <= Status::LowPower);
    set(up, i, std::nan(""));
    CHECK(check(c, answer, fp16).status == Status::Fail);
    set(up, i, before);
    Answer follows = fp32_answer(c);  // infinity times 0 there is no number, of a correct program
    keep_only(follows, "expert.hidden");
    Array& product = tensor(follows, "expert.hidden");
    REQUIRE(product.size() == up.size());
    set(product, i, std::nan(""));
    CHECK(check(c, follows, fp16).status <= Status::LowPower);
    Profile vague =
        profile_called("fp32_any_order");  // a bound is missing, but not because the range is left
    vague.function_ulps = HUGE_VAL;
    Answer hidden = fp32_answer(c);
    keep_only(hidden, "expert.hidden");
    CHECK(check(c, hidden, {vague, Mode::EndToEnd}).status <= Status::LowPower);
    set(tensor(hidden, "expert.hidden"), 5, HUGE_VAL);
    CHECK(check(c, hidden, {vague, Mode::EndToEnd}).status == Status::Fail);
    set(up, i, 2 * before);
    CHECK(check(c, answer, fp16).status == Status::Flag);
    break;
  }
}

TEST_CASE("check: loss.task may be of a y that was not rounded yet, beside a y that was") {
  const CheckCase c = case_of("mixtral");
  Answer answer = fp32_answer(c, decisions_of(c), "bf16_store_fp32_acc");
  Array& y = tensor(answer, "y");
  y = converted(y, Format::BF16, "y");
  const Arrays exact = evaluate<double>(c.config, c.golden.inputs, nullptr, false);
  double of_rounded = 0;
  for (Index i = 0; i < y.size(); ++i) of_rounded += y.real(i) * c.golden.inputs.at(Tensor::dy).real(i);
  const double of_exact = std::ranges::find(exact, "loss.task", &Arrays::value_type::first)->second.real(0);
  REQUIRE(std::abs(of_rounded - of_exact) > 0x1p-20 * std::abs(of_exact));  // more than fp32 rounds
  for (const double task : {of_rounded, of_exact}) {
    set(tensor(answer, "loss.task"), 0, task);
    Answer some = answer;
    std::erase_if(some.tensors, [](const auto& t) { return t.first != "y" && t.first != "loss.task"; });
    const CaseVerdict verdict = check(c, some, {profile_called("bf16_store_fp32_acc"), Mode::Automatic});
    CAPTURE(verdict.reason);
    CHECK(verdict.status <= Status::LowPower);
  }
  set(tensor(answer, "loss.task"), 0, of_exact + 64 * (of_exact - of_rounded));
  CHECK(check(c, answer, {profile_called("bf16_store_fp32_acc"), Mode::Automatic}).status >= Status::Flag);
}

TEST_CASE("check: one wrong element fails, and is named") {
  const CheckCase c = case_of("mixtral");
  Answer answer = fp32_answer(c);
  Array& y = tensor(answer, "y");
  set(y, 70, y.real(70) + 1e-3);
  const CaseVerdict verdict = check(c, answer, {});
  CHECK(verdict.status == Status::Fail);
  CHECK(of(verdict, "y").worst == 70);
  CHECK(of(verdict, "y").hard_ratio > 1);
  CHECK(verdict.reason.find("y [2,6]") == 0);
  CHECK(of(verdict, "expert.hidden").status <= Status::LowPower);
}

TEST_CASE("check: zeros, flipped signs, swapped rows and another scale fail") {
  const CheckCase c = case_of("mixtral");
  for (const char* name : {"y", "expert.out", "grad.x", "grad.experts.down"}) {
    CAPTURE(name);
    CHECK(status_after(c, [&](Answer& a) { scale_all(tensor(a, name), 0); }) == Status::Fail);
    CHECK(status_after(c, [&](Answer& a) { scale_all(tensor(a, name), -1); }) == Status::Fail);
    CHECK(status_after(c, [&](Answer& a) { scale_all(tensor(a, name), 1.01); }) == Status::Fail);
    CHECK(status_after(c, [&](Answer& a) { swap_rows(tensor(a, name), 0, 1); }) == Status::Fail);
  }
}

TEST_CASE("check: a transposed square and an answer of another case fail") {
  const CheckCase c = case_of("mixtral", {"shape.num_tokens=8", "shape.hidden_size=8"});
  const auto transpose = [](Answer& a) {
    const Array y = tensor(a, "y");
    REQUIRE(y.dims[0] == y.dims[1]);
    for (Index i = 0; i < y.size(); ++i) set(tensor(a, "y"), i, y.real(i % 8 * 8 + i / 8));
  };
  CHECK(status_after(c, transpose) == Status::Fail);
  CHECK(check(case_of("switch"), fp32_answer(c), {}).status == Status::Fail);
}

TEST_CASE("check: a scale that HARD does not see end to end is flagged") {
  const CheckCase c = case_of("mixtral");
  const double factor = 1 + 0x1p-16;
  Answer answer = fp32_answer(c);
  keep_only(answer, "y");
  scale_all(tensor(answer, "y"), factor);
  const CaseVerdict verdict = check(c, answer, {{}, Mode::EndToEnd});
  CAPTURE(verdict.reason);
  CHECK(verdict.status == Status::Flag);
}

TEST_CASE("check: another shape or another kind of number fails, in one sentence") {
  const CheckCase c = case_of("mixtral");
  CHECK(status_after(c, [](Answer& a) { std::swap(tensor(a, "y").dims[0], tensor(a, "y").dims[1]); }) ==
        Status::Fail);
  CHECK(status_after(c, [](Answer& a) { tensor(a, "y") = tensor(a, "router.topk_ids"); }) == Status::Fail);
  CHECK(status_after(c, [](Answer& a) { tensor(a, "dispatch.counts") = tensor(a, "y"); }) == Status::Fail);
  CHECK(status_after(c, [](Answer& a) { tensor(a, "router.topk_ids") = tensor(a, "y"); }) == Status::Fail);
}

TEST_CASE("check: what is missing is listed, and an empty answer does not pass") {
  const CheckCase c = case_of("mixtral");
  Answer answer = fp32_answer(c);
  erase(answer, "grad.");
  erase(answer, "expert.hidden");
  answer.tensors.emplace_back("my.tensor", tensor(answer, "y"));
  const CaseVerdict verdict = check(c, answer, {});
  CHECK(verdict.status <= Status::LowPower);
  CHECK(verdict.missing.front() == "expert.hidden");
  CHECK(std::ranges::count(verdict.missing, "grad.x") == 1);
  CHECK(verdict.unknown == std::vector<std::string>{"my.tensor"});
  CHECK(check(c, {}, {}).status == Status::Partial);
}

TEST_CASE("check: refusals, failures and invalid cases") {
  CheckCase c = case_of("mixtral");
  const Answer refusal{{}, "no experts here", {}}, failure{{}, {}, "exited with status 3"};
  CHECK(check(c, refusal, {}).status == Status::Skipped);
  CHECK(check(c, failure, {}).status == Status::Fail);
  const Answer answer = fp32_answer(c);
  c.golden.invalid = true;
  CHECK(check(c, refusal, {}).status == Status::Pass);
  CHECK(check(c, answer, {}).status == Status::Fail);
  CHECK(check(c, failure, {}).status == Status::Fail);
}

TEST_CASE("check: slots in another order are the same answer, and rows by its own dispatch.order") {
  const CheckCase c = case_of("mixtral");
  Answer answer = fp32_answer(c);
  for (const char* name : {"router.topk_ids", "router.topk_weights", "grad.router.topk_weights"}) {
    Array& a = tensor(answer, name);
    for (Index t = 0; t < c.config.shape.num_tokens; ++t)
      std::swap_ranges(a.bytes.begin() + t * 8, a.bytes.begin() + t * 8 + 4, a.bytes.begin() + t * 8 + 4);
  }
  CHECK(check(c, answer, {}).status == Status::Fail);  // dispatch.order still means the old slots
  Array& order = tensor(answer, "dispatch.order");
  for (Index n = 0; n < order.size(); ++n) {
    const std::int64_t other = order.integer(n) ^ 1;
    std::memcpy(order.bytes.data() + n * 8, &other, 8);
  }
  CaseVerdict verdict = check(c, answer, {});
  CAPTURE(verdict.reason);
  CHECK(verdict.status <= Status::LowPower);

  for (auto& [name, a] : answer.tensors)
    if (a.dims.size() == 2 && a.dims[0] == order.size()) swap_rows(a, 0, order.size() - 1);
  CHECK(check(c, answer, {}).status == Status::Fail);
  swap_rows(order, 0, order.size() - 1);
  verdict = check(c, answer, {});
  CAPTURE(verdict.reason);
  CHECK(verdict.status <= Status::LowPower);
}

TEST_CASE("check: another choice fails where it is certain, whatever is computed from it") {
  const CheckCase c = case_of("mixtral");
  Decisions made = decisions_of(c);
  made.expert(3, 1) = made.expert(3, 1) == 7 ? 0 : 7;
  if (made.expert(3, 0) == made.expert(3, 1)) made.expert(3, 1) = 5;
  const Decisions other =
      decide_for(c.config,
                 logits_forward(c.config, all_rows(params_of<double>(c.config, c.golden.inputs).x),
                                params_of<double>(c.config, c.golden.inputs))
                     .logits,
                 made.expert);
  const CaseVerdict verdict = check(c, fp32_answer(c, other), {});
  CHECK(verdict.status == Status::Fail);
  CHECK(verdict.reason.find("routing: token 3 chooses") == 0);
  REQUIRE(verdict.routing);
  CHECK(!verdict.routing->tokens.at(3).admissible);
  CHECK(verdict.routing->tokens.at(3).certainty == Certainty::Certain);
}

TEST_CASE("check: another choice is judged for itself where rounding may decide, with ids and without") {
  CheckCase c = case_of("mixtral", {"shape.num_tokens=4", "shape.top_k=1"});
  // Expert 7 is expert 6 but for the last bit of one weight, so bf16 logits of both are equal for a token that wants one.
  Array& w = c.golden.inputs[Tensor::router_weight];
  std::vector<double> values = buffer<double>(w.size());
  w.reals(0, values);
  const Index D = c.config.shape.hidden_size;
  for (Index d = 0; d < D; ++d) at(values, 7 * D + d) = at(values, 6 * D + d) = 8 * at(values, 6 * D + d);
  at(values, 7 * D) += 0x1p-12;
  w = array_of(w.dims, values.data());
  IdMatrix ids = decisions_of(c).expert;
  Index flipped = 0;
  for (Index t = 0; t < ids.rows(); ++t)
    if (ids(t, 0) >= 6) ids(t, 0) = ids(t, 0) == 6 ? 7 : 6, ++flipped;
  REQUIRE(flipped > 0);
  const auto params = params_of<double>(c.config, c.golden.inputs);
  const Decisions other =
      decide_for(c.config, logits_forward(c.config, all_rows(params.x), params).logits, ids);
  const CheckOptions every_op{profile_called("bf16_every_op"), Mode::Automatic};

  Answer answer = fp32_answer(c, other);
  keep_only(answer, "y");
  const Answer only_y = answer;
  answer.tensors.emplace_back("router.topk_ids", array_of({4, 1}, ids.data()));
  const CaseVerdict verdict = check(c, answer, every_op);
  CAPTURE(verdict.reason);
  CHECK(verdict.status <= Status::LowPower);
  REQUIRE(verdict.routing);
  CHECK(!verdict.routing->reason.empty());
  CHECK(check(c, answer, {}).status == Status::Fail);  // fp32 logits tell them apart

  CHECK(check(c, only_y, every_op).status <= Status::LowPower);
  CHECK(check(c, only_y, {}).status == Status::Fail);
}

TEST_CASE("check: whoever keeps other assignments than the pinned ones fails") {
  const CheckCase c = case_of("gshard");
  Decisions other = decisions_of(c);
  Matrix<std::uint8_t> all = Matrix<std::uint8_t>::Constant(other.plan.kept.rows(), 2, 1);
  Matrix<Index> rank(all.rows(), 2);
  for (Index i = 0; i < rank.size(); ++i) rank.data()[i] = i;
  other.plan = make_plan(other.expert, rank, c.config.shape.num_experts, rank.size(), 1, all);
  REQUIRE(other.plan.N() > decisions_of(c).plan.N());
  CHECK(check(c, fp32_answer(c, other), {{}, Mode::Pinned}).status == Status::Fail);
}

TEST_CASE("check: whatever ranks a capacity, only what keeps so many, and these, passes (P2), (P3)") {
  for (const std::string preset : {"mixtral", "gshard"})  // all second choices, or by a random number
    for (const std::vector<std::string>& ranks :
         {std::vector<std::string>{"capacity.priority=fcfs"},
          {"capacity.priority=weight"},
          {"capacity.priority=bpr_top1", "capacity.order=choice_major"},
          {"capacity.priority=bpr_top1", "capacity.order=token_major"}}) {
      std::vector<std::string> sets{"shape.num_tokens=24", "capacity.mode=fixed", "capacity.fixed=4"};
      sets.insert(sets.end(), ranks.begin(), ranks.end());
      const CheckCase c = case_of(preset, sets);
      const auto decisions_with = [&](const std::string& changed) {
        std::vector<std::string> all = sets;
        all.push_back(changed);
        return decisions_of(case_of(preset, all));
      };
      const auto status_with = [&](const std::string& changed) {
        return check(c, fp32_answer(c, decisions_with(changed)), {}).status;
      };
      CAPTURE(preset);
      CAPTURE(ranks.front());
      CAPTURE(ranks.back());
      CHECK(check(c, fp32_answer(c), {}).status == Status::Pass);
      for (const std::string fixed : {"24", "5", "3", "1", "0"})
        CHECK(status_with("capacity.fixed=" + fixed) == Status::Fail);
      const std::string other = ranks.size() > 1 ? "capacity.priority=fcfs" : "capacity.priority=bpr_top1";
      const bool differs = decisions_with(other).plan.kept != decisions_of(c).plan.kept;  // it need not
      CHECK(status_with(other) == (differs ? Status::Fail : Status::Pass));
      if (preset == "gshard") CHECK(status_with("router.second_threshold=0.001") == Status::Fail);
    }
}

TEST_CASE("check: integers are compared exactly") {
  const CheckCase c = case_of("gshard");
  for (const char* name : {"dispatch.counts", "dispatch.offsets", "dispatch.kept"}) {
    CAPTURE(name);
    CHECK(status_after(c, [&](Answer& a) { tensor(a, name).bytes[0] ^= std::byte{1}; }) == Status::Fail);
  }
}

TEST_CASE("check: the format of an answer chooses its profile, and every format is judged") {
  const CheckCase c = case_of("mixtral");
  const std::vector<std::pair<Format, std::string>> formats{{Format::F64, "fp64_any_order"},
                                                            {Format::F32, "fp32_any_order"},
                                                            {Format::BF16, "bf16_store_fp32_acc"},
                                                            {Format::F16, "fp16_store_fp32_acc"}};
  for (const auto& [format, name_of_profile] : formats) {
    const std::string profile = name_of_profile;
    const Decisions made = decisions_of(c);
    Answer answer;
    const ProfileScope scope(profile_called(profile));
    for (auto& [name, a] : evaluate<Narrow>(c.config, c.golden.inputs, &made, false))
      answer.tensors.emplace_back(name, is_real(a.format) ? converted(a, format, name) : a);
    const CaseVerdict verdict = check(c, answer, {{}, Mode::EndToEnd});
    CAPTURE(profile);
    CAPTURE(verdict.reason);
    CHECK(verdict.profile == profile);
    CHECK(verdict.status <= Status::LowPower);
  }
}
