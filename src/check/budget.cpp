#include "moe/budget.h"

#include <future>

#include "moe/scalar/bound.h"
#include "moe/scalar/spread.h"

namespace moe {
namespace {

double error_of(const Bound& a) { return a.e; }
double error_of(const Spread& a) { return std::sqrt(a.var); }

/// Values and errors of every real tensor of one pass.
template <typename Num>
struct Pass {
  std::map<std::string, Budget> tensors;  // `hard` holds the errors of this Num

  void operator()(const std::string& name, const Dims& dims, Index first, const Num* data, Index count) {
    Budget& b = tensors[name];
    b.dims = dims;
    b.value.resize(static_cast<std::size_t>(product(dims)));
    b.hard.resize(b.value.size());
    for (Index i = 0; i < count; ++i)
      at(b.value, first + i) = approx(data[i]), at(b.hard, first + i) = error_of(data[i]);
  }
  template <typename Integer>
  requires std::is_integral_v<Integer>
  void operator()(const std::string&, const Dims&, Index, const Integer*, Index) {}

  /// What was computed before the candidate's own number took its place.
  void restore(const Config& config, const Isolation& isolation) {
    const auto put_back = [this](const std::string& name,
                                 std::span<const std::pair<double, double>> computed) {
      const auto found = tensors.find(name);
      if (found == tensors.end()) return;
      for (std::size_t i = 0; i < computed.size(); ++i) {
        found->second.value[i] = computed[i].first;
        found->second.hard[i] =
            std::is_same_v<Num, Spread> ? std::sqrt(computed[i].second) : computed[i].second;
      }
    };
    for (std::size_t id = 0; id < kTensors.size(); ++id)
      if (isolation.held[id] != nullptr) put_back(kTensors[id].name, isolation.computed[id]);
    const auto of_loss = [&](Tensor id) {
      return std::span(isolation.computed[static_cast<std::size_t>(id)]);
    };
    put_back("loss.task", of_loss(Tensor::loss_task)), put_back("loss.total", of_loss(Tensor::loss_total));
    for (std::size_t i = 0; i < config.aux.size() && i < of_loss(Tensor::loss_aux).size(); ++i)
      put_back("loss." + config.aux[i].name, of_loss(Tensor::loss_aux).subspan(i, 1));
  }
};

template <typename Num>
std::map<std::string, Budget> pass(const Config& config, const Inputs& inputs, const Decisions& decisions,
                                   const Profile& profile, bool backward, const HeldTensors& held) {
  const ProfileScope scope(profile);
  Isolation isolation;
  for (const auto& [id, tensor] : held) isolation.held[static_cast<std::size_t>(id)] = &tensor;
  const IsolationScope isolated(held.empty() ? nullptr : &isolation);
  Pass<Num> all;
  const auto visit = [&](auto&&... block) { all(block...); };
  const Params<Num> params = params_of<Num>(config, inputs);
  const Trace<Num> trace = layer_forward(config, params, decisions);
  each_tensor(config, trace, visit);
  if (backward) {
    const Grads<Num> grads =
        layer_backward(config, params, trace,
                       [&](Index e, const ExpertWeightGrads<Num>& g) { each_block(config, e, g, visit); });
    each_tensor(config, trace.dispatch, grads, visit);
  }
  if (!held.empty()) all.restore(config, isolation);
  return std::move(all.tensors);
}

}  // namespace

Budgets budgets_of(const Config& config, const Inputs& inputs, const Decisions& decisions,
                   const Profile& profile, bool backward, const HeldTensors& held, bool* left_range) {
  // Beside this thread, or after it where the system gives no other.
  auto later = std::async(std::launch::async | std::launch::deferred,
                          [&] { return pass<Spread>(config, inputs, decisions, profile, backward, held); });
  left_range_ = false;
  Budgets budgets = pass<Bound>(config, inputs, decisions, profile, backward, held);
  if (left_range != nullptr) *left_range = left_range_;
  std::map<std::string, Budget> spread = later.get();
  for (auto& [name, budget] : budgets) budget.sigma = std::move(spread[name].hard);
  return budgets;
}

}  // namespace moe
