#include "moe/check.h"

#include <numeric>
#include <set>

#include "canonical.h"
#include "moe/validate.h"
#include "routing.h"
#include "stages.h"
#include "statistics.h"
#include "text.h"

namespace moe {
namespace {

bool finite(const Array& a) {
  for (Index i = 0; i < a.size(); ++i)
    if (!std::isfinite(a.real(i))) return false;
  return true;
}

/// The narrowest real format that was returned: it tells how the candidate computes.
Format narrowest(const Arrays& arrays) {
  Format format = Format::F64;
  for (const auto& [name, a] : arrays)
    if (is_real(a.format) && info_of(a.format).bytes <= info_of(format).bytes) format = a.format;
  return format;
}

/// The check of one valid case against one answer.
class CaseCheck {
 public:
  CaseCheck(const CheckCase& c, const Answer& answer, const CheckOptions& options)
      : c_(c),
        config_(c.config),
        options_(options),
        answer_(answer),
        profile_(options.profile ? *options.profile : profile_for(narrowest(answer.tensors))) {
    verdict_.id = c.golden.id, verdict_.profile = profile_.name;
    for (const auto& [name, a] : answer.tensors) backward_ = backward_ || name.starts_with("grad.");
  }

  CaseVerdict run() {
    const Decisions expected = expected_decisions();
    const bool from_own = options_.mode == Mode::Automatic || options_.mode == Mode::Isolated;
    const Held logits = from_own ? held_logits() : Held{};
    const Held* own = logits.values.empty() ? nullptr : &logits;
    CandidateRouting routing = judge_routing(config_, c_.golden.inputs, expected, answer_, profile_, own);
    if (options_.mode == Mode::Pinned) pin(expected, routing);
    if (has_router(config_) && options_.mode != Mode::Pinned) verdict_.routing = std::move(routing.verdict);
    decisions_ = std::move(routing.decisions);
    as_expected_ = decisions_.expert == expected.expert && decisions_.plan.kept == expected.plan.kept;
    tensors_ = canonical(config_, decisions_, answer_.tensors, routing.slot, routing.row);
    judge_all(from_own);
    if (tensor_of(tensors_, "router.topk_ids") == nullptr && has_router(config_) && status() == Status::Fail)
      try_other_sets(expected, from_own);
    finish();
    return std::move(verdict_);
  }

 private:
  /// The routing was given. Whoever decided otherwise has no say in slots and rows, and fails by its integers.
  static void pin(const Decisions& expected, CandidateRouting& routing) {
    const Decisions& own = routing.decisions;
    if (own.expert == expected.expert && own.plan.kept == expected.plan.kept) return;
    const Index K = expected.expert.cols();
    for (Index i = 0; i < expected.expert.size(); ++i) at(routing.slot, i) = i % K;
    routing.row.resize(static_cast<std::size_t>(expected.plan.N()));
    std::iota(routing.row.begin(), routing.row.end(), 0);
    routing.decisions = expected;
  }

  Decisions expected_decisions() const {
    const Index T = config_.shape.num_tokens, K = config_.shape.top_k;
    const Array* ids = tensor_of(c_.expected, "router.topk_ids");
    const Array* kept = tensor_of(c_.expected, "dispatch.kept");
    if (ids == nullptr || kept == nullptr)
      return decide(config_, params_of<double>(config_, c_.golden.inputs));
    IdMatrix expert(T, K);
    Matrix<std::uint8_t> keeps(T, K);
    for (Index i = 0; i < T * K; ++i)
      expert.data()[i] = static_cast<std::int32_t>(ids->integer(i)),
      keeps.data()[i] = static_cast<std::uint8_t>(kept->integer(i));
    return decisions_for(config_, c_.golden.inputs, expert, keeps);
  }

  Held held_logits() const {
    const char* name = has_noise(config_) ? "router.noisy_logits" : "router.logits";
    const Array* a = tensor_of(answer_.tensors, name);
    if (a == nullptr || !is_real(a->format) ||
        a->dims != Dims{config_.shape.num_tokens, config_.shape.num_experts} || !finite(*a))
      return {};
    return held(*a);
  }
  static Held held(const Array& a) {
    Held h{precision_of(a.format), std::vector<double>(static_cast<std::size_t>(a.size()))};
    a.reals(0, h.values);
    return h;
  }

  void judge_all(bool from_own) {
    verdict_.tensors.clear(), verdict_.missing.clear(), verdict_.unknown.clear();
    HeldTensors held_tensors;
    if (from_own)
      for (const auto& [name, a] : tensors_)
        if (const auto id = tensor_called(name); id && is_real(a.format) && shape_fits(name, a) && finite(a))
          held_tensors[*id] = held(a);
    if (!take_stated_budgets(from_own, held_tensors))
      budgets_ = budgets_of(config_, c_.golden.inputs, decisions_, profile_, backward_, held_tensors);
    std::set<std::string> known;
    const auto expect = [&](const std::string& name, auto judge_it) {
      known.insert(name);
      const Array* a = tensor_of(tensors_, name);
      if (a == nullptr)
        verdict_.missing.push_back(name);
      else
        verdict_.tensors.push_back(judge_it(*a));
    };
    integers([&](const std::string& name, const Dims& dims, const std::vector<std::int64_t>& values) {
      expect(name, [&](const Array& a) { return judge_integers(name, dims, values, a); });
    });
    Index tests = 0;
    for (const auto& [name, budget] : budgets_) tests += tensor_of(tensors_, name) != nullptr ? 1 : 0;
    for (auto& entry : budgets_) {
      const std::string& name = entry.first;
      Budget& budget = entry.second;
      const bool isolated = from_own && is_isolated(name, held_tensors);
      expect(name, [&](const Array& a) { return judge_reals(name, budget, a, isolated, tests); });
    }
    for (const auto& [name, a] : answer_.tensors)
      if (known.count(name) == 0) verdict_.unknown.push_back(name);
  }

  /// The budgets that the case states, if they are all that is needed: none for tensors that were not returned.
  bool take_stated_budgets(bool from_own, const HeldTensors& held_tensors) {
    const auto stated = c_.budgets.find(profile_.name);
    if (stated == c_.budgets.end() || !as_expected_) return false;
    budgets_.clear();
    for (const auto& [name, a] : c_.expected)
      if (is_real(a.format) && (backward_ || !name.starts_with("grad."))) budgets_[name].dims = a.dims;
    for (auto& [name, budget] : budgets_) {
      if (tensor_of(tensors_, name) == nullptr) continue;
      const auto found = stated->second.find(name);
      if (found == stated->second.end() ||
          (from_own && sources().count(name) > 0 && is_isolated(name, held_tensors)))
        return false;
      budget.value = held(*tensor_of(c_.expected, name)).values;
      budget.hard = held(found->second.first).values, budget.sigma = held(found->second.second).values;
      if (budget.hard.size() != budget.value.size() || budget.sigma.size() != budget.value.size())
        return false;
    }
    return true;
  }

  bool shape_fits(const std::string& name, const Array& a) const {
    const auto [T, D, F, E, K] = Letters(config_);
    const Index N = decisions_.plan.N();
    for (const TensorInfo& info : kTensors) {
      if (name != info.name) continue;
      return a.dims == dims_of(info.axes, T, D, F, E, K, N);
    }
    return false;
  }
  Dims dims_of(const std::string& axes, Index T, Index D, Index F, Index E, Index K, Index N) const {
    const std::map<std::string, Index> length{{"token", T},        {"model", D},
                                              {"ffn", F},          {"expert", E},
                                              {"slot", K},         {"row", N},
                                              {"expert+1", E + 1}, {"expert_group", config_.router.n_group},
                                              {"one", 1},          {"shared_ffn", config_.shared.ffn_size}};
    Dims dims;
    std::istringstream list(axes);
    for (std::string axis; std::getline(list, axis, ',');) dims.push_back(length.at(axis));
    return dims;
  }

  /// Did the candidate return all that this stage is computed from?
  bool is_isolated(const std::string& name, const HeldTensors& held_tensors) const {
    const auto of = sources().find(name);
    if (of == sources().end()) return !name.starts_with("loss.") && !name.starts_with("grad.");
    return std::all_of(of->second.begin(), of->second.end(), [&](const std::string& source) {
      return budgets_.count(source) == 0 || held_tensors.count(*tensor_called(source)) > 0;
    });
  }

  template <typename Visit>
  void integers(Visit visit) const {
    const auto [T, D, F, E, K] = Letters(config_);
    const Plan& plan = decisions_.plan;
    const auto widened = [](const auto* data, Index n) { return std::vector<std::int64_t>(data, data + n); };
    if (has_router(config_)) visit("router.topk_ids", Dims{T, K}, widened(decisions_.expert.data(), T * K));
    visit("dispatch.counts", Dims{E}, plan.counts);
    visit("dispatch.offsets", Dims{E + 1}, plan.offsets);
    visit("dispatch.order", Dims{plan.N()}, plan.order);
    visit("dispatch.kept", Dims{T, K}, widened(plan.kept.data(), T * K));
  }

  TensorVerdict start(const std::string& name, const Array& a) const {
    TensorVerdict v;
    v.name = name, v.format = a.format, v.dims = a.dims, v.numbers = a.size();
    return v;
  }
  static void fail(TensorVerdict& v, std::string reason) {
    v.status = Status::Fail, v.reason = std::move(reason);
  }

  TensorVerdict judge_integers(const std::string& name, const Dims& dims,
                               const std::vector<std::int64_t>& values, const Array& a) const {
    TensorVerdict v = start(name, a);
    if (a.dims != dims)
      fail(v, "has the shape " + shape_text(a.dims) + " where " + shape_text(dims) + " is expected");
    else if (is_real(a.format))
      fail(v, std::string("has the dtype ") + info_of(a.format).name + " where integers are expected");
    for (Index i = 0; v.status == Status::Pass && i < a.size(); ++i) {
      v.judged += 1;
      if (a.integer(i) == at(values, i)) continue;
      v.worst = i, v.got = static_cast<double>(a.integer(i)), v.expected = static_cast<double>(at(values, i));
      fail(v, place(dims, i) + " is " + std::to_string(a.integer(i)) + " where " +
                  std::to_string(at(values, i)) + " is expected");
    }
    return v;
  }

  /// The expected numbers are those of the golden file where they apply, and then its distance from ours is allowed too.
  TensorVerdict judge_reals(const std::string& name, Budget& budget, const Array& a, bool isolated,
                            Index tests) const {
    TensorVerdict v = start(name, a);
    v.isolated = isolated;
    if (a.dims != budget.dims) {
      fail(v, "has the shape " + shape_text(a.dims) + " where " + shape_text(budget.dims) + " is expected");
      return v;
    }
    if (!is_real(a.format)) {
      fail(v, std::string("has the dtype ") + info_of(a.format).name + " where real numbers are expected");
      return v;
    }
    if (options_.mode == Mode::Isolated && !isolated) {
      v.status = Status::Skipped, v.reason = "what it is computed from was not returned";
      return v;
    }
    std::vector<double>&expected = budget.value, &hard = budget.hard, &sigma = budget.sigma;
    const Array* golden = tensor_of(c_.expected, name);
    if (golden != nullptr && as_expected_ && (!isolated || sources().count(name) == 0) &&
        golden->dims == a.dims && options_.mode != Mode::Isolated && held_nothing_before(name))
      for (Index i = 0; i < a.size(); ++i) {
        at(hard, i) += std::abs(at(expected, i) - golden->real(i)) * (1 + 0x1p-50);
        at(expected, i) = golden->real(i);
      }
    // What was underflowed on the way may give no number at all; then the golden one says how large it would be.
    for (Index i = 0; golden != nullptr && as_expected_ && golden->dims == a.dims && i < a.size(); ++i)
      if (!std::isfinite(at(expected, i))) at(expected, i) = golden->real(i), at(hard, i) = HUGE_VAL;
    returned_in(name, a.format, expected, hard, sigma);
    if (is_exact(name, a.format)) std::fill(hard.begin(), hard.end(), 0.0);
    judge({&a, &expected, &hard, &sigma, tests, soft_tests_of(name, isolated, profile_), range_of(name)}, v);
    return v;
  }
  double range_of(const std::string& name) const {
    const auto id = tensor_called(name);
    return id && profile_.of(*id).bits > 0 ? profile_.of(*id).largest : profile_.result.largest;
  }
  /// Is this tensor computed from the layer's inputs alone?
  bool held_nothing_before(const std::string& name) const {
    return options_.mode == Mode::EndToEnd || options_.mode == Mode::Pinned ||
           (sources().count(name) == 0 && !name.starts_with("grad.") && !name.starts_with("loss."));
  }
  /// Is nothing on the way to this tensor rounded, and neither the tensor for its return?
  bool is_exact(const std::string& name, Format format) const {
    const auto need = c_.exact.find(name);
    if (need == c_.exact.end() || !as_expected_) return false;
    int bits = std::min({profile_.inside.bits, profile_.result.bits, precision_of(format).bits});
    for (const Precision& kept : profile_.store)
      if (kept.bits > 0) bits = std::min(bits, kept.bits);
    return need->second <= bits;
  }

  /// A tensor returned in a narrower format than it is kept in was rounded once more.
  void returned_in(const std::string& name, Format format, const std::vector<double>& expected,
                   std::vector<double>& hard, std::vector<double>& sigma) const {
    const Precision p = precision_of(format);
    const auto id = tensor_called(name);
    const int kept = id && profile_.of(*id).bits > 0 ? profile_.of(*id).bits : profile_.result.bits;
    if (p.bits >= kept) return;
    for (std::size_t i = 0; i < hard.size(); ++i) {
      hard[i] = (hard[i] + p.u * (std::abs(expected[i]) + hard[i]) + profile_.underflow(p)) * (1 + 0x1p-50);
      sigma[i] = std::sqrt(sigma[i] * sigma[i] + p.spacing(expected[i]) * p.spacing(expected[i]) / 12);
    }
  }

  Status status() const {
    Status worst = Status::Pass;
    for (const TensorVerdict& v : verdict_.tensors) worst = std::max(worst, v.status);
    return verdict_.routing ? std::max(worst, verdict_.routing->status) : worst;
  }

  /// A candidate that does not say whom it chose is right if y fits any choice that it may have made.
  void try_other_sets(const Decisions& expected, bool from_own) {
    Index left = 64;
    const auto sets = admissible_sets(config_, c_.golden.inputs, expected, profile_, 16);
    IdMatrix ids = expected.expert;
    for (Index t = 0; t < ids.rows(); ++t)
      for (const std::vector<Index>& set : at(sets, t)) {
        if (left-- == 0) return;
        const IdMatrix before = ids;
        const CaseVerdict verdict_before = verdict_;
        const Index failures = row_failures();
        for (Index k = 0; k < ids.cols(); ++k) ids(t, k) = static_cast<std::int32_t>(at(set, k));
        decisions_ = decisions_for(config_, c_.golden.inputs, ids, {});
        as_expected_ = false;
        judge_all(from_own);
        if (status() != Status::Fail) return note_other_choice(ids, expected.expert);
        if (row_failures() < failures) break;
        ids = before, verdict_ = verdict_before;
      }
  }
  Index row_failures() const {
    Index n = 0;
    for (const TensorVerdict& v : verdict_.tensors)
      if (v.name == "y")
        n = std::count_if(v.row_ratio.begin(), v.row_ratio.end(), [](double r) { return r > 1; });
    return n;
  }
  void note_other_choice(const IdMatrix& ids, const IdMatrix& expected) {
    Index others = 0;
    for (Index t = 0; t < ids.rows(); ++t) others += ids.row(t) != expected.row(t) ? 1 : 0;
    if (verdict_.routing)
      verdict_.routing->reason = "y fits other experts for " + std::to_string(others) +
                                 " tokens, all of them where rounding may decide";
  }

  /// In the order of the layer, so that the first of two that fail is where it began.
  void sort_by_stage() {
    const auto rank = [](const std::string& name) {
      const auto id = tensor_called(name);
      return id ? static_cast<int>(*id) : static_cast<int>(Tensor::router_next_selection_bias);  // a loss
    };
    std::stable_sort(
        verdict_.tensors.begin(), verdict_.tensors.end(),
        [&](const TensorVerdict& a, const TensorVerdict& b) { return rank(a.name) < rank(b.name); });
  }

  /// The worst tensor decides; but little power is the case's only where y has it, or nothing else was returned.
  void finish() {
    sort_by_stage();
    const auto weight = [&](const TensorVerdict& v) {
      return v.status == Status::LowPower && v.name != "y" ? Status::Pass : v.status;
    };
    const TensorVerdict* worst = nullptr;
    bool powerless = true;
    for (const TensorVerdict& v : verdict_.tensors) {
      if (v.status == Status::Skipped) continue;
      if (worst == nullptr || weight(v) > weight(*worst)) worst = &v;
      powerless = powerless && v.status == Status::LowPower;
    }
    if (worst == nullptr) {
      verdict_.status = Status::Skipped;
      verdict_.reason =
          verdict_.tensors.empty() ? "nothing that was returned can be judged" : "every tensor was skipped";
    } else {
      verdict_.status = powerless ? Status::LowPower : weight(*worst);
      if (verdict_.status != Status::Pass) verdict_.reason = worst->name + ' ' + worst->reason;
    }
    if (verdict_.routing && verdict_.routing->status == Status::Fail)
      verdict_.status = Status::Fail, verdict_.reason = "routing: " + verdict_.routing->reason;
  }

  const CheckCase& c_;
  const Config& config_;
  const CheckOptions& options_;
  const Answer& answer_;
  Profile profile_;
  bool backward_ = false, as_expected_ = true;
  Decisions decisions_;
  Arrays tensors_;
  Budgets budgets_;
  CaseVerdict verdict_;
};

CaseVerdict verdict_of(const CheckCase& c, Status status, std::string reason) {
  CaseVerdict verdict;
  verdict.id = c.golden.id, verdict.status = status, verdict.reason = std::move(reason);
  return verdict;
}

}  // namespace

const char* name_of(Status status) {
  constexpr std::array names{"PASS", "LOW-POWER", "SKIPPED", "FLAG", "FAIL"};
  return names[static_cast<std::size_t>(status)];
}

CaseVerdict check(const CheckCase& c, const Answer& answer, const CheckOptions& options) {
  if (!answer.failure.empty()) return verdict_of(c, Status::Fail, answer.failure);
  if (c.golden.invalid)
    return answer.error.empty() ? verdict_of(c, Status::Fail, "was answered, where it must be refused")
                                : verdict_of(c, Status::Pass, "");
  if (!answer.error.empty()) return verdict_of(c, Status::Skipped, "declined: " + answer.error);
  return CaseCheck(c, answer, options).run();
}

}  // namespace moe
