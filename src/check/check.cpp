#include "moe/check.h"

#include "found.h"
#include "unseen.h"

// A run: answers of one program to many cases, judged on the strictest rung at which all of them hold.
namespace moe {
namespace {

/// One answer on its way to a verdict.
struct Item {
  const Answered* answered = nullptr;
  Decisions expected = {};
  Working working = {};
  StoredIn stored = {};
  CaseVerdict verdict = {};
  bool settled = false;  // there is nothing to compute

  const CheckCase& c() const { return answered->c; }
  Judging judging(const Profile& profile, const CheckOptions& options) const {
    return {c(), answered->answer, expected, profile, stored, options.mode, options.require};
  }
  bool holds() const { return settled || verdict.status < Status::Flag; }
};

/// The first input of the data path that has a number which is none of the format.
std::optional<Tensor> unheld_input(const CheckCase& c, Format format) {
  for (const auto& [id, a] : c.golden.inputs) {
    if (id == Tensor::router_selection_bias || !has_gradient(id)) continue;
    if (a.bytes.empty() && a.recipe) continue;  // recipes are numbers of every format
    for (Index i = 0; i < a.size(); ++i)
      if (!fits(a.real(i), format)) return id;
  }
  return std::nullopt;
}

void settle(Item& item, Status status, std::string reason) {
  item.settled = true;
  item.verdict.status = status, item.verdict.reason = std::move(reason);
}

Item begun(const Answered& answered, const CheckOptions& options) {
  Item item{.answered = &answered};
  const CheckCase& c = answered.c;
  const Answer& answer = answered.answer;
  item.verdict.id = c.golden.id;
  if (!answer.unasked.empty()) {
    settle(item, Status::Skipped, answer.unasked);
  } else if (!answer.failure.empty()) {
    settle(item, Status::Fail, answer.failure);
  } else if (c.golden.invalid) {
    const bool refused = !answer.error.empty();
    settle(item, refused ? Status::Pass : Status::Fail,
           refused ? "" : "was answered, where it must be refused");
  } else if (!answer.error.empty()) {
    settle(item, Status::Skipped, "declined: " + answer.error);
    item.verdict.declined = true;
  } else {
    item.working = working_of(c, answer, options.dtype);
    const Format format = narrowest(item.working);
    if (unheld_input(c, format))
      settle(item, Status::Skipped, std::string(info_of(format).name) + " cannot hold the inputs");
    else
      item.expected = expected_decisions(c);
  }
  return item;
}

void add_evidence(const Item& item, const CheckOptions& options, Evidence& evidence) {
  const Profile loosest = profile_of(item.working, rungs_of(item.working) - 1, item.stored);
  const Aligned a = aligned(item.judging(loosest, options));
  const CheckCase& c = item.c();
  Arrays computed;
  if (!a.as_expected || c.expected.empty())
    computed = evaluate<double>(c.config, c.golden.inputs, &a.decisions, a.backward);
  const Arrays& right = computed.empty() ? c.expected : computed;
  for (const auto& [name, got] : a.tensors) {
    const Array* expected = tensor_of(right, name);
    if (expected == nullptr || expected->dims != got.dims || !is_known(c.config, name, got)) continue;
    std::vector<double> values = buffer<double>(got.size());
    expected->reals(0, values);
    evidence.add(name, got, values);
  }
}

Worst worst_of(const CaseVerdict& verdict) {
  Worst worst{{}, verdict.id, 0};
  Status status = Status::Pass;
  for (const TensorVerdict& v : verdict.tensors) {
    const double ratio = is_real(v.format) && v.judged > 0 ? v.hard_ratio : 0;
    if (std::pair(v.status, ratio) <= std::pair(status, worst.ratio) && !worst.tensor.empty()) continue;
    status = v.status, worst.tensor = v.name, worst.ratio = ratio;
  }
  return worst;
}

/// The answers of one working format.
class Group {
 public:
  Group(std::vector<Item*> items, const CheckOptions& options, std::function<void()> tick)
      : items_(std::move(items)),
        options_(options),
        tick_(std::move(tick)),
        working_(items_.front()->working) {}

  FoundArithmetic judge() {
    const std::size_t rungs = rungs_of(working_);
    FoundArithmetic found;
    found.is_ladder = rungs > 1;
    found.format = info_of(narrowest(working_)).name, found.cases = static_cast<Index>(items_.size());
    judge_all(0);
    if (rungs > 1 && !all_hold()) note_strictest(found);
    std::vector<CaseVerdict> at_strictest;
    for (const Item* item : items_) at_strictest.push_back(item->verdict);
    for (; !all_hold() && rung_ + 1 < rungs;) climb(rung_ + 1 == rungs - 1);
    for (std::size_t i = 0; i < items_.size(); ++i)
      if (rung_ > 0 && !items_[i]->holds()) items_[i]->verdict.strictest = worst_of(at_strictest[i]);
    const Profile profile = profile_of(working_, rung_, {});
    found.profile = profile.name, found.words = profile.words;
    for (const Item* item : items_)
      if (item->verdict.status >= Status::Partial)
        found.status = std::max(found.status, item->verdict.status);
    return found;
  }

  Profile found_profile(const Item& item) {
    judge();
    return profile_of(working_, rung_, item.stored);
  }

  /// What the mistakes are that would pass like this: on the largest case that does not take long.
  Unseen unseen() const {
    const Item* probe = nullptr;
    for (const Item* item : items_) {
      if (!item->holds() || item->verdict.status == Status::Skipped || item->c().config.shape.num_tokens == 0)
        continue;
      if (probe == nullptr || is_better_probe(item->c().config, probe->c().config)) probe = item;
    }
    if (probe == nullptr) return {};
    const Profile profile = profile_of(working_, rung_, probe->stored);
    return unseen_mistakes(probe->judging(profile, options_));
  }

 private:
  bool all_hold() const {
    return std::all_of(items_.begin(), items_.end(), [](const Item* item) { return item->holds(); });
  }
  void judge_item(Item& item, std::size_t rung) {
    const Profile profile = profile_of(working_, rung, item.stored);
    item.verdict = judged_case(item.judging(profile, options_));
    tick_();
  }
  void judge_all(std::size_t rung) {
    for (Item* item : items_) judge_item(*item, rung);
    rung_ = rung;
  }
  /// The next rung: first those that did not hold on the one before; the others only where all of these do, or there is no
  /// other rung.
  void climb(bool last) {
    std::vector<Item*> held, failed;
    for (Item* item : items_) (item->holds() ? held : failed).push_back(item);
    ++rung_;
    for (Item* item : failed) judge_item(*item, rung_);
    if (!last && !all_hold()) return;
    for (Item* item : held) judge_item(*item, rung_);
  }
  void note_strictest(FoundArithmetic& found) const {
    found.strictest = profile_of(working_, 0, {}).words;
    for (const Item* item : items_) {
      if (item->holds()) continue;
      found.failing += 1;
      const Worst worst = worst_of(item->verdict);
      if (found.worst.id.empty() || worst.ratio > found.worst.ratio) found.worst = worst;
    }
  }
  /// As large as takes a moment, else as small as there is.
  static bool is_better_probe(const Config& a, const Config& b) {
    constexpr double kMoment = 0x1p19;
    const auto work = [](const Config& c) {
      const auto [T, D, F, E, K] = Letters(c);
      return static_cast<double>(T) * static_cast<double>(D) * static_cast<double>(3 * K * F + E);
    };
    const double x = work(a), y = work(b);
    return y > kMoment ? x < y : x <= kMoment && x > y;
  }

  std::vector<Item*> items_;
  const CheckOptions& options_;
  std::function<void()> tick_;
  Working working_;
  std::size_t rung_ = 0;
};

/// "every number of y is a bf16 number": what an answer may be that is all in a wide format and fails.
std::string hint_of(const std::vector<Item*>& items, const Evidence& evidence) {
  for (const Item* item : items) {
    if (item->holds()) continue;
    for (const auto& [name, a] : item->answered->answer.tensors)
      for (const Format narrow : {Format::BF16, Format::F16, Format::F32}) {
        const Format widest = narrowest(item->working);
        if (narrower(narrow, widest) == narrow && narrow != widest && evidence.stored_in(narrow, name)) {
          const std::string format = info_of(narrow).name;
          return "every number of " + name + " is a number of " + format + ": pass --dtype " + format +
                 " if it computes in " + format;
        }
      }
  }
  return "";
}

/// In one arithmetic that was given.
void judge_as(const Profile& profile, const CheckOptions& options, std::vector<Item>& items,
              const std::function<void()>& tick) {
  for (Item& item : items) {
    if (!item.settled) item.verdict = judged_case(item.judging(profile, options));
    tick();
  }
}

}  // namespace

const char* name_of(Status status) {
  constexpr std::array names{"PASS", "LOW-POWER", "SKIPPED", "PARTIAL", "FLAG", "FAIL"};
  return names[static_cast<std::size_t>(status)];
}

RunVerdict check_all(const std::vector<Answered>& answers, const CheckOptions& options, bool unseen,
                     const Progress& progress) {
  std::vector<Item> items;
  items.reserve(answers.size());
  for (const Answered& answered : answers) items.push_back(begun(answered, options));
  double done = 0;
  const std::function<void()> tick = [&] {
    done += 1;
    progress(done / (done + static_cast<double>(items.size())));  // how many rungs there will be is not known
  };
  RunVerdict run;
  if (options.profile) {
    judge_as(*options.profile, options, items, tick);
  } else {
    Evidence evidence;
    for (const Item& item : items)
      if (!item.settled) add_evidence(item, options, evidence);
    std::map<Working, std::vector<Item*>> groups;
    for (Item& item : items) {
      if (item.settled) continue;
      item.stored = stored_in(item.c(), item.answered->answer, item.working, evidence);
      groups[item.working].push_back(&item);
    }
    for (const auto& [working, of_group] : groups) {
      Group group(of_group, options, tick);
      FoundArithmetic found = group.judge();
      found.hint = hint_of(of_group, evidence);
      if (!found.hint.empty())
        for (Item* item : of_group)
          if (!item->holds()) item->verdict.reason += "; " + found.hint;
      if (unseen && found.holds() && rungs_of(working) > 1) found.unseen = group.unseen();
      run.found.push_back(std::move(found));
    }
  }
  for (Item& item : items) run.cases.push_back(std::move(item.verdict));
  progress(1);
  return run;
}

Profile profile_found(const CheckCase& c, const Answer& answer, const CheckOptions& options) {
  if (options.profile) return *options.profile;
  const Answered answered{c, answer};
  Item item = begun(answered, options);
  if (item.settled) return profile_for(Format::F32);
  Evidence evidence;
  add_evidence(item, options, evidence);
  item.stored = stored_in(c, answer, item.working, evidence);
  return Group({&item}, options, [] {}).found_profile(item);
}

CaseVerdict check(const CheckCase& c, const Answer& answer, const CheckOptions& options) {
  const std::vector<Answered> alone{{c, answer}};
  return std::move(check_all(alone, options).cases.front());
}

}  // namespace moe
