#include <set>

#include "bug_called.h"
#include "moe/diagnose.h"
#include "moe/file.h"
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

/// Tensors as an implementation returns them in `format`; none but `only`, if that is named.
Answer answer_of(const Arrays& arrays, Format format, const std::string& only = "") {
  Answer answer;
  for (const auto& [name, a] : arrays)
    if (only.empty() || name == only)
      answer.tensors.emplace_back(name, is_real(a.format) ? converted(a, format, name) : a);
  return answer;
}

/// Does the best diagnosis explain the answer by this name, alone or among what gives the same numbers?
bool names(const std::vector<Diagnosis>& list, const std::string& name) {
  if (list.empty() || !list.front().explains) return false;
  const Diagnosis& best = list.front();
  return best.name == name || std::find(best.alike.begin(), best.alike.end(), name) != best.alike.end();
}

}  // namespace

TEST_CASE("diagnose: what agrees needs no diagnosis") {
  for (const std::string preset : {"mixtral", "switch", "deepseek_v3"}) {
    CAPTURE(preset);
    const CheckCase c = case_of(
        preset == "deepseek_v3" ? small(preset, {"shape.num_experts=16", "shape.top_k=4"}) : small(preset));
    const Arrays right = evaluate<double>(c.config, c.golden.inputs, nullptr, true);
    CHECK(diagnose(c, answer_of(right, Format::F32), {}).empty());
    CHECK(diagnose(c, answer_of(right, Format::F32, "y"), {}).empty());
  }
}

TEST_CASE("diagnose: conventions are named by their field, with the number of the gotcha") {
  struct Convention {
    std::string preset, set, name;
    int gotcha;
  };
  for (const auto& [preset, set, name, gotcha] :
       {Convention{"mixtral", "router.renorm=none", "router.renorm = \"none\"", 1},
        Convention{"mixtral", "experts.activation=gelu_tanh", "experts.activation = \"gelu_tanh\"", 49},
        Convention{"mixtral", "router.score_function=sigmoid", "router.score_function = \"sigmoid\"", 0},
        Convention{"mixtral", "aux.load_balance.f_divide_by_k=true", "aux.load_balance.f_divide_by_k = true",
                   35},
        Convention{"switch", "capacity.dropped_output=identity", "capacity.dropped_output = \"identity\"",
                   30},
        Convention{"switch", "capacity.base=tokens_times_k", "", 0}}) {
    const std::string changed = set;
    CAPTURE(changed);
    const CheckCase c = case_of(small(preset, {"shape.num_tokens=9"}));
    const Config other = small(preset, {"shape.num_tokens=9", set});
    const Arrays wrong = evaluate<double>(other, c.golden.inputs, nullptr, true);
    const std::vector<Diagnosis> list = diagnose(c, answer_of(wrong, Format::F32), {});
    if (name.empty()) {  // K = 1: the same layer
      CHECK(list.empty());
      continue;
    }
    REQUIRE(names(list, name));
    CHECK(list.size() <= 5);
    CHECK(list.front().ratio < 0.1);
    CHECK(list.front().sentence.find("the case says") != std::string::npos);
    CHECK(list.front().gotcha == gotcha);
  }
}

TEST_CASE("diagnose: mistakes are named, in narrow formats and from y alone") {
  const CheckCase c = case_of(small("mixtral", {"shape.num_tokens=9"}));
  for (const std::string name :
       {"expert: gate and up exchanged", "expert: gate and up taken for interleaved, where they are halves",
        "expert: gate, up and down read in the order of their transposes",
        "expert: the weights multiply what goes into the experts",
        "dispatch: rows brought back by the permutation that brought them, not by its inverse",
        "dispatch: the last choice of a token is left out", "combine: rows multiplied by their weights twice",
        "combine: y is never written and 0"})
    for (const Format format : {Format::F32, Format::BF16})
      for (const std::string only : {"", "y"}) {
        CAPTURE(name);
        CAPTURE(only);
        const Arrays wrong = evaluate_with(bug_called(name), c.config, c.golden.inputs);
        CHECK(names(diagnose(c, answer_of(wrong, format, only), {}), name));
      }
}

TEST_CASE("diagnose: a gradient that does not flow is found where y is right") {
  const CheckCase c = case_of(small("mixtral", {"aux.load_balance.coefficient=1"}));
  for (const std::string name :
       {"losses: no gradient comes from them", "route: no gradient passes the weights",
        "expert: gradients of weights collected twice"}) {
    CAPTURE(name);
    const Arrays wrong = evaluate_with(bug_called(name), c.config, c.golden.inputs);
    CHECK(names(diagnose(c, answer_of(wrong, Format::F32), {}), name));
  }
}

TEST_CASE("diagnose: two mistakes at once are found where one explains nothing") {
  const CheckCase c = case_of(small("mixtral"));
  const Config other = small("mixtral", {"router.renorm=none"});
  const Arrays wrong = evaluate_with(bug_called("expert: gate and up exchanged"), other, c.golden.inputs);
  const std::vector<Diagnosis> list = diagnose(c, answer_of(wrong, Format::F32, "y"), {});
  REQUIRE(!list.empty());
  CHECK(list.front().explains);
  CHECK(list.front().name.find("router.renorm = \"none\"") != std::string::npos);
  CHECK(list.front().name.find("expert: gate and up exchanged") != std::string::npos);
}

TEST_CASE("diagnose: what nothing explains is not explained") {
  const CheckCase c = case_of(small("mixtral"));
  const Array noise{Format::BF16, {5, 6}, {}, Recipe{Stream{7, 1, 0}, 6}};
  const std::vector<Diagnosis> list = diagnose(c, {{{"y", materialized(noise)}}, {}, {}}, {});
  REQUIRE(!list.empty());
  for (const Diagnosis& d : list) CHECK(!d.explains);
}

TEST_CASE("diagnose: a case to refuse, an empty answer and one without known tensors are errors") {
  CheckCase c = case_of(small("mixtral"));
  CHECK(error_of([&] { diagnose(c, {}, {}); }).find("must hold tensors") != std::string::npos);
  const Array one = array_of({1}, std::array{1.0}.data());
  CHECK(error_of([&] {
          diagnose(c, {{{"z", one}}, {}, {}}, {});
        }).find("that can be judged") != std::string::npos);
  c.golden.invalid = true;
  CHECK(error_of([&] {
          diagnose(c, {{{"y", one}}, {}, {}}, {});
        }).find("must be refused") != std::string::npos);
}

TEST_CASE(
    "diagnose: hypotheses have names of their own and sentences, and cite the gotchas that are written "
    "down") {
  std::set<int> cited, written;
  for (const Preset& preset : presets()) {
    std::set<std::string> seen;
    for (const Hypothesis& h : hypotheses(preset.config)) {
      CAPTURE(h.name);
      CHECK(seen.insert(h.name).second);
      CHECK(h.sentence.size() > 10);
      if (h.gotcha > 0) cited.insert(h.gotcha);
    }
  }
  std::istringstream lines(read_text(MOE_ROOT "/docs/GOTCHAS.md"));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("| G-")) CHECK(written.insert(std::stoi(line.substr(4))).second);
  for (const int number : cited) {
    CAPTURE(number);
    CHECK(written.count(number) == 1);
  }
}
