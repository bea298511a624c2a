#include <doctest/doctest.h>

#include "moe/budget.h"
#include "moe/config_json.h"
#include "moe/corpus.h"
#include "moe/load.h"

using namespace moe;

TEST_CASE("budget: every profile has a name, and comes back from its JSON") {
  CHECK(profiles().size() == 11);
  for (const Profile& profile : profiles()) {
    CAPTURE(profile.name);
    const Json json = profile_to_json(profile);
    const Profile again = profile_from_json(json, "profile.json");
    CHECK(profile_to_json(again) == json);
    CHECK(again.inside.u == profile.inside.u);
    CHECK(again.of(Tensor::y).bits == profile.of(Tensor::y).bits);
    CHECK(&profile_called(profile.name) == &profile);
  }
  CHECK_THROWS_WITH_AS(profile_called("fp12"),
                       doctest::Contains("--profile = \"fp12\" must be one of fp64_any_order"), Error);
}

TEST_CASE("budget: a profile that cannot be is refused in one line that names the field") {
  const auto refused = [](const char* text, const char* message) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(profile_from_json(parse_json(text, "p.json"), "p.json"), doctest::Contains(message),
                         Error);
  };
  refused("[]", "p.json: a profile must be an object");
  refused(R"({"inside": "f12"})", "p.json: inside = \"f12\" must be one of");
  refused(R"({"inside": "bf16", "result": "f32"})", "result = f32 must not be finer than inside = bf16");
  refused(R"({"store": {"z": "bf16"}})", "store.z is not the name of a tensor");
  refused(R"({"function": {"ulps": -1}})", "function.ulps = -1 must be a number in [0, 1000000]");
  refused(R"({"colour": 1})", "colour = 1 is not a field of a profile");
}

TEST_CASE("budget: rounding of every format is that of the format") {
  CHECK(precision_of(Format::BF16).round(1.01) == static_cast<double>(Eigen::bfloat16(1.01F)));
  CHECK(precision_of(Format::F16).round(1.01) == static_cast<double>(Eigen::half(1.01F)));
  CHECK(precision_of(Format::F16).round(1e5) == HUGE_VAL);
  CHECK(precision_of(Format::F16).round(0x1.8p-25) == 0x1p-24);  // subnormal
  CHECK(precision_of(Format::F32).round(0.1) == static_cast<double>(0.1F));
  CHECK(precision_of(Format::BF16).spacing(1.5) == 0x1p-7);
  CHECK(kBinary16.largest == 65504);
}

TEST_CASE("budget: both budgets of every real tensor, and none of what is exact") {
  const Config config = load_config("mixtral").config;
  const Inputs inputs = seeded_inputs(config);
  const Decisions made = decide(config, params_of<double>(config, inputs));
  const Budgets of = budgets_of(config, inputs, made, profile_called("bf16_store_fp32_acc"), true);
  Index reals = 0;
  for (const auto& [name, a] : evaluate<double>(config, inputs, &made, true)) {
    if (!is_real(a.format)) continue;
    ++reals;
    REQUIRE(of.count(name) == 1);
    const Budget& b = of.at(name);
    CHECK(b.dims == a.dims);
    REQUIRE(static_cast<Index>(b.sigma.size()) == a.size());
    for (Index i = 0; i < a.size(); ++i) {
      CHECK(std::abs(at(b.value, i) - a.real(i)) <= at(b.hard, i));
      CHECK(at(b.sigma, i) <= at(b.hard, i));
    }
  }
  CHECK(static_cast<Index>(of.size()) == reals);
}

TEST_CASE("budget: the gradient of an expert without rows has none") {
  Config config = load_config("mixtral", {"shape.num_tokens=1"}).config;
  const Inputs inputs = seeded_inputs(config);
  const Decisions made = decide(config, params_of<double>(config, inputs));
  const Budget b =
      budgets_of(config, inputs, made, profile_called("fp32_any_order"), true).at("grad.experts.up");
  const Index size = config.shape.ffn_size * config.shape.hidden_size;
  for (Index e = 0; e < config.shape.num_experts; ++e)
    CHECK((at(b.hard, e * size) == 0) == (made.plan.count(e) == 0));
}

TEST_CASE("budget: from what a candidate holds, a stage is judged for itself") {
  const Config config = load_config("mixtral").config;
  const Inputs inputs = seeded_inputs(config);
  const Decisions made = decide(config, params_of<double>(config, inputs));
  const Profile& profile = profile_called("fp32_any_order");
  const Budgets from_inputs = budgets_of(config, inputs, made, profile, false);
  Held hidden{kBinary32, from_inputs.at("expert.hidden").value};
  for (double& v : hidden.values) v = 0;
  const Budgets from_held =
      budgets_of(config, inputs, made, profile, false, {{Tensor::expert_hidden, hidden}});
  CHECK(from_held.at("expert.hidden").value ==
        from_inputs.at("expert.hidden").value);                           // as it should have been
  for (const double v : from_held.at("expert.out").value) CHECK(v == 0);  // of what it was
}

TEST_CASE(
    "budget: HARD of each rung is at least that of the one before it, number by number, over the corpus") {
  std::vector<GoldenCase> cases;
  for (const GoldenFile& file : corpus())
    for (const GoldenCase& c : file.cases)
      if (!c.invalid && !c.results_only) cases.push_back(c);
  std::string wrong;
  Index compared = 0;
  for (const Format format : {Format::BF16, Format::F16}) {
    REQUIRE(ladder(format).size() == 4);
#pragma omp parallel for schedule(dynamic) reduction(+ : compared)
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const Config config = config_from_json(cases[i].config);
      const Inputs& inputs = cases[i].inputs;
      const Decisions decisions = decide(config, params_of<double>(config, inputs));
      Budgets stricter;
      for (const Profile& rung : ladder(format)) {
        Budgets budgets = budgets_of(config, inputs, decisions, rung, true);
        for (const auto& [name, budget] : stricter)
          for (std::size_t n = 0; n < budget.hard.size(); ++n, ++compared) {
            if (budgets.at(name).hard[n] >= budget.hard[n]) continue;
#pragma omp critical
            wrong += cases[i].id + ' ' + rung.name + ' ' + name + '[' + std::to_string(n) + "]\n";
          }
        stricter = std::move(budgets);
      }
    }
  }
  CHECK(compared > 100'000);
  CHECK(wrong == "");
}
