#include "judging.h"

#include <numeric>

#include "admissible.h"
#include "canonical.h"
#include "digits.h"
#include "moe/validate.h"
#include "statistics.h"
#include "tensors.h"
#include "text.h"

namespace moe {
namespace {

/// A tensor (T, E) of the router, if it was returned and all its numbers are finite.
std::optional<Held> held_of_router(const Judging& j, const char* name) {
  const Array* a = tensor_of(j.answer.tensors, name);
  if (a == nullptr || !is_real(a->format) ||
      a->dims != Dims{j.c.config.shape.num_tokens, j.c.config.shape.num_experts})
    return std::nullopt;
  Held h{precision_of(j.stored_as(name, *a)), buffer<double>(a->size())};
  a->reals(0, h.values);
  const bool finite =
      std::all_of(h.values.begin(), h.values.end(), [](double x) { return std::isfinite(x); });
  return finite ? std::optional(std::move(h)) : std::nullopt;
}

bool same(const Decisions& a, const Decisions& b) {
  return a.expert == b.expert && a.plan.kept == b.plan.kept;
}

/// The routing was given. Whoever decided otherwise has no say in slots and rows, and fails by its integers.
void pin(const Decisions& expected, CandidateRouting& routing) {
  if (same(routing.decisions, expected)) return;
  const Index K = expected.expert.cols();
  for (Index i = 0; i < expected.expert.size(); ++i) at(routing.slot, i) = i % K;
  routing.row.resize(static_cast<std::size_t>(expected.plan.N()));
  std::iota(routing.row.begin(), routing.row.end(), 0);
  routing.decisions = expected;
}

TensorVerdict start(const std::string& name, const Array& a) {
  TensorVerdict v;
  v.name = name, v.format = a.format, v.dims = a.dims, v.numbers = a.size();
  return v;
}
void fail(TensorVerdict& v, std::string reason) { v.status = Status::Fail, v.reason = std::move(reason); }
bool has_shape(TensorVerdict& v, const Dims& dims) {
  if (v.dims == dims) return true;
  fail(v, "has the shape " + shape_text(v.dims) + " where " + shape_text(dims) + " is expected");
  return false;
}

TensorVerdict judged_integers(const std::string& name, const Dims& dims,
                              const std::vector<std::int64_t>& values, const Array& a) {
  TensorVerdict v = start(name, a);
  if (!has_shape(v, dims)) return v;
  if (is_real(a.format))
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

/// The integer tensors of given decisions.
template <typename Visit>
void each_integer(const Config& config, const Decisions& made, Visit visit) {
  const auto [T, D, F, E, K] = Letters(config);
  const Plan& plan = made.plan;
  const auto widened = [](const auto* data, Index n) { return std::vector<std::int64_t>(data, data + n); };
  if (has_router(config)) visit("router.topk_ids", Dims{T, K}, widened(made.expert.data(), T * K));
  visit("dispatch.counts", Dims{E}, plan.counts);
  visit("dispatch.offsets", Dims{E + 1}, plan.offsets);
  visit("dispatch.order", Dims{plan.N()}, plan.order);
  visit("dispatch.kept", Dims{T, K}, widened(plan.kept.data(), T * K));
}

/// The real tensors of one answer.
class RealJudge {
 public:
  RealJudge(const Judging& j, const Aligned& a, Expectation& e)
      : j_(j), a_(a), e_(e), sources_(sources_of(j.c.config)) {
    for (const auto& [name, budget] : e.budgets) tests_ += tensor_of(a.tensors, name) != nullptr ? 1 : 0;
  }

  TensorVerdict operator()(const std::string& name, Budget& budget, const Array& got) const {
    TensorVerdict v = start(name, got);
    v.isolated = e_.isolated.count(name) > 0;
    if (!has_shape(v, budget.dims)) return v;
    if (!is_real(got.format)) {
      fail(v, std::string("has the dtype ") + info_of(got.format).name + " where real numbers are expected");
      return v;
    }
    if (j_.mode == Mode::Isolated && !v.isolated) {
      v.status = Status::Skipped, v.reason = "what it is computed from was not returned";
      return v;
    }
    take_golden(name, got, budget);
    returned_in(name, j_.stored_as(name, got), budget);
    if (is_exact(name, got.format)) std::fill(budget.hard.begin(), budget.hard.end(), 0.0);
    const Tensor id = *tensor_of_answer(name);
    judge({&got, &budget.value, &budget.hard, &budget.sigma, tests_,
           soft_tests_of(name, v.isolated, j_.profile), range_of(id), follows_overflow(name, id)},
          v);
    if (v.status >= Status::Flag && printed_short(got, budget.value, budget.hard))
      v.reason = std::string("was printed with 6 digits; ") + info_of(got.format).name + " needs " +
                 std::to_string(digits_of(got.format));
    return v;
  }

 private:
  /// The expected numbers are those of the golden file where they apply, and then its distance from ours is allowed too.
  void take_golden(const std::string& name, const Array& got, Budget& budget) const {
    const Array* golden = tensor_of(j_.c.expected, name);
    if (golden == nullptr || !a_.as_expected || golden->dims != got.dims) return;
    if (computed_from_inputs(name))
      for (Index i = 0; i < got.size(); ++i) {
        at(budget.hard, i) += std::abs(at(budget.value, i) - golden->real(i)) * (1 + 0x1p-50);
        at(budget.value, i) = golden->real(i);
      }
    // What was underflowed on the way may give no number at all; then the golden one says how large it would be.
    for (Index i = 0; i < got.size(); ++i)
      if (!std::isfinite(at(budget.value, i)))
        at(budget.value, i) = golden->real(i), at(budget.hard, i) = HUGE_VAL;
  }
  bool computed_from_inputs(const std::string& name) const {
    if (j_.mode == Mode::EndToEnd || j_.mode == Mode::Pinned) return true;
    return j_.mode == Mode::Automatic && sources_.count(name) == 0 && !is_gradient(name) &&
           !name.starts_with("loss.");
  }

  /// A tensor returned in a narrower format than it is kept in was rounded once more.
  void returned_in(const std::string& name, Format format, Budget& budget) const {
    const Precision p = precision_of(format);
    const Tensor id = *tensor_of_answer(name);
    const Precision& kept = j_.profile.of(id);
    if (p.bits >= (kept.bits > 0 ? kept : j_.profile.result_of(id)).bits) return;
    for (std::size_t i = 0; i < budget.hard.size(); ++i) {
      double &hard = budget.hard[i], &sigma = budget.sigma[i];
      const double value = budget.value[i];
      hard = (hard + p.u * (std::abs(value) + hard) + j_.profile.underflow(p)) * (1 + 0x1p-50);
      sigma = std::sqrt(sigma * sigma + p.spacing(value) * p.spacing(value) / 12);
    }
  }

  /// Is nothing on the way to this tensor rounded, and neither the tensor for its return?
  bool is_exact(const std::string& name, Format format) const {
    const auto need = j_.c.exact.find(name);
    if (need == j_.c.exact.end() || !a_.as_expected || weights_may_round(name)) return false;
    const Profile& p = j_.profile;
    int bits = std::min({p.inside.bits, p.result.bits, precision_of(format).bits});
    const auto include = [&bits](const Precision& of) {
      if (of.bits > 0) bits = std::min(bits, of.bits);
    };
    include(p.operands);
    for (const Precision& kept : p.store) include(kept);
    for (const Precision& given : p.operators) include(given);
    return need->second <= bits;
  }
  /// Equal shares are exact as a softmax of the chosen logits, but not as s_k / sum s of scores that were rounded: three of
  /// them need not add up to 3 s, and s (1 / s) need not be 1. A gradient that takes that way back has roundings for its zeros.
  bool weights_may_round(const std::string& name) const {
    const Router& router = j_.c.config.router;
    if (!weights_by_logits(router)) return false;
    if (name == "grad.x" || (name.starts_with("grad.router.") && name != "grad.router.topk_weights"))
      return true;
    const bool before = *tensor_of_answer(name) < Tensor::router_topk_weights || name == "latent.x" ||
                        name == "latent.normed" || name == "expert.normed" || name == "expert.gate" ||
                        name == "expert.up" || name == "expert.hidden" || name == "expert.out";
    if (before) return false;
    const Array *got = tensor_of(a_.tensors, "router.topk_weights"),
                *right = tensor_of(j_.c.expected, "router.topk_weights");
    if (got == nullptr || right == nullptr || got->dims != right->dims || name == "router.topk_weights")
      return true;
    for (Index i = 0; i < got->size(); ++i)
      if (got->real(i) != right->real(i)) return true;
    return false;
  }

  /// May infinity, or no number at all, be what follows from another number that left its range? That is in a stage before
  /// this one, or within it where operators give back a format of a smaller range than they have inside.
  bool follows_overflow(const std::string& name, Tensor id) const {
    if (!e_.left_range) return false;
    if (j_.profile.result_of(id).largest < j_.profile.inside.largest) return true;
    const auto sources = sources_.find(name);
    return sources != sources_.end() && std::ranges::any_of(sources->second, [&](const std::string& source) {
             const auto budget = e_.budgets.find(source);
             return source == kNowhere ||
                    (budget != e_.budgets.end() &&
                     std::ranges::any_of(budget->second.hard, [](double hard) { return std::isinf(hard); }));
           });
  }

  double range_of(Tensor id) const {
    return j_.profile.of(id).bits > 0 ? j_.profile.of(id).largest : j_.profile.result_of(id).largest;
  }

  const Judging& j_;
  const Aligned& a_;
  Expectation& e_;
  Sources sources_;
  Index tests_ = 0;
};

}  // namespace

Decisions expected_decisions(const CheckCase& c) {
  const Index T = c.config.shape.num_tokens, K = c.config.shape.top_k;
  const Array* ids = tensor_of(c.expected, "router.topk_ids");
  const Array* kept = tensor_of(c.expected, "dispatch.kept");
  if (ids == nullptr || kept == nullptr)
    return decide(c.config, params_of<double>(c.config, c.golden.inputs));
  IdMatrix expert(T, K);
  Matrix<std::uint8_t> keeps(T, K);
  for (Index i = 0; i < T * K; ++i)
    expert.data()[i] = static_cast<std::int32_t>(ids->integer(i)),
    keeps.data()[i] = static_cast<std::uint8_t>(kept->integer(i));
  return decisions_for(c.config, c.golden.inputs, expert, keeps);
}

Aligned aligned(const Judging& j) {
  std::optional<Held> logits, scores;
  if (j.from_own()) {
    logits = held_of_router(j, has_noise(j.c.config) ? "router.noisy_logits" : "router.logits");
    scores = held_of_router(j, "router.scores");
  }
  CandidateRouting routing = judge_routing(j.c.config, j.c.golden.inputs, j.expected, j.answer, j.profile,
                                           {logits ? &*logits : nullptr, scores ? &*scores : nullptr});
  if (j.mode == Mode::Pinned) pin(j.expected, routing);
  Aligned a;
  if (has_router(j.c.config) && j.mode != Mode::Pinned) a.routing = std::move(routing.verdict);
  a.decisions = std::move(routing.decisions);
  if (has_retopk(j.c.config))
    a.decisions.retopk_open =
        open_by_score(j.c.config, rankings(j.c.config, j.c.golden.inputs, j.profile).z, j.profile);
  a.as_expected = same(a.decisions, j.expected);
  a.tensors = canonical(j.c.config, a.decisions, j.answer.tensors, routing.slot, routing.row);
  a.backward =
      std::any_of(a.tensors.begin(), a.tensors.end(), [](const auto& t) { return is_gradient(t.first); });
  return a;
}

std::vector<TensorVerdict> judged(const Judging& j, const Aligned& a, Expectation& e) {
  std::vector<TensorVerdict> all;
  each_integer(j.c.config, a.decisions,
               [&](const std::string& name, const Dims& dims, const std::vector<std::int64_t>& values) {
                 if (const Array* got = tensor_of(a.tensors, name); got != nullptr)
                   all.push_back(judged_integers(name, dims, values, *got));
               });
  const RealJudge judge_it(j, a, e);
  for (auto& [name, budget] : e.budgets)
    if (const Array* got = tensor_of(a.tensors, name); got != nullptr)
      all.push_back(judge_it(name, budget, *got));
  // In the order of the layer, so that the first of two that fail is where it began.
  std::stable_sort(all.begin(), all.end(), [](const TensorVerdict& x, const TensorVerdict& y) {
    return *tensor_of_answer(x.name) < *tensor_of_answer(y.name);
  });
  return all;
}

}  // namespace moe
