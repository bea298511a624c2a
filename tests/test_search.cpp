#include "../src/check/routing.h"
#include "moe/check.h"
#include "moe/scalar/narrow.h"
#include "support.h"

// Right answers of y alone, of other experts than the case has, where logits are equal.
using namespace moe;

namespace {

/// 64 tokens that choose K experts, where the logit of expert e is that of `source(e)`.
template <typename Source>
CheckCase case_with_equals(Index K, Source source) {
  CheckCase c;
  c.golden.id = "test/equals";
  c.config =
      load_config("mixtral",
                  {"shape.hidden_size=256", "shape.ffn_size=512", "shape.top_k=" + std::to_string(K)}, 64)
          .config;
  c.golden.inputs = seeded_inputs(c.config);
  const Array router = c.golden.inputs.at(Tensor::router_weight);
  const Index D = c.config.shape.hidden_size;
  std::vector<double> values = buffer<double>(router.size());
  for (Index i = 0; i < router.size(); ++i) at(values, i) = router.real(source(i / D) * D + i % D);
  c.golden.inputs[Tensor::router_weight] = array_of(router.dims, values.data());
  return c;
}

/// y in fp32 of a layer that chooses expert other(e) in the place of e.
template <typename Other>
CaseVerdict verdict_on_y_of(const CheckCase& c, Other other) {
  IdMatrix ids = decide(c.config, params_of<double>(c.config, c.golden.inputs)).expert;
  Index changed = 0;
  for (std::int32_t& e : ids.reshaped()) changed += other(e) != e ? 1 : 0, e = other(e);
  REQUIRE(changed > 16);
  const Decisions made = decisions_for(c.config, c.golden.inputs, ids, {});
  Answer answer;
  for (const auto& [name, a] : evaluate<double>(c.config, c.golden.inputs, &made, false))
    if (name == "y") answer.tensors.emplace_back(name, converted(a, Format::F32, name));
  return check(c, answer, {profile_called("fp32_any_order"), Mode::EndToEnd});
}

}  // namespace

TEST_CASE("search: any token may have the other of two equal experts") {
  const CheckCase c = case_with_equals(1, [](Index e) { return e / 2 * 2; });  // 0 as 1, 2 as 3, ...
  const auto exchanged = [](std::int32_t e) { return e ^ 1; };
  const CaseVerdict pairs = verdict_on_y_of(c, exchanged);
  CAPTURE(pairs.reason);
  CHECK(pairs.status <= Status::LowPower);
}

TEST_CASE("search: where there are more choices than can be tried, a FAIL says so") {
  const CheckCase c =
      case_with_equals(2, [](Index) { return Index{0}; });  // 28 pairs of 8 equal experts for each token
  const CaseVerdict verdict = verdict_on_y_of(c, [](std::int32_t e) { return 7 - e; });
  CHECK(verdict.status == Status::Fail);
  CHECK(verdict.reason.ends_with(
      "; not all choices that rounding allows were tried: router.topk_ids would say which was made"));
}

TEST_CASE("search: a token alone has nothing of losses, whose inputs are not its own") {
  // 64 tokens and 8 experts: the row of token 8 of aux.earlier_counts would lie behind its end.
  CheckCase c = case_with_equals(1, [](Index e) { return e / 2 * 2; });
  c.config.aux.front().earlier_tokens = 3;
  for (const Tensor id : {Tensor::aux_earlier_counts, Tensor::aux_earlier_scores})
    c.golden.inputs[id] = seeded_inputs(c.config).at(id);
  const CaseVerdict verdict = verdict_on_y_of(c, [](std::int32_t e) { return e ^ 1; });
  CAPTURE(verdict.reason);
  CHECK(verdict.status <= Status::LowPower);
}

namespace {

/// Three tokens that ask one expert for its one place, by softmax scores of z_t = 1, 1 - d and 1 - 2 d.
CheckCase three_in_a_queue(double d) {
  CheckCase c;
  c.golden.id = "test/queue";
  c.config = load_config("mixtral",
                         {"shape.hidden_size=4", "shape.ffn_size=3", "shape.num_experts=2", "shape.top_k=1",
                          "router.renorm=none", "capacity.mode=fixed", "capacity.fixed=1",
                          "capacity.priority=weight", "aux=[]"},
                         3)
                 .config;
  c.golden.inputs = seeded_inputs(c.config);
  const double x[] = {1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1}, w[] = {1, 1 - d, 1 - 2 * d, 0, 0, 0, 0, 0};
  c.golden.inputs[Tensor::x] = array_of({3, 4}, x);
  c.golden.inputs[Tensor::router_weight] = array_of({2, 4}, w);
  return c;
}
/// What `check` says of y in bf16 if token t has the place.
Status status_if_kept(const CheckCase& c, const Profile& profile, Index t) {
  Matrix<std::uint8_t> kept = zeros<std::uint8_t>(3, 1);
  kept(t, 0) = 1;
  const Decisions made = decisions_for(c.config, c.golden.inputs, zeros<std::int32_t>(3, 1), kept);
  Answer answer;
  const ProfileScope scope(profile);
  for (const auto& [name, a] : evaluate<Narrow>(c.config, c.golden.inputs, &made, false))
    if (name == "y") answer.tensors.emplace_back(name, converted(a, Format::BF16, name));
  return check(c, answer, {profile, Mode::EndToEnd}).status;
}

}  // namespace

TEST_CASE("search: what no two roundings at once allow is not reached by one after the other") {
  const Profile& profile = profile_called("bf16_every_op");
  for (int i = 1; i < 64; ++i) {
    const CheckCase c = three_in_a_queue(i / 128.0);
    bool chain = false;
    {
      const ProfileScope scope(profile);
      const std::vector<Key<Bound>> keys =
          priority_keys(c.config, rankings(c.config, c.golden.inputs, profile).z, zeros<std::int32_t>(3, 1),
                        lots_of(params_of<Bound>(c.config, c.golden.inputs)));
      const auto before = [&](Index a, Index b) {
        return surely_asks_before(c.config.capacity, keys, 1, a, b);
      };
      chain = !before(0, 1) && !before(1, 2) && before(0, 2);
    }
    if (!chain) continue;
    CAPTURE(i);
    CHECK(status_if_kept(c, profile, 0) <= Status::LowPower);
    CHECK(status_if_kept(c, profile, 1) <= Status::LowPower);
    CHECK(status_if_kept(c, profile, 2) == Status::Fail);
    return;
  }
  FAIL("no distance is in doubt once and not twice");
}

TEST_CASE("search: two tokens at once, where only a loss tells of choices that are not taken up") {
  const std::string path = MOE_ROOT "/golden/crossed/from-220.json";
  for (const CheckCase& c : read_check_cases(path)) {
    if (c.golden.id != "crossed/226") continue;
    IdMatrix ids = decide(c.config, params_of<double>(c.config, c.golden.inputs)).expert;
    for (const Index t : {0, 1, 3, 4, 5})
      ids(t, 1) = ids(t, 1) / 3 * 3 + 2;  // the last of three that tie at 0
    const Decisions made = decisions_for(c.config, c.golden.inputs, ids, {});
    Answer answer;
    for (const auto& [name, a] : evaluate<double>(c.config, c.golden.inputs, &made, true))
      if (name == "y" || name == "grad.x" || name == "grad.router.weight")
        answer.tensors.emplace_back(name, a);
    const CaseVerdict verdict = check(c, answer, {profile_called("fp64_any_order"), Mode::EndToEnd});
    CAPTURE(verdict.reason);
    CHECK(verdict.status <= Status::LowPower);
    return;
  }
  FAIL("crossed/226 is not there");
}

TEST_CASE("search: an expert and a place at once, beside a tensor that roundings have spoilt") {
  const std::string path = MOE_ROOT "/golden/crossed/from-060.json";
  for (const CheckCase& c : read_check_cases(path)) {
    if (c.golden.id != "crossed/060") continue;
    const Profile& profile = profile_called("bf16_every_op");
    IdMatrix ids = decide(c.config, params_of<double>(c.config, c.golden.inputs)).expert;
    ids(3, 0) = 3;  // whose logit is 0.0034 larger
    Matrix<std::uint8_t> kept = Matrix<std::uint8_t>::Constant(6, 1, 1);
    kept(2, 0) = kept(3, 0) = 0;  // behind others whose sigmoids are as large in bf16
    const Decisions made = decisions_for(c.config, c.golden.inputs, ids, kept);
    Answer answer;
    const ProfileScope scope(profile);
    for (const auto& [name, a] : evaluate<Narrow>(c.config, c.golden.inputs, &made, true))
      if (name == "y" || name == "grad.x" || name.starts_with("grad.experts.") ||
          name == "grad.combine.norm_weight")
        answer.tensors.emplace_back(name, converted(a, Format::BF16, name));
    const CaseVerdict verdict = check(c, answer, {profile, Mode::EndToEnd});
    CAPTURE(verdict.reason);
    CHECK(verdict.status <= Status::LowPower);
    return;
  }
  FAIL("crossed/060 is not there");
}
