#include "judging.h"
#include "tensors.h"

// What a case expects of each tensor, in one arithmetic: values and budgets, from the candidate's own numbers where it
// returned them.
namespace moe {
namespace {

bool finite(const Array& a) {
  for (Index i = 0; i < a.size(); ++i)
    if (!std::isfinite(a.real(i))) return false;
  return true;
}

Held held(const Array& a, Format format) {
  Held h{precision_of(format), buffer<double>(a.size())};
  a.reals(0, h.values);
  return h;
}

std::vector<double> values_of(const Array& a) {
  std::vector<double> values = buffer<double>(a.size());
  a.reals(0, values);
  return values;
}

/// The auxiliary losses in the order of the config, if all were returned.
std::optional<Held> held_losses(const Judging& j, const Aligned& a) {
  Held h{j.profile.inside, {}};
  for (const Aux& aux : j.c.config.aux) {
    const Array* loss = tensor_of(a.tensors, "loss." + aux.name);
    if (loss == nullptr || !is_real(loss->format) || !loss->dims.empty() || !finite(*loss))
      return std::nullopt;
    h.values.push_back(loss->real(0));
  }
  return h.values.empty() ? std::nullopt : std::optional(std::move(h));
}

/// The numbers that later stages are computed from.
HeldTensors held_tensors(const Judging& j, const Aligned& a) {
  HeldTensors all;
  if (!j.from_own()) return all;
  std::map<std::string, Dims> dims;
  for (const TensorOf& t : tensors_of(j.c.config, a.decisions.plan))
    if (t.real) dims[t.name] = t.dims;
  for (const auto& [name, array] : a.tensors) {
    const auto known = dims.find(name);
    if (known == dims.end() || tensor_of_answer(name) == Tensor::loss_aux || !is_real(array.format)) continue;
    if (array.dims == known->second && finite(array))
      all[*tensor_of_answer(name)] = held(array, j.stored_as(name, array));
  }
  if (std::optional<Held> aux = held_losses(j, a); aux) all[Tensor::loss_aux] = std::move(*aux);
  return all;
}

bool same_formats(const Profile::OfTensors& a, const Profile::OfTensors& b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](const Precision& x, const Precision& y) {
    return x.bits == y.bits && x.low == y.low;
  });
}

/// The budgets that the case states, if they are all that is needed: none for tensors that were not returned.
std::optional<Budgets> stated_budgets(const Judging& j, const Aligned& a,
                                      const std::set<std::string>& isolated) {
  const auto stated = j.c.budgets.find(j.profile.name);
  if (stated == j.c.budgets.end() || !a.as_expected) return std::nullopt;
  const Profile& named = profile_called(j.profile.name);
  if (!same_formats(named.store, j.profile.store) || !same_formats(named.operators, j.profile.operators))
    return std::nullopt;
  const Sources sources = sources_of(j.c.config);
  Budgets budgets;
  for (const auto& [name, expected] : j.c.expected) {
    if (!is_real(expected.format) || (is_gradient(name) && !a.backward)) continue;
    Budget& budget = budgets[name];
    budget.dims = expected.dims;
    if (tensor_of(a.tensors, name) == nullptr) continue;
    const auto found = stated->second.find(name);
    if (found == stated->second.end() || (sources.count(name) > 0 && isolated.count(name) > 0))
      return std::nullopt;
    budget.value = values_of(expected);
    budget.hard = values_of(found->second.first), budget.sigma = values_of(found->second.second);
    if (budget.hard.size() != budget.value.size() || budget.sigma.size() != budget.value.size())
      return std::nullopt;
  }
  return budgets;
}

/// Was all returned that this stage is computed from?
std::set<std::string> isolated_stages(const Judging& j, const HeldTensors& held) {
  std::set<std::string> all;
  if (!j.from_own()) return all;
  const Sources sources = sources_of(j.c.config);
  const std::vector<TensorOf> tensors = tensors_of(j.c.config, j.expected.plan);
  const auto is_there = [&](const std::string& source) {
    const bool exists =
        source == kNowhere ||
        std::any_of(tensors.begin(), tensors.end(), [&](const TensorOf& t) { return t.name == source; });
    const auto id = tensor_of_answer(source);
    return !exists || (id && held.count(*id) > 0);
  };
  for (const TensorOf& t : tensors) {
    const auto of = sources.find(t.name);
    const bool from_inputs = of == sources.end() && !t.name.starts_with("loss.") && !is_gradient(t.name);
    if (from_inputs || (of != sources.end() && std::all_of(of->second.begin(), of->second.end(), is_there)))
      all.insert(t.name);
  }
  return all;
}

}  // namespace

Expectation expectation(const Judging& j, const Aligned& a) {
  const HeldTensors held = held_tensors(j, a);
  Expectation e;
  e.isolated = isolated_stages(j, held);
  std::optional<Budgets> stated = stated_budgets(j, a, e.isolated);
  e.budgets = stated ? std::move(*stated)
                     : budgets_of(j.c.config, j.c.golden.inputs, a.decisions, j.profile, a.backward, held,
                                  &e.left_range);
  return e;
}

}  // namespace moe
