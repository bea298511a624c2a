#include "arithmetic.h"

#include "moe/validate.h"
#include "tensors.h"

namespace moe {
namespace {

constexpr Index kEnough = 40;  // bits that agree by chance once in 10^12

bool is_data_path(const std::string& name) {
  for (const char* start : {"expert.", "grad.expert", "latent.", "grad.latent", "combine.", "grad.combine"})
    if (name.starts_with(start)) return true;
  return name == "y" || name == "grad.x" || name == "grad.router.x";
}

/// Made of numbers in the working format, whatever it comes in: the gradient of what was cast for the combine, and a sum of
/// losses of which some may be narrow.
bool is_of_narrow_parts(Tensor id) {
  return id == Tensor::grad_router_topk_weights || id == Tensor::loss_total;
}

}  // namespace

Format narrower(Format a, Format b) { return precision_of(b).bits < precision_of(a).bits ? b : a; }
Format narrowest(const Working& w) { return narrower(w.forward, w.backward); }

bool fits(double x, Format format) { return precision_of(format).round(x) == x; }

bool is_known(const Config& config, const std::string& name, const Array& a) {
  const auto [T, D, F, E, K] = Letters(config);
  if (!is_real(a.format) || a.size() == 0) return false;
  Plan plan;  // of as many rows as the tensor has
  plan.order.resize(a.dims.empty() ? 0 : static_cast<std::size_t>(std::min(a.dims[0], T * K)));
  const std::vector<TensorOf> all = tensors_of(config, plan);
  return std::any_of(all.begin(), all.end(),
                     [&](const TensorOf& t) { return t.name == name && t.real && t.dims == a.dims; });
}

Working working_of(const CheckCase& c, const Answer& answer, std::optional<Format> dtype) {
  std::optional<Format> forward, backward, widest;
  const auto lower = [](std::optional<Format>& to, Format f) { to = to ? narrower(*to, f) : f; };
  for (const auto& [name, a] : answer.tensors) {
    if (!is_known(c.config, name, a)) continue;
    if (!widest || narrower(*widest, a.format) == *widest) widest = a.format;
    if (is_data_path(name)) lower(is_gradient(name) ? backward : forward, a.format);
  }
  if (dtype) lower(forward, *dtype), lower(backward, *dtype);
  if (!forward) forward = backward ? backward : widest;
  if (!backward) backward = forward;
  return {forward.value_or(Format::F64), backward.value_or(Format::F64)};
}

void Evidence::add(const std::string& name, const Array& got, const std::vector<double>& expected) {
  const Precision own = precision_of(got.format);
  for (const Format format : {Format::F32, Format::F16, Format::BF16}) {
    const int less = own.bits - precision_of(format).bits;
    if (less <= 0) continue;
    Seen& seen = seen_[{format, name}];
    for (Index i = 0; i < got.size(); ++i) {
      const double x = got.real(i);
      if (!std::isfinite(x)) continue;
      if (!fits(x, format))
        seen.refuted = true;
      else if (std::isfinite(at(expected, i)) && !fits(own.round(at(expected, i)), format))
        seen.bits += less;
    }
  }
}

bool Evidence::stored_in(Format format, const std::string& name) const {
  const auto found = seen_.find({format, name});
  return found != seen_.end() && !found->second.refuted && found->second.bits >= kEnough;
}

StoredIn stored_in(const CheckCase& c, const Answer& answer, const Working& working,
                   const Evidence& evidence) {
  StoredIn all;
  for (const auto& [name, a] : answer.tensors) {
    if (!is_known(c.config, name, a)) continue;
    const Format w = working.of(*tensor_of_answer(name));
    all[name] = narrower(a.format, w) == w && evidence.stored_in(w, name) ? w : a.format;
  }
  return all;
}

std::size_t rungs_of(const Working& working) {
  return std::max(ladder(working.forward).size(), ladder(working.backward).size());
}

Profile profile_of(const Working& working, std::size_t rung, const StoredIn& returned) {
  const auto of = [&](Format f) -> const Profile& { return ladder(f)[std::min(rung, ladder(f).size() - 1)]; };
  const Profile &backward = of(working.backward), &named = of(narrowest(working));
  Profile p = of(working.forward);
  p.name = named.name, p.words = named.words;
  if (backward.inside.bits < p.inside.bits) p.inside = p.result = backward.inside;
  for (std::size_t i = static_cast<std::size_t>(Tensor::grad_x); i < kTensors.size(); ++i)
    p.store[i] = backward.store[i], p.operators[i] = backward.result_of(static_cast<Tensor>(i));
  bool wide_aux = false;
  for (const auto& [name, format] : returned) {
    const Tensor id = *tensor_of_answer(name);
    const auto i = static_cast<std::size_t>(id);
    const Precision stored = precision_of(format);
    const bool wider = stored.bits > precision_of(working.of(id)).bits;
    if (id == Tensor::loss_aux) {  // one place for several losses
      wide_aux = wide_aux || wider;
      continue;
    }
    p.store[i] = stored.bits < p.inside.bits ? stored : Precision{};
    if (wider && !is_of_narrow_parts(id)) p.operators[i] = stored.bits < p.inside.bits ? stored : p.inside;
  }
  if (wide_aux) {
    p.store[static_cast<std::size_t>(Tensor::loss_aux)] = {};
    p.operators[static_cast<std::size_t>(Tensor::loss_aux)] = p.inside;
  }
  return p;
}

}  // namespace moe
