#include "residual.h"

#include <set>

#include "../check/canonical.h"
#include "../check/found.h"
#include "../check/routing.h"

namespace moe {
namespace {

constexpr double kMost = 1e4;  // standard deviations that one number can add: beyond that, off is off

double rms(const Array& a) {
  double squares = 0;
  for (Index i = 0; i < a.size(); ++i) squares += a.real(i) * a.real(i);
  return a.size() > 0 ? std::sqrt(squares / static_cast<double>(a.size())) : 0;
}

bool within_rounding(const std::string& name, double squares, Index n) {
  const double a = name.starts_with("loss.") || name.starts_with("grad.") ? 2 : 1.5;
  const auto count = static_cast<double>(n);
  const double most = a * (1 + 4 / std::sqrt(count));
  return squares <= count * most * most;
}

}  // namespace

Yardstick::Yardstick(const CheckCase& c, const Answer& answer, const CheckOptions& options)
    : profile_(profile_found(c, answer, options)) {
  const Config& config = c.config;
  const Inputs& inputs = c.golden.inputs;
  expected_ = decide(config, params_of<double>(config, inputs));
  CandidateRouting routing = judge_routing(config, inputs, expected_, answer, profile_, {});
  decisions_ = std::move(routing.decisions);
  // Who was led to other experts has slots and rows of its own, which are those of a variant.
  const bool led_elsewhere = routing.verdict.status == Status::Fail;
  tensors_ = led_elsewhere ? answer.tensors
                           : canonical(config, decisions_, answer.tensors, routing.slot, routing.row);
  for (const auto& [name, a] : tensors_) backward_ = backward_ || name.starts_with("grad.");
  Budgets budgets = budgets_of(config, inputs, decisions_, profile_, backward_);
  for (const auto& [name, a] : tensors_) {
    const auto found = budgets.find(name);
    if (found == budgets.end() || !is_real(a.format) || a.dims != found->second.dims) continue;
    Budget& budget = found->second;
    const Array own = array_of(budget.dims, budget.value.data());
    const double size = rms(own), sigma = rms(array_of(budget.dims, budget.sigma.data()));
    measured_.emplace(name, Measured{&a, std::move(budget.sigma), size, size > 0 ? sigma / size : 0});
  }
}

/// The squares of (J6); a zero that nothing disturbs says nothing and is not counted.
Yardstick::Sums Yardstick::sums(const Array& got, const Array& variant, const std::vector<double>& sigma,
                                double larger, double typical) {
  const double unit = precision_of(got.format).u;
  Sums sum;
  for (Index i = 0; i < variant.size(); ++i) {
    const double x = got.real(i), want = variant.real(i);
    const double s = at(sigma, i) > 0 ? larger * at(sigma, i) : typical * std::abs(want);
    const bool same = x == want || (std::isnan(x) && std::isnan(want));
    if ((same && s == 0) || !std::isfinite(s)) continue;
    const double z =
        same ? 0 : std::abs(x - want) / std::max(std::hypot(s, unit * want / std::sqrt(3)), 1e-300);
    sum.squares += z < kMost ? z * z : kMost * kMost;
    ++sum.n;
  }
  return sum;
}

/// Tokens for which the candidate chose a set of experts that the variant does not, unless both choices are admissible.
double Yardstick::wrong_choices(const Array& variant) const {
  const Array* ids = tensor_of(tensors_, "router.topk_ids");
  if (ids == nullptr || is_real(ids->format) || ids->dims != variant.dims || ids->dims.size() != 2) return 0;
  const Index K = ids->dims[1];
  double wrong = 0;
  for (Index t = 0; t < ids->dims[0]; ++t) {
    std::set<Index> got, want;
    for (Index k = 0; k < K; ++k)
      got.insert(ids->integer(t * K + k)), want.insert(variant.integer(t * K + k));
    wrong += got != want ? 1 : 0;
  }
  return wrong;
}

Residual Yardstick::to(const Arrays& variant, const Budgets* own) const {
  Residual all;
  double means = 0;
  Index tensors = 0;
  all.result = measured_.count("y") > 0;
  for (const auto& [name, a] : variant) {
    if (name == "router.topk_ids") {
      const double wrong = wrong_choices(a);
      all.squares += 100 * wrong;
      all.all = all.all && wrong == 0;
    }
    const auto found = measured_.find(name);
    if (found == measured_.end() || !is_real(a.format) || found->second.got->dims != a.dims) continue;
    const Measured& of = found->second;
    const double size = rms(a),
                 grown = of.size > 0 && std::isfinite(size) ? std::max(1.0, size / of.size) : 1;
    const Sums sum = own != nullptr ? sums(*of.got, a, own->at(name).sigma, 1, 0)
                                    : sums(*of.got, a, of.sigma, grown, of.typical);
    if (sum.n == 0) continue;
    const bool within = within_rounding(name, sum.squares, sum.n);
    all.all = all.all && within;
    if (!within) all.beyond.push_back(name);
    if (name == "y") all.result = within;
    all.squares += sum.squares;
    means += sum.squares / static_cast<double>(sum.n), tensors += 1;
  }
  if (tensors > 0) all.rms = std::sqrt(means / static_cast<double>(tensors));
  all.all = all.all && tensors > 0;
  return all;
}

std::size_t Yardstick::digest(const Arrays& variant) const {
  std::uint64_t all = 0;
  const auto add = [&all](std::uint64_t part) { all = (all ^ part) * 0x9e3779b97f4a7c15 + (all >> 29); };
  for (const auto& [name, a] : variant) {
    const auto found = measured_.find(name);
    const bool measured = found != measured_.end() && found->second.got->dims == a.dims;
    if (!measured && name != "router.topk_ids") continue;
    add(std::hash<std::string>()(name));
    for (Index i = 0; i < a.size(); ++i) {
      const auto x = static_cast<float>(is_real(a.format) ? a.real(i) : static_cast<double>(a.integer(i)));
      std::uint32_t bits = 0;
      std::memcpy(&bits, &x, sizeof bits);
      add(x == 0 ? 0 : std::isnan(x) ? 1 : (bits + 8) >> 4);
    }
  }
  return all;
}

}  // namespace moe
