#include <limits>

#include "../src/diagnose/detector.h"
#include "moe/audit.h"
#include "moe/bugs.h"
#include "support.h"

using namespace moe;

namespace {

CheckCase case_of(const Config& config) {
  CheckCase c;
  c.golden.id = "test/layer";
  c.golden.inputs = seeded_inputs(config, 3);
  c.config = config;
  return c;
}

Array row(const std::vector<double>& values) {
  return array_of({static_cast<Index>(values.size())}, values.data());
}

const AuditedBug& audited(const Audit& audit, const std::string& name) {
  for (const AuditedBug& bug : audit.bugs)
    if (bug.name == name) return bug;
  throw Error(name, name + " was not audited");
}

}  // namespace

TEST_CASE("audit: a tolerance accepts what it says, and never what is not a number") {
  const Array right = row({1, -2, 0, 8});
  const Tolerance relative{.name = {}, .source = {}, .rtol = 0.25};
  CHECK(accepts(relative, row({1.25, -1.5, 0, 8}), right));
  CHECK(!accepts(relative, row({1.26, -2, 0, 8}), right));
  CHECK(!accepts(relative, row({1, -2, 0x1p-1000, 8}), right));
  const Tolerance absolute{.name = {}, .source = {}, .atol = 0.5};
  CHECK(accepts(absolute, row({1.5, -2.5, -0.5, 8}), right));
  CHECK(!accepts(absolute, row({1, -2, 0, 8.75}), right));
  const Tolerance most{.name = {}, .source = {}, .match = 0.75};
  CHECK(accepts(most, row({1, -2, 0, 100}), right));
  CHECK(!accepts(most, row({1, -2, 1, 100}), right));
  const Tolerance mean{.name = {}, .source = {}, .nmse = 1.0 / 69};
  CHECK(accepts(mean, row({2, -2, 0, 8}), right));
  CHECK(!accepts(mean, row({2.1, -2, 0, 8}), right));
  for (const Tolerance& tolerance : public_tolerances()) {
    CHECK(accepts(tolerance, right, right));
    CHECK(!accepts(tolerance, row({NAN, NAN, NAN, NAN}), right));
    CHECK(!accepts(tolerance, row({1, -2, 0}), right));
  }
}

TEST_CASE("audit: six tolerances are published, each with its source") {
  CHECK(public_tolerances().size() == 6);
  for (const Tolerance& tolerance : public_tolerances()) {
    CHECK(!tolerance.name.empty());
    CHECK(tolerance.source.size() > 10);
    CHECK(tolerance.rtol + tolerance.atol + tolerance.nmse > 0);
  }
}

TEST_CASE("audit: nothing passes at 0, all of y at infinity, and budgets catch an empty y and a returned x") {
  const CheckCase c = case_of(small("mixtral", {"shape.num_tokens=9"}));
  const Tolerance none{.name = "none", .source = {}}, any{.name = "any", .source = {}, .atol = 1e300};
  const Audit result = audit(c, {none, any});
  CHECK(result.bugs.size() >= 30);
  double least = HUGE_VAL;
  Index caught = 0, shown = 0;
  for (const AuditedBug& bug : result.bugs) {
    CAPTURE(bug.name);
    CHECK(bug.accepted.at(0) == !bug.compared);
    CHECK(bug.accepted.at(1));
    least = std::min(least, bug.ratio.value_or(least));
    shown += bug.ratio ? 1 : 0, caught += bug.ratio > 1.0 ? 1 : 0;
  }
  CHECK(result.detection.mistakes == shown);
  CHECK(result.detection.caught == caught);
  CHECK(result.detection.least_ratio == least);
  CHECK(audited(result, result.detection.hardest).ratio == least);
  for (const std::string name : {"combine: y is never written and 0", "combine: x is returned"}) {
    CHECK(audited(result, name).f32 == Status::Fail);
    CHECK(audited(result, name).bf16 == Status::Fail);
    CHECK(audited(result, name).ratio > 1.0);
  }
  CHECK(!audited(result, "expert: gradients of weights collected twice").compared);
}

TEST_CASE("audit: what is compared decides what is let through") {
  const CheckCase c = case_of(small("mixtral"));
  const std::vector<Tolerance> tight{{.name = "tight", .source = {}, .rtol = 1e-9}};
  const std::string twice = "expert: gradients of weights collected twice";
  CHECK(audited(audit(c, tight), twice).accepted.at(0));
  CHECK(!audited(audit(c, tight, {"grad.experts.up"}), twice).accepted.at(0));
  CHECK(!audited(audit(c, tight, {"all"}), twice).accepted.at(0));
  CHECK(error_of([&] { audit(c, tight, {"nothing"}); }) ==
        "--tensor = nothing must be a real tensor of test/layer, or all");
}

TEST_CASE("audit: with small numbers an absolute tolerance lets zeros through, and budgets do not") {
  CheckCase c = case_of(small("mixtral"));
  Array& x = c.golden.inputs[Tensor::x];
  std::vector<double> values;
  for (Index i = 0; i < x.size(); ++i) values.push_back(x.real(i) * 0x1p-6);
  x = array_of(x.dims, values.data());
  const Audit result = audit(c, public_tolerances());
  const AuditedBug& zeros = audited(result, "combine: y is never written and 0");
  for (std::size_t i = 0; i < public_tolerances().size(); ++i) {
    const Tolerance& tolerance = public_tolerances()[i];
    CAPTURE(tolerance.name);
    CHECK(zeros.accepted[i] == (tolerance.atol >= 1e-2));
  }
  CHECK(zeros.f32 == Status::Fail);
  CHECK(zeros.bf16 == Status::Fail);
}

TEST_CASE("detection: a mistake stands out by what it moves, over what rounding may") {
  const Config config = small("mixtral");
  const Inputs inputs = seeded_inputs(config, 3);
  const Detector detector(config, inputs);
  CHECK(!detector.ratio(detector.right()));
  const Budget y = budgets_of(config, inputs, decide(config, params_of<double>(config, inputs)),
                              profile_for(Format::F32), true)
                       .at("y");
  const auto moved = [&](double by) {
    Arrays wrong = detector.right();
    for (auto& [name, a] : wrong) {
      if (name != "y") continue;
      std::vector<double> values = y.value;
      values[5] += by;
      a = array_of(a.dims, values.data());
    }
    return detector.ratio(wrong);
  };
  const double size = std::abs(*std::max_element(
      y.value.begin(), y.value.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
  CHECK(!moved(0x1p-25 * size));  // less than fp32 shows
  REQUIRE(moved(0x1p-10).has_value());
  CHECK(std::abs(*moved(0x1p-10) * y.hard[5] - 0x1p-10) < 1e-12);
  CHECK(moved(NAN) == HUGE_VAL);
  Arrays other_shape = detector.right();
  std::swap(other_shape.back().second.dims.front(), other_shape.back().second.dims.back());
  CHECK(detector.ratio(other_shape) == HUGE_VAL);
}

TEST_CASE("detection: integers that are wrong stand out without bound") {
  const Config config = small("mixtral");
  const Inputs inputs = seeded_inputs(config, 3);
  const Detector detector(config, inputs);
  Arrays wrong = detector.right();
  for (auto& [name, a] : wrong)
    if (name == "dispatch.counts") a.bytes[0] = static_cast<std::byte>(static_cast<int>(a.bytes[0]) + 1);
  CHECK(detector.ratio(wrong) == HUGE_VAL);
}

TEST_CASE("detection: the least ratio and how many exceed their budget are counted") {
  Detection all;
  all.add("a", 3), all.add("b", 0.5), all.add("c", HUGE_VAL);
  CHECK(all.mistakes == 3);
  CHECK(all.caught == 2);
  CHECK(all.least_ratio == 0.5);
  CHECK(all.hardest == "b");
}
