#include "unseen.h"

#include <atomic>

#include "moe/bugs.h"
#include "moe/parallel.h"
#include "tensors.h"

namespace moe {
namespace {

constexpr double kUnit = 0x1p-24;  // what fp32 shows
constexpr std::size_t kMostNext = 2;

/// Rounded to what it is stored in, in the format that it comes in; infinite where it is too large.
Array as_returned(const Array& a, Format stored, Format format) {
  const Precision p = precision_of(stored);
  std::vector<double> values = buffer<double>(a.size());
  bool finite = true;
  for (Index i = 0; i < a.size(); ++i) {
    at(values, i) = p.round(a.real(i));
    finite = finite && std::isfinite(at(values, i));
  }
  const Array wide = array_of(a.dims, values.data());
  return finite ? converted(wide, format, "tensor") : wide;
}

bool shows(const Arrays& wrong, const Arrays& right) {
  if (wrong.size() != right.size()) return true;
  for (const auto& [name, a] : right) {
    const Array* got = tensor_of(wrong, name);
    if (got == nullptr || got->dims != a.dims || got->format != a.format) return true;
    if (!is_real(a.format)) {
      if (got->bytes != a.bytes) return true;
      continue;
    }
    double largest = 0;
    for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.real(i)));
    for (Index i = 0; i < a.size(); ++i)
      if (!(std::abs(got->real(i) - a.real(i)) <= kUnit * largest)) return true;
  }
  return false;
}

/// One case, and answers to it that hold mistakes.
class Probe {
 public:
  explicit Probe(const Judging& j) : j_(j) {
    for (const TensorOf& t : tensors_of(j.c.config, j.expected.plan))
      if (t.real && is_returnable(t.name)) formats_[t.name] = format_of(t.name);
    for (const auto& [name, a] : j.answer.tensors) returned_.insert(name);
  }

  /// The tensors that fail, or are flagged, where `names` of a mistake are returned; "routing" if that fails.
  std::vector<std::string> failing(const Arrays& wrong, const std::set<std::string>& names) const {
    Answer answer;
    for (const auto& [name, a] : wrong) {
      if (names.count(name) == 0) continue;
      const auto known = formats_.find(name);
      answer.tensors.emplace_back(name, is_real(a.format) && known != formats_.end()
                                            ? as_returned(a, known->second.first, known->second.second)
                                            : a);
    }
    const Judging j{j_.c, answer, j_.expected, j_.profile, j_.stored, j_.mode, j_.require};
    const CaseVerdict verdict = judged_case(j);
    std::vector<std::string> all;
    if (verdict.routing && verdict.routing->status >= Status::Flag) all.emplace_back("router.topk_ids");
    for (const TensorVerdict& v : verdict.tensors)
      if (v.status >= Status::Flag) all.push_back(v.name);
    if (all.empty() && verdict.status >= Status::Flag) all.emplace_back("y");
    return all;
  }
  std::set<std::string> everything() const {
    std::set<std::string> names = returned_;
    for (const TensorOf& t : tensors_of(j_.c.config, j_.expected.plan))
      if (is_returnable(t.name)) names.insert(t.name);
    return names;
  }
  const std::set<std::string>& returned() const { return returned_; }

 private:
  /// Gradients need a backward pass, which a program may not have.
  bool is_returnable(const std::string& name) const {
    const bool backward = std::any_of(j_.answer.tensors.begin(), j_.answer.tensors.end(),
                                      [](const auto& t) { return is_gradient(t.first); });
    return backward || !is_gradient(name);
  }
  /// What a tensor is stored in, and what it comes in.
  std::pair<Format, Format> format_of(const std::string& name) const {
    if (const Array* a = tensor_of(j_.answer.tensors, name); a != nullptr && is_real(a->format))
      return {j_.stored_as(name, *a), a->format};
    const Tensor id = *tensor_of_answer(name);
    const Precision kept = j_.profile.of(id).bits > 0 ? j_.profile.of(id) : j_.profile.result_of(id);
    for (const Format f : {Format::BF16, Format::F16, Format::F32})
      if (precision_of(f).bits == kept.bits && precision_of(f).low == kept.low) return {f, f};
    return {Format::F64, Format::F64};
  }

  const Judging& j_;
  std::map<std::string, std::pair<Format, Format>> formats_;
  std::set<std::string> returned_;
};

struct Mistake {
  std::string name;
  Arrays wrong;
  std::vector<std::string> would_show;  // tensors, if all were returned
  bool shows = false, passes = false;
};

/// The tensors, at most two, that show the most mistakes that pass.
std::vector<std::string> best_next(const std::vector<Mistake>& mistakes,
                                   const std::set<std::string>& returned) {
  std::vector<std::string> next;
  while (next.size() < kMostNext) {
    std::map<std::string, Index> counts;
    for (const Mistake& m : mistakes) {
      const auto seen = [&](const std::string& name) {
        return std::find(m.would_show.begin(), m.would_show.end(), name) != m.would_show.end();
      };
      if (!m.passes || std::any_of(next.begin(), next.end(), seen)) continue;
      for (const std::string& name : m.would_show) counts[name] += returned.count(name) == 0 ? 1 : 0;
    }
    const auto best = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best == counts.end() || best->second == 0) break;
    next.push_back(best->first);
  }
  return next;
}

}  // namespace

Unseen unseen_mistakes(const Judging& j) {
  const Probe probe(j);
  const Arrays right = evaluate<double>(j.c.config, j.c.golden.inputs, nullptr, true);
  std::vector<Mistake> mistakes(bugs().size());
  const std::set<std::string> everything = probe.everything();
  parallel_for(static_cast<Index>(mistakes.size()), [&](Index i) {
    Mistake& m = at(mistakes, i);
    const Bug& bug = at(bugs(), i);
    m.name = bug.name;
    try {
      m.wrong = evaluate_with(bug, j.c.config, j.c.golden.inputs, &j.profile);
    } catch (const Error&) {  // it has no meaning here
      return;
    }
    m.shows = shows(evaluate_with(bug, j.c.config, j.c.golden.inputs), right);
    m.passes = m.shows && probe.failing(m.wrong, probe.returned()).empty();
    if (m.passes) m.would_show = probe.failing(m.wrong, everything);
  });
  Unseen unseen;
  unseen.id = j.c.golden.id;
  for (const Mistake& m : mistakes) {
    unseen.mistakes += m.shows ? 1 : 0;
    if (m.passes) unseen.passing.push_back(m.name);
  }
  unseen.next = best_next(mistakes, probe.returned());
  if (unseen.next.empty()) return unseen;
  std::set<std::string> more = probe.returned();
  more.insert(unseen.next.begin(), unseen.next.end());
  std::atomic<Index> seen = 0;
  parallel_for(static_cast<Index>(mistakes.size()), [&](Index i) {
    const Mistake& m = at(mistakes, i);
    if (m.passes && !probe.failing(m.wrong, more).empty()) seen += 1;
  });
  unseen.seen_by_next = seen;
  if (seen == 0) unseen.next.clear();
  return unseen;
}

}  // namespace moe
