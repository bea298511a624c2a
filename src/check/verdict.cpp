#include "judging.h"
#include "moe/validate.h"
#include "tensors.h"
#include "text.h"

// From the verdicts on tensors to the one on the case.
namespace moe {
namespace {

/// What was returned in vain, and what was not returned: gradients, too, whether others are there or not.
void list_names(const Judging& j, CaseVerdict& verdict) {
  std::set<std::string> known;
  for (const TensorOf& t : tensors_of(j.c.config, j.expected.plan)) {
    known.insert(t.name);
    const bool stated = !j.c.golden.results_only || tensor_of(j.c.expected, t.name) != nullptr;
    if (tensor_of(j.answer.tensors, t.name) == nullptr && stated) verdict.missing.push_back(t.name);
  }
  for (const auto& [name, a] : j.answer.tensors)
    if (known.count(name) == 0) verdict.unknown.push_back(name);
}

/// What the case demands, or the user, and is not there: "y, grad.x were not returned"; empty where all is.
std::string demanded(const Judging& j) {
  std::vector<std::string> missing;
  for (const auto* names : {&j.c.golden.demands, &j.require})
    for (const std::string& name : *names)
      if (tensor_of(j.answer.tensors, name) == nullptr && std::ranges::count(missing, name) == 0)
        missing.push_back(name);
  std::string text;
  for (const std::string& name : missing) text += (text.empty() ? "" : ", ") + name;
  if (missing.empty()) return "";
  return text + (missing.size() == 1 ? " was not returned" : " were not returned");
}

/// The worst tensor decides; but little power is the case's only where y has it, or nothing else was returned.
void decide_status(const std::vector<TensorVerdict>& tensors, CaseVerdict& verdict) {
  const auto weight = [](const TensorVerdict& v) {
    return v.status == Status::LowPower && v.name != "y" ? Status::Pass : v.status;
  };
  const TensorVerdict* worst = nullptr;
  bool powerless = true;
  for (const TensorVerdict& v : tensors) {
    if (v.status == Status::Skipped) continue;
    if (worst == nullptr || weight(v) > weight(*worst)) worst = &v;
    powerless = powerless && v.status == Status::LowPower;
  }
  if (worst == nullptr) {
    verdict.status = Status::Skipped;
    verdict.reason = tensors.empty() ? "nothing that was returned can be judged" : "every tensor was skipped";
    return;
  }
  verdict.status = powerless ? Status::LowPower : weight(*worst);
  if (verdict.status != Status::Pass) verdict.reason = worst->name + ' ' + worst->reason;
}

CaseVerdict concluded(const Judging& j, const Aligned& a, const Expectation& e,
                      std::vector<TensorVerdict> tensors) {
  CaseVerdict verdict;
  verdict.id = j.c.golden.id, verdict.profile = j.profile.name;
  verdict.routing = a.routing;
  list_names(j, verdict);
  decide_status(tensors, verdict);
  verdict.tensors = std::move(tensors);
  if (verdict.routing && verdict.routing->status == Status::Fail)
    verdict.status = Status::Fail, verdict.reason = "routing: " + verdict.routing->reason;
  if (verdict.status < Status::Flag && e.left_range) {
    const auto y = std::find_if(verdict.tensors.begin(), verdict.tensors.end(),
                                [](const TensorVerdict& v) { return v.name == "y"; });
    if (y != verdict.tensors.end() && y->numbers > 0 && y->judged == 0)
      verdict.status = Status::Skipped,
      verdict.reason = "y, or what it is made of, leaves the range of the format";
  }
  if (std::string missing = demanded(j); !missing.empty() && verdict.status < Status::Partial)
    verdict.status = Status::Partial, verdict.reason = std::move(missing);
  return verdict;
}

Index others_in(const Decisions& a, const Decisions& b) {
  Index n = 0;
  for (Index t = 0; t < a.expert.rows(); ++t) n += a.expert.row(t) != b.expert.row(t) ? 1 : 0;
  return n;
}

/// The verdict on an answer whose decisions are those of `a`.
CaseVerdict verdict_on(const Judging& j, const Aligned& a) {
  Expectation e = expectation(j, a);
  return concluded(j, a, e, judged(j, a, e));
}

/// How bad it is: by status, then by the worst ratio.
std::pair<Status, double> badness(const CaseVerdict& verdict) {
  double worst = 0;
  for (const TensorVerdict& t : verdict.tensors) worst = std::max(worst, t.hard_ratio);
  return {verdict.status, worst};
}

}  // namespace

CaseVerdict judged_case(const Judging& j) {
  const Aligned a = aligned(j);
  CaseVerdict verdict = verdict_on(j, a);
  if (verdict.status < Status::Flag || (a.routing && a.routing->status == Status::Fail)) return verdict;
  OtherChoices others = other_decisions(j, a);
  for (Decisions& other : others.list) {
    Aligned changed = a;
    const Index tokens = others_in(other, a.decisions);
    changed.decisions = std::move(other), changed.as_expected = false;
    changed.decisions.retopk_open = a.decisions.retopk_open;
    if (changed.routing && tokens > 0)
      changed.routing->reason = "what was returned fits other experts for " + std::to_string(tokens) +
                                (tokens == 1 ? " token" : " tokens") + ", where rounding may decide";
    CaseVerdict found = verdict_on(j, changed);
    if (badness(found) < badness(verdict)) verdict = std::move(found);
    if (verdict.status < Status::Flag) return verdict;
  }
  if (!others.all_tried)
    verdict.reason += "; not all choices that rounding allows were tried: " +
                      std::string(tensor_of(a.tensors, "router.topk_ids") == nullptr ? "router.topk_ids"
                                                                                     : "dispatch.kept") +
                      " would say which was made";
  return verdict;
}

}  // namespace moe
