#include "../src/check/routing.h"
#include "../src/diagnose/detector.h"
#include "../src/golden/families.h"
#include "bug_called.h"
#include "moe/corpus.h"
#include "moe/detection.h"
#include "support.h"

using namespace moe;

namespace {

bool same_integers(const Arrays& a, const Arrays& b, const char* name) {
  const Array *x = tensor_of(a, name), *y = tensor_of(b, name);
  return (x == nullptr) == (y == nullptr) && (x == nullptr || x->bytes == y->bytes);
}
bool shows_in_y(const GoldenCase& c, const Bug& bug) {
  const Config config = config_from_json(c.config);
  return Detector(config, c.inputs).catches(evaluate_with(bug, config, c.inputs), Seen::Y);
}

}  // namespace

TEST_CASE("detection: what a capacity case is there to catch shows in y") {
  const std::map<std::string, std::string> own{
      {"capacity/zero", "0 taken for none"},
      {"capacity/one", "the last to ask keeps the only place"},
      {"capacity/overflow-of-all", "dropless as soon as every expert overflows"},
      {"capacity/ceil", "rounded to nearest where it is to be rounded up"},
      {"capacity/half-even-down", "halves rounded up"},
      {"capacity/half-even-of-factor", "halves rounded up"},
      {"capacity/half-even-up", "halves rounded down"},
      {"capacity/above-half", "rounded down where it is to be rounded to nearest"},
      {"capacity/decimal-floor", "computed in fp32 where it is a decimal"},
      {"capacity/decimal-ceil", "computed in fp64 where it is a decimal"},
      {"capacity/f32", "exact where the system computes in fp32"},
      {"capacity/f32-factor-first", "divided before the product"},
      {"capacity/f64", "exact where the system computes in fp64"},
      {"capacity/f64-half-even", "halves in floating point rounded away from zero"},
      {"capacity/nine-places", "a factor taken for the nearest simple fraction"},
      {"capacity/minimum", "no minimum"},
      {"capacity/multiple", "no multiple"},
      {"capacity/inner-ceil", "no inner rounding"},
      {"capacity/inner-floor", "no inner rounding"},
      {"capacity/inner-half-even", "no inner rounding"},
      {"capacity/k-inside", "tokens counted where choices are meant"},
      {"capacity/k-outside", "K multiplied before the rounding"},
      {"capacity/per-group", "for the batch where each group has its own"},
      {"capacity/choice-major", "choices ranked by token"},
      {"capacity/token-major", "tokens ranked by choice"},
      {"capacity/bpr", "first come, first served, where scores rank"},
      {"capacity/bpr-token-major", "choices before tokens, where scores rank tokens"},
      {"capacity/equal-scores", ""},  // of tokens, and in fp32: no mistake of the list
      {"capacity/bpr-all-scores", "tokens ranked by their share among the chosen"},
      {"capacity/by-weight", "tokens ranked by first score where weights rank"},
      {"capacity/by-raw-weight", "shares ranked where raw weights are meant"},
      {"capacity/by-sigmoid-weight", "sigmoid weights ranked as a softmax"},
      {"capacity/by-sigmoid-share", ""},  // likewise
      {"capacity/renorm-before", "renormalised after the drop where it is before"},
      {"capacity/renorm-after", "renormalised before the drop where it is after"},
      {"capacity/both-dropped", "a share of nothing is 0 / 0"},
      {"capacity/identity", "0 where a dropped token should pass"},
      {"capacity/scaled-identity", "a dropped token passed without its weight"},
      {"capacity/identity-top2", "a token passed for every dropped choice"}};
  for (const GoldenFile& file : capacity_family())
    for (const GoldenCase& c : file.cases) {
      CAPTURE(c.id);
      const std::string& mistake = own.at(c.id);
      if (!mistake.empty()) CHECK(shows_in_y(c, bug_called("capacity: " + mistake)));
    }
}

TEST_CASE("detection: who is dropped shows in y, and so does every other expert that is chosen") {
  // Where y shows some of it only to who sees the ids, too; none of it is what the case is there for.
  const char *none = "a choice that weighs nothing may be left out, or be another",
             *tie = "equal scores: which choice comes first, or is made, is left to rounding";
  const std::map<std::string, const char*> excused{
      {"ties/underflow", none},
      {"ties/sigmoid-underflow", none},
      {"range/all-sigmoids-underflow", none},
      {"losses/collapsed", none},
      {"bias/huge", none},
      {"shared/smallest", none},
      {"range/negative-logits", tie},
      {"bias/group-tie", tie},
      {"noise/tie", tie},
      {"capacity/by-raw-weight", "the other choice is dropped, too"},
      {"exact/choice-major", tie},
      {"noise/all-chosen", "slots alone differ"},
      {"given/order", "slots alone differ"},
      {"losses/load-against-last-of-all", "slots alone differ"},
      {"expert-choice/plain", "the choice left out has no place"},
      {"expert-choice/uneven", "one choice has no place, and of the other every ReLU is closed"}};
  std::string hidden;
  for (const GoldenFile& file : corpus()) {
    for (const GoldenCase& c : file.cases) {
      if (c.invalid || c.results_only || c.id.starts_with("shapes/") || excused.count(c.id) > 0) continue;
      if (c.id.starts_with("crossed/")) continue;  // which are there for whatever meets in them
      const Config config = config_from_json(c.config);
      const Detector detector(config, c.inputs);
#pragma omp parallel for schedule(dynamic)
      for (std::size_t i = 0; i < bugs().size(); ++i) {
        const Arrays wrong = evaluate_with(bugs()[i], config, c.inputs);
        const bool decides_alike = same_integers(wrong, detector.right(), "router.topk_ids") &&
                                   same_integers(wrong, detector.right(), "dispatch.kept");
        if (decides_alike || detector.catches(wrong, Seen::Y) || !detector.catches(wrong, Seen::All))
          continue;
#pragma omp critical
        hidden += c.id + " hides \"" + bugs()[i].name + "\"\n";
      }
    }
  }
  CHECK(hidden == "");
}
