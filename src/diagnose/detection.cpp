#include "moe/detection.h"

#include "../check/routing.h"
#include "detector.h"
#include "moe/bugs.h"

namespace moe {
namespace {

constexpr double kUnitOfFp32 = 0x1p-24;  // of fp32

double largest(const Array& a) {
  double size = 0;
  for (Index i = 0; i < a.size(); ++i) size = std::max(size, std::abs(a.real(i)));
  return size;
}

/// The integers, and the shapes and names of all.
bool same_decisions(const Arrays& wrong, const Arrays& right) {
  if (wrong.size() != right.size()) return false;
  return std::all_of(right.begin(), right.end(), [&](const auto& named) {
    const auto& [name, a] = named;
    const Array* got = tensor_of(wrong, name);
    return got != nullptr && got->format == a.format && got->dims == a.dims &&
           (is_real(a.format) || got->bytes == a.bytes);
  });
}

/// The largest error above `least` in shares of its bound; nothing if none is above.
std::optional<double> largest_share(const Array& got, const Array& right, const std::vector<double>& hard,
                                    double least) {
  std::optional<double> share;
  for (Index i = 0; i < right.size(); ++i) {
    const double error = std::abs(got.real(i) - right.real(i));
    if (error <= least) continue;
    share = std::max(share.value_or(0), !std::isfinite(error) ? HUGE_VAL : error / at(hard, i));
  }
  return share;
}

}  // namespace

bool is_seen(const std::string& name, Seen seen, const Inputs& inputs) {
  if (seen == Seen::All || name == "y") return true;
  constexpr std::string_view gradient = "grad.";
  if (seen == Seen::Y || !name.starts_with(gradient)) return false;
  const std::string of = name.substr(gradient.size());
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const auto& input) { return name_of(input.first) == of; });
}

Detector::Detector(const Config& config, const Inputs& inputs)
    : right_(evaluate<double>(config, inputs, nullptr, true)) {
  case_.config = config, case_.golden.inputs = inputs;
  const Decisions decisions = decide(config, params_of<double>(config, inputs));
  budgets_ = budgets_of(config, inputs, decisions, profile_for(Format::F32), true);
}

std::optional<double> Detector::ratio(const Arrays& wrong) const {
  if (!same_decisions(wrong, right_)) return ratio_by_check(wrong);
  std::optional<double> ratio;
  for (const auto& [name, a] : right_) {
    if (!is_real(a.format)) continue;
    const auto share =
        largest_share(*tensor_of(wrong, name), a, budgets_.at(name).hard, kUnitOfFp32 * largest(a));
    if (share) ratio = std::max(ratio.value_or(0), *share);
  }
  return ratio;
}

bool Detector::catches(const Arrays& wrong, Seen seen) const {
  const auto is_beyond = [&](const auto& named) {
    const auto& [name, a] = named;
    if (!is_real(a.format) || !is_seen(name, seen, case_.golden.inputs)) return false;
    return largest_share(*tensor_of(wrong, name), a, budgets_.at(name).hard, 0).value_or(0) > 1;
  };
  if (same_decisions(wrong, right_) && std::ranges::none_of(right_, is_beyond)) return false;
  Answer answer;
  for (const auto& [name, a] : wrong)
    if (is_seen(name, seen, case_.golden.inputs)) answer.tensors.emplace_back(name, a);
  return check(case_, answer, {profile_for(Format::F32), Mode::EndToEnd}).status == Status::Fail;
}

std::optional<double> Detector::ratio_by_check(const Arrays& wrong) const {
  const CaseVerdict verdict = check(case_, {wrong, {}, {}}, {profile_for(Format::F32), Mode::EndToEnd});
  if (verdict.status != Status::Fail) return std::nullopt;
  if (verdict.routing && verdict.routing->status == Status::Fail) return HUGE_VAL;
  double ratio = 0;
  for (const TensorVerdict& v : verdict.tensors)
    ratio = std::max(ratio, v.status == Status::Fail && !(v.hard_ratio > 1) ? HUGE_VAL : v.hard_ratio);
  return ratio;
}

void Detection::add(const std::string& name, double ratio) {
  mistakes += 1;
  if (ratio > 1) caught += 1;
  if (ratio < least_ratio || hardest.empty()) least_ratio = ratio, hardest = name;
}

Detection detection_of(const Config& config, const Inputs& inputs) {
  const Detector detector(config, inputs);
  Detection all;
  for (const Bug& bug : bugs()) {
    const Arrays wrong = evaluate_with(bug, config, inputs);
    const std::optional<double> ratio = detector.ratio(wrong);
    if (!ratio) continue;
    all.add(bug.name, *ratio);
    const bool by_y = detector.catches(wrong, Seen::Y);
    all.by_y += by_y ? 1 : 0;
    all.by_gradients += by_y || detector.catches(wrong, Seen::Gradients) ? 1 : 0;
  }
  return all;
}

}  // namespace moe
