#include "moe/diagnose.h"

#include <chrono>
#include <unordered_map>

#include "moe/validate.h"
#include "residual.h"

namespace moe {
namespace {

constexpr Index kMostEvaluations = 2000;
constexpr double kMostSeconds = 20;
constexpr std::size_t kListed = 5, kRefined = 8;
constexpr double kDecisive = 50;  // by which sum z^2 must fall: e^25 in likelihood

template <typename... Arguments>
using Step = std::function<void(Arguments...)>;

/// One step, then the other; where there is only one, that.
template <typename... Arguments>
Step<Arguments...> then(const Step<Arguments...>& a, const Step<Arguments...>& b) {
  if (!a || !b) return a ? a : b;
  return [a, b](Arguments... arguments) { a(arguments...), b(arguments...); };
}
Bug both(Bug a, const Bug& b) {
  a.name += ", and " + b.name;
  a.config = then(a.config, b.config);
  a.inputs = then(a.inputs, b.inputs);
  a.decisions = then(a.decisions, b.decisions);
  a.trace = then(a.trace, b.trace);
  a.tensors = then(a.tensors, b.tensors);
  a.passes = then(a.passes, b.passes);
  return a;
}

/// The inputs that a config has; throws Error where one is missing or has another shape.
Inputs inputs_for(const Config& config, const Inputs& all) {
  Inputs inputs;
  for (const InputInfo& info : inputs_of(config)) {
    const auto found = all.find(info.id);
    require(found != all.end() && found->second.dims == info.dims, name_of(info.id), "nothing",
            "must be there");
    inputs.insert(*found);
  }
  return inputs;
}
Inputs materialized(Inputs inputs) {
  for (auto& [id, a] : inputs) a = materialized(std::move(a));
  return inputs;
}

/// One hypothesis, or two, and what is left of the answer by it.
struct Variant {
  const Hypothesis* first;
  const Hypothesis* second;  // null for a single one
  Residual residual = {};
  std::vector<std::string> alike = {};

  Bug bug() const { return second == nullptr ? first->bug : both(first->bug, second->bug); }
};

class Search {
 public:
  Search(const CheckCase& c, const Answer& answer, const CheckOptions& options)
      : config_(c.config),
        inputs_(materialized(c.golden.inputs)),
        yardstick_(c, answer, options),
        hypotheses_(hypotheses(c.config)) {
    const Arrays plain = evaluate<double>(config_, inputs_, &yardstick_.decisions(), yardstick_.backward());
    baseline_ = yardstick_.to(plain);
    known_[yardstick_.digest(plain)] = kElsewhere;
  }

  /// Pairs only where that is worth the time.
  std::vector<Diagnosis> run(bool pairs) {
    std::vector<Variant> singles;
    for (const Hypothesis& h : hypotheses_) singles.push_back({&h, nullptr});
    try_out(std::move(singles));
    sort();
    for (std::size_t i = 0; i < std::min(kRefined, variants_.size()); ++i) refine(variants_[i]);
    sort();
    if (pairs && (variants_.empty() || !explains(variants_.front()))) try_pairs();
    gather_alike();
    std::vector<Diagnosis> best;
    for (const Variant& v : variants_)
      if (best.size() < kListed) best.push_back(diagnosis(v));
    return best;
  }

 private:
  static constexpr std::size_t kElsewhere = SIZE_MAX;

  /// Is time left?
  bool may_go_on() const {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    return evaluations_ < kMostEvaluations && spent.count() < kMostSeconds;
  }

  /// Where the variant decides what the case does, it stands for what rounding made the candidate decide.
  void follow_the_candidate(Decisions& d) const {
    const Decisions& expected = yardstick_.expected();
    if (d.expert.cols() != expected.expert.cols() || d.expert != expected.expert ||
        d.plan.order != expected.plan.order || d.plan.row != expected.plan.row)
      return;
    d.expert = yardstick_.decisions().expert, d.plan = yardstick_.decisions().plan;
  }

  /// A layer in which what a variant changes is just its config, inputs and decisions.
  struct Layer {
    Config config;
    Inputs inputs;
    Decisions decisions;
  };
  static bool is_layer(const Bug& bug) { return !bug.trace && !bug.tensors && !bug.passes; }
  /// Throws Error where the change has no meaning for this layer.
  Layer layer_of(const Bug& bug) const {
    Layer layer{config_, {}, {}};
    if (bug.config) bug.config(layer.config);
    layer.inputs = inputs_for(layer.config, inputs_);
    if (bug.inputs) bug.inputs(layer.config, layer.inputs);
    layer.decisions = decide(layer.config, params_of<double>(layer.config, layer.inputs));
    if (bug.decisions) bug.decisions(layer.config, layer.inputs, layer.decisions);
    follow_the_candidate(layer.decisions);
    return layer;
  }
  Arrays evaluated(const Layer& layer) const {
    return evaluate<double>(layer.config, layer.inputs, &layer.decisions, yardstick_.backward());
  }
  Arrays evaluated(Bug bug) const {
    if (is_layer(bug)) return evaluated(layer_of(bug));
    Config config = config_;
    if (bug.config) bug.config(config);
    bug.config = {};
    const auto follow = [this](const Config&, const Inputs&, Decisions& d) { follow_the_candidate(d); };
    bug.decisions = then(bug.decisions, decltype(bug.decisions)(follow));
    return evaluate_with(bug, config, inputs_for(config, inputs_));
  }

  /// What one variant computes, as far as the answer holds it; nothing where the change has no meaning.
  struct Tried {
    std::size_t digest = 0;
    std::optional<Residual> residual;
  };
  Tried tried(const Variant& v) const {
    try {
      const Arrays arrays = evaluated(v.bug());
      return {yardstick_.digest(arrays), yardstick_.to(arrays)};
    } catch (const std::exception&) {
      return {};
    }
  }

  void try_out(std::vector<Variant> list) {
    std::vector<Tried> results(list.size());
#pragma omp parallel for schedule(dynamic)
    for (std::size_t i = 0; i < list.size(); ++i) results[i] = tried(list[i]);
    evaluations_ += static_cast<Index>(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!results[i].residual) continue;
      const auto [place, is_new] = known_.emplace(results[i].digest, variants_.size());
      list[i].residual = *results[i].residual;
      if (is_new)
        variants_.push_back(std::move(list[i]));
      else if (place->second != kElsewhere)
        variants_[place->second].alike.push_back(name_of(list[i]));
    }
  }

  /// Measures by the variant's own budgets, where it is a layer like any other.
  void refine(Variant& v) {
    if (!is_layer(v.bug())) return;
    const Layer layer = layer_of(v.bug());
    const Budgets own =
        budgets_of(layer.config, layer.inputs, layer.decisions, yardstick_.profile(), yardstick_.backward());
    v.residual = yardstick_.to(evaluated(layer), &own);
  }

  /// Those of the best first, until one explains the answer.
  void try_pairs() {
    const std::vector<Variant> singles = variants_;
    for (std::size_t sum = 1; sum < 2 * singles.size() && may_go_on(); ++sum) {
      std::vector<Variant> pairs;
      for (std::size_t i = 0; 2 * i < sum; ++i)
        if (sum - i < singles.size()) pairs.push_back({singles[i].first, singles[sum - i].first});
      try_out(std::move(pairs));
      if (std::any_of(variants_.begin(), variants_.end(), [this](const Variant& v) { return explains(v); }))
        break;
    }
    sort();
  }

  bool explains(const Variant& v) const {
    const bool fits = v.residual.all || (v.residual.result && !baseline_.result);
    return fits && baseline_.squares - v.residual.squares > kDecisive;
  }

  void sort() {
    const auto key = [this](const Variant& v) {
      return std::tuple(!explains(v), !v.residual.all, v.residual.rms);
    };
    std::stable_sort(variants_.begin(), variants_.end(),
                     [&](const Variant& a, const Variant& b) { return key(a) < key(b); });
    for (auto& [hash, place] : known_) place = kElsewhere;
  }

  /// What explains the answer as well as the best does is no less likely.
  void gather_alike() {
    if (variants_.empty() || !explains(variants_.front())) return;
    Variant& best = variants_.front();
    const auto as_well = [&](const Variant& v) {
      return explains(v) && v.residual.all == best.residual.all &&
             v.residual.squares - best.residual.squares < kDecisive;
    };
    for (std::size_t i = 1; i < variants_.size(); ++i)
      if (as_well(variants_[i])) {
        best.alike.push_back(name_of(variants_[i]));
        best.alike.insert(best.alike.end(), variants_[i].alike.begin(), variants_[i].alike.end());
      }
    variants_.erase(std::remove_if(variants_.begin() + 1, variants_.end(), as_well), variants_.end());
  }

  static std::string name_of(const Variant& v) {
    return v.first->name + (v.second != nullptr ? ", and " + v.second->name : "");
  }
  Diagnosis diagnosis(const Variant& v) const {
    Diagnosis d{name_of(v), v.first->sentence, v.first->gotcha, v.residual.rms, 1, explains(v), {}, v.alike};
    if (d.explains) d.not_explained = v.residual.beyond;
    if (baseline_.rms > 0) d.ratio = v.residual.rms / baseline_.rms;
    if (v.second == nullptr) return d;
    d.sentence += "; and " + v.second->sentence;
    if (d.gotcha == 0) d.gotcha = v.second->gotcha;
    return d;
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const Config& config_;
  Inputs inputs_;
  Yardstick yardstick_;
  std::vector<Hypothesis> hypotheses_;
  Residual baseline_;
  Index evaluations_ = 0;
  std::unordered_map<std::size_t, std::size_t> known_;  // by digest: the place in variants_
  std::vector<Variant> variants_;
};

}  // namespace

std::vector<Diagnosis> diagnose(const CheckCase& c, const Answer& answer, const CheckOptions& options) {
  const std::string where = c.golden.id.empty() ? "the case" : c.golden.id;
  if (c.golden.invalid) throw Error("CASE", where + " must be refused: there are no numbers to explain");
  if (answer.tensors.empty()) throw Error("--got", "--got must hold tensors for " + where);
  const CaseVerdict verdict = check(c, answer, options);
  if (verdict.status == Status::Skipped || verdict.tensors.empty())
    throw Error("--got", "--got must hold tensors of " + where + " that can be judged");
  if (verdict.status < Status::Flag) return {};
  // Variants are measured end to end. What only stages by themselves show may still follow one; else it is left to check.
  const bool differs = check(c, answer, {options.profile, Mode::EndToEnd}).status >= Status::Flag;
  std::vector<Diagnosis> best = Search(c, answer, options).run(differs);
  if (!differs && (best.empty() || !best.front().explains)) return {};
  return best;
}

}  // namespace moe
