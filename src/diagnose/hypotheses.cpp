#include <set>

#include "../bugs/list.h"
#include "moe/config_fields.h"
#include "moe/config_json.h"
#include "moe/diagnose.h"
#include "notes.h"

namespace moe {
namespace {

/// Fields that only name or size a case, or say that something is there at all: other values are other cases.
bool is_convention(const std::string& field) { return !field.ends_with(".kind"); }

/// Another value of one field, as a bug; it throws Error where the config then has no meaning.
Bug sets(const FieldValue& to) {
  return confuses(to.field + " = " + shown(to.value), [to](Config& c) {
    Json json = config_to_json(c);
    const std::set<std::string> given{set_field(json, to.field + '=' + to.value.dump())};
    c = config_from_json(json, &given);
  });
}

/// Where the value of a field stands in a config as JSON; null for a field that has no meaning there.
Json value_of(const Json& config, const std::string& field) {
  const Json* at = &config;
  std::istringstream path(field);
  for (std::string key; std::getline(path, key, '.');) {
    const Json* next = nullptr;
    if (at->is_object() && at->contains(key)) next = &(*at)[key];
    for (std::size_t i = 0; at->is_array() && i < at->size(); ++i)
      if ((*at)[i].value("name", "") == key) next = &(*at)[i];
    if (next == nullptr) return {};
    at = next;
  }
  return *at;
}

/// The default of a field, which has it where it is not written. A loss is known as aux.
Json standard_of(const std::string& field) {
  const bool loss = field.starts_with("aux.");
  const std::string known = loss ? "aux" + field.substr(field.rfind('.')) : field;
  for (const FieldInfo& info : listed_fields())
    if (info.field == known) return info.standard;
  return {};
}

/// Other numbers that are taken for those of a config: factors forgotten or applied twice, counts one off.
std::vector<FieldValue> other_numbers(const Config& c) {
  std::vector<FieldValue> all;
  if (c.router.renorm_epsilon > 0) all.push_back({"router.renorm_epsilon", 0.0});
  if (has_router(c)) all.push_back({"router.logit_softcap", caps_logits(c.router) ? 0.0 : 30.0});
  if (c.router.sinks > 0) all.push_back({"router.sinks", 0});
  if (c.router.score_offset > 0) all.push_back({"router.score_offset", 0.0});
  for (const Aux& aux : c.aux)
    if (counts_earlier(aux)) all.push_back({"aux." + aux.name + ".earlier_tokens", 0});
  if (scales_logits(c.router)) all.push_back({"router.logit_scale", 1.0});
  const double a = c.router.routed_scaling_factor;
  for (const double other : {1.0, a * a, 1 / a})
    if (other != a && std::isfinite(other)) all.push_back({"router.routed_scaling_factor", other});
  for (const Index step : {-1, 1}) {
    all.push_back({"shape.top_k", c.shape.top_k + step});
    if (has_groups(c)) all.push_back({"router.topk_group", c.router.topk_group + step});
    if (has_groups(c) && sums_best_of_group(c.router))
      all.push_back({"router.group_score_n", c.router.group_score_n + step});
    if (has_fixed(c.capacity)) all.push_back({"capacity.fixed", c.capacity.fixed + step});
  }
  if (has_groups(c)) all.push_back({"router.n_group", 1});
  if (c.shape.num_groups > 1) all.push_back({"shape.num_groups", 1});
  if (fixes_noise(c)) {
    const double s = c.noise.scale, E = static_cast<double>(c.shape.num_experts);
    for (const double other : std::set<double>{1.0, s * E, s / E})
      if (other != s) all.push_back({"noise.scale", other});
  }
  if (draws_second(c.router))
    for (const double other : {0.2, 0.5, 1.0}) all.push_back({"router.second_threshold", other});
  if (has_factor(c.capacity)) {
    for (const Index other : {0, 1, 4, 8}) all.push_back({"capacity.min_capacity", other});
    for (const Index other : {1, 4, 8}) all.push_back({"capacity.multiple_of", other});
  }
  const Experts& x = c.experts;
  const Shared& s = c.shared;
  const auto other_than = [&](const char* field, double own, double other) {
    const FieldValue value{field, other};
    const bool there = std::any_of(all.begin(), all.end(), [&](const FieldValue& known) {
      return known.field == value.field && known.value == value.value;
    });
    if (own != other && !there) all.push_back(value);
  };
  if (has_alpha(x.activation)) other_than("experts.act_alpha", x.act_alpha, 1);
  if (x.glu) {
    other_than("experts.clamp_gate_max", x.clamp_gate_max, 0);
    other_than("experts.clamp_act_max", x.clamp_act_max, 0);
    other_than("experts.clamp_up_abs", x.clamp_up_abs, 0);
    other_than("experts.up_offset", x.up_offset, 0);
    other_than("experts.softcap_gate", x.softcap_gate, 0);
    other_than("experts.softcap_up", x.softcap_up, 0);
  }
  if (x.glu && has_shared(c))
    for (const auto& [gate, act, up] :
         {std::tuple{0.0, 0.0, 0.0}, std::tuple{x.clamp_gate_max, x.clamp_act_max, x.clamp_up_abs}}) {
      other_than("shared.clamp_gate_max", s.clamp_gate_max, gate);
      other_than("shared.clamp_act_max", s.clamp_act_max, act);
      other_than("shared.clamp_up_abs", s.clamp_up_abs, up);
    }
  const double E = static_cast<double>(c.shape.num_experts), K = static_cast<double>(c.shape.top_k);
  for (const Aux& aux : c.aux)
    for (const double factor : {0.0, K, 1 / K, E, 1 / E, E / (E - 1)})
      if (factor != 1 && std::isfinite(factor))
        all.push_back({"aux." + aux.name + ".coefficient", factor * aux.coefficient});
  return all;
}

Hypothesis of_field(const Json& config, const FieldValue& to) {
  const Json written = value_of(config, to.field),
             right = written.is_null() ? standard_of(to.field) : written;
  const std::string said = right.is_string() ? right.get<std::string>() : right.dump();
  Hypothesis h{{}, {}, 0, sets(to)};
  h.name = h.bug.name;
  h.sentence = "it computes as if " + h.name + "; the case says " + said;
  if (const Note* note = note_on(to.field, said); note != nullptr)
    h.sentence += std::string(": ") + note->advice, h.gotcha = note->gotcha;
  return h;
}

Hypothesis of_bug(const Bug& bug) {
  Hypothesis h{bug.name, "it computes with this mistake: " + bug.name, 0, bug};
  if (const Note* note = note_on(bug.name, ""); note != nullptr)
    h.sentence = note->advice, h.gotcha = note->gotcha;
  return h;
}

}  // namespace

std::vector<Hypothesis> hypotheses(const Config& config) {
  std::vector<Hypothesis> all;
  const Json json = config_to_json(config);
  std::vector<FieldValue> values = other_choices(config);
  for (FieldValue& number : other_numbers(config)) values.push_back(std::move(number));
  for (const FieldValue& to : values)
    if (is_convention(to.field) && value_of(json, to.field) != to.value) all.push_back(of_field(json, to));
  for (const Bug& bug : bugs()) all.push_back(of_bug(bug));
  const Index E = computed_experts(config);
  for (Index b = 1; E <= 16 && b < E; ++b)
    for (Index a = 0; a < b; ++a) all.push_back(of_bug(exchanges(a, b)));
  return all;
}

}  // namespace moe
