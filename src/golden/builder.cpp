#include "families.h"
#include "grid.h"
#include "moe/config_json.h"
#include "moe/presets.h"

namespace moe {
namespace {

Array explicit_array(const Dims& dims, const std::vector<double>& values) {
  require(product(dims) == static_cast<Index>(values.size()), "values", values.size(), "must fill the shape");
  return array_of(dims, values.data());
}

/// A config from a document in which sets may have left fields of other choices behind.
Config config_of(const Json& json) {
  const std::set<std::string> nothing_given;
  return config_from_json(json, &nothing_given);
}

std::vector<double> values_of(const Array& a) {
  std::vector<double> values;
  for (Index i = 0; i < a.size(); ++i) values.push_back(a.real(i));
  return values;
}

}  // namespace

CaseBuilder::CaseBuilder(const char* preset, const char* id, const char* comment) {
  case_.id = id;
  case_.comment = comment;
  case_.source = find_preset(preset)->source;
  case_.config = config_to_json(find_preset(preset)->config);
  for (const char* small : {"shape.num_tokens=4", "shape.hidden_size=4", "shape.ffn_size=4"}) set(small);
  if (case_.config["shape"]["num_experts"] != 1) set("shape.num_experts=4");
}

CaseBuilder& CaseBuilder::catches(const char* what) {
  case_.catches = what;
  return *this;
}

CaseBuilder& CaseBuilder::flag(const char* name) {
  case_.flags.emplace_back(name);
  return *this;
}

CaseBuilder& CaseBuilder::set(const char* assignment) {
  set_field(case_.config, assignment);
  return *this;
}

CaseBuilder& CaseBuilder::tokens(Index T) {
  case_.config["shape"]["num_tokens"] = T;
  return *this;
}

CaseBuilder& CaseBuilder::draw(std::uint32_t n) {
  draw_ = n;
  return *this;
}

Inputs& CaseBuilder::inputs() {
  if (!seeded_) case_.inputs = seeded_inputs(config_of(case_.config), kDefaultSeed, fnv1a(case_.id) + draw_);
  seeded_ = true;
  return case_.inputs;
}

CaseBuilder& CaseBuilder::logits(const Rows& rows) {
  if (seeded_) throw std::logic_error(case_.id + ": the logits must be given before other inputs");
  const Index T = static_cast<Index>(rows.size()), E = static_cast<Index>(rows.front().size());
  case_.config["shape"]["num_tokens"] = T;
  case_.config["shape"]["num_experts"] = E;
  const Index D = std::max(case_.config["shape"]["hidden_size"].get<Index>(),
                           static_cast<Index>(std::bit_ceil(static_cast<std::uint64_t>(T + 1))));
  case_.config["shape"]["hidden_size"] = D;
  std::vector<double> x = values_of(inputs().at(Tensor::x)),
                      w = values_of(inputs().at(Tensor::router_weight));
  for (Index t = 0; t < T; ++t)
    for (Index d = 0; d < T; ++d) at(x, t * D + d) = d == t ? 1 : 0;
  for (Index e = 0; e < E; ++e)
    for (Index d = 0; d < D; ++d) at(w, e * D + d) = d < T ? at(at(rows, d), e) : 0;
  return tensor(Tensor::x, x).tensor(Tensor::router_weight, w);
}

CaseBuilder& CaseBuilder::noise(const Rows& raw, const Rows& noise) {
  const Array& like = inputs().at(Tensor::router_weight);
  const Index E = like.dims[0], D = like.dims[1], T = static_cast<Index>(raw.size());
  std::vector<double> w = buffer<double>(E * D), n;
  for (Index e = 0; e < E; ++e)
    for (Index t = 0; t < T; ++t) at(w, e * D + t) = at(at(raw, t), e);
  for (const std::vector<double>& row : noise) n.insert(n.end(), row.begin(), row.end());
  return tensor(Tensor::router_noise_weight, w).tensor(Tensor::noise_gaussian_learned, n);
}

CaseBuilder& CaseBuilder::noise(const Rows& noise) {
  std::vector<double> n;
  for (const std::vector<double>& row : noise) n.insert(n.end(), row.begin(), row.end());
  return tensor(Tensor::noise_gaussian_fixed, n);
}

CaseBuilder& CaseBuilder::routes(const std::vector<std::vector<Index>>& ids) {
  const Index E = case_.config["shape"]["num_experts"].get<Index>();
  Rows rows;
  for (const std::vector<Index>& best : ids) {
    std::vector<double> z(static_cast<std::size_t>(E));
    for (Index e = 0; e < E; ++e) at(z, e) = -0.125 * static_cast<double>((3 * e) % 5);
    for (std::size_t k = 0; k < best.size(); ++k) at(z, best[k]) = static_cast<double>(best.size() - k);
    rows.push_back(std::move(z));
  }
  return logits(rows);
}

CaseBuilder& CaseBuilder::tensor(Tensor id, const std::vector<double>& values) {
  Array& a = inputs().at(id);
  a = explicit_array(a.dims, values);
  return *this;
}

CaseBuilder& CaseBuilder::raw(Tensor id, const Dims& dims, const std::vector<double>& values) {
  inputs()[id] = explicit_array(dims, values);
  return *this;
}

CaseBuilder& CaseBuilder::integers(Tensor id, const Dims& dims, const std::vector<std::int32_t>& values) {
  inputs()[id] = array_of(dims, values.data());
  return *this;
}

CaseBuilder& CaseBuilder::given(const std::vector<std::vector<std::int32_t>>& ids) {
  std::vector<std::int32_t> all;
  for (const std::vector<std::int32_t>& of_token : ids)
    all.insert(all.end(), of_token.begin(), of_token.end());
  return integers(Tensor::router_given_ids,
                  {static_cast<Index>(ids.size()), static_cast<Index>(ids.front().size())}, all);
}

CaseBuilder& CaseBuilder::without(Tensor id) {
  inputs().erase(id);
  return *this;
}

CaseBuilder& CaseBuilder::copy_expert(Index from, Index to) {
  for (const Tensor id : {Tensor::experts_gate, Tensor::experts_up, Tensor::experts_down}) {
    const auto found = inputs().find(id);
    if (found == inputs().end()) continue;
    std::vector<double> values = values_of(found->second);
    const Index size = found->second.dims[1] * found->second.dims[2];
    std::copy_n(values.begin() + from * size, size, values.begin() + to * size);
    tensor(id, values);
  }
  return *this;
}

CaseBuilder& CaseBuilder::grid(Index most) {
  inputs() = grid_inputs(config_of(case_.config), fnv1a(case_.id), most);
  return *this;
}

CaseBuilder& CaseBuilder::codes(const std::vector<std::vector<Index>>& chosen) {
  choose_by_code(config_of(case_.config), chosen, inputs());
  return *this;
}

CaseBuilder& CaseBuilder::results_only() {
  case_.results_only = true;
  return *this;
}

GoldenCase CaseBuilder::invalid() {
  case_.invalid = true;
  return case_;
}

CaseBuilder::operator GoldenCase() const {
  CaseBuilder copy = *this;
  // The config stands in a file as it is read back: with every field that has a meaning, and no other.
  copy.case_.config = config_to_json(config_of(copy.case_.config));
  copy.inputs();
  return copy.case_;
}

}  // namespace moe
