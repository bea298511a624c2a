#include "judging.h"
#include "moe/check.h"
#include "moe/config_json.h"
#include "moe/file.h"
#include "moe/printable.h"
#include "moe/tensor_json.h"
#include "tensors.h"

namespace moe {
namespace {

/// What one case of a golden file expects. All that it states fits its config, or Error says what does not.
class CaseReader {
 public:
  CaseReader(const std::string& path, const Json& document, const Answer* answer, CheckCase& c)
      : path_(path), where_(path + ": " + c.golden.id + ": "), document_(document), answer_(answer), c_(c) {}

  void read() {
    c_.config = config_from_json(c_.golden.config);
    for (const auto& [name, tensor] : object(document_, "stages").items())
      c_.expected.emplace_back(name, array(name, name, tensor));
    read_decisions();
    check_shapes();
    if (document_.contains("budgets")) read_budgets();
    if (document_.contains("exact")) read_exact();
    for (const std::string& name : c_.golden.demands) dims_of(name);
  }

 private:
  template <typename... Rule>
  void must(bool ok, const std::string& field, const Rule&... rule) const {
    if (!ok) throw Error(field, printable((where_ + field + ' ' + ... + rule)));
  }
  const Json& object(const Json& json, const std::string& key) const {
    const bool is_there = json.is_object() && json.contains(key) && json[key].is_object();
    must(is_there, key, "must be there, and an object");
    return json[key];
  }
  const Dims& dims_of(const std::string& stage) const {
    const Array* a = tensor_of(c_.expected, stage);
    must(a != nullptr, stage, "must be a stage of the case");
    return a->dims;
  }

  /// Decisions are needed whatever was returned.
  bool is_needed(const std::string& tensor) const {
    return answer_ == nullptr || tensor == "router.topk_ids" || tensor == "dispatch.kept" ||
           tensor_of(answer_->tensors, tensor) != nullptr;
  }
  Array array(const std::string& tensor, const std::string& name, const Json& json) const {
    return is_needed(tensor) ? array_from_json(name, json, path_) : shape_from_json(name, json, path_);
  }

  /// Whom a layer chose and what it kept: experts that differ, and 0 or 1.
  StatedDecisions decisions(const Array& ids, const Array& kept) const {
    const Index T = c_.config.shape.num_tokens, K = c_.config.shape.top_k, E = c_.config.shape.num_experts;
    for (const auto& [name, a] : {std::pair("router.topk_ids", &ids), {"dispatch.kept", &kept}})
      must(!is_real(a->format) && a->dims == Dims{T, K} && !a->bytes.empty() == (T > 0), name,
           "must be integers of shape ", shape_text({T, K}), ", as the config has it");
    StatedDecisions made{IdMatrix(T, K), Matrix<std::uint8_t>(T, K)};
    for (Index i = 0; i < T * K; ++i) {
      const std::int64_t e = ids.integer(i), k = kept.integer(i);
      must(e >= 0 && e < E, "router.topk_ids", "holds ", std::to_string(e), ", and must hold experts in [0, ",
           std::to_string(E), ')');
      must(k == 0 || k == 1, "dispatch.kept", "holds ", std::to_string(k), ", and must hold 0 or 1");
      made.expert.data()[i] = static_cast<std::int32_t>(e);
      made.kept.data()[i] = static_cast<std::uint8_t>(k);
      for (Index other = i / K * K; other < i; ++other)
        must(made.expert.data()[other] != e, "router.topk_ids", "holds expert ", std::to_string(e),
             " twice for token ", std::to_string(i / K));
    }
    return made;
  }
  void read_decisions() {
    const Array *ids = tensor_of(c_.expected, "router.topk_ids"),
                *kept = tensor_of(c_.expected, "dispatch.kept");
    if (ids != nullptr && kept != nullptr) decisions(*ids, *kept);
    if (!document_.contains("alternatives")) return;
    must(document_["alternatives"].is_array(), "alternatives", "must be an array");
    for (const Json& other : document_["alternatives"]) {
      const Array whom = array_from_json("router.topk_ids", object(other, "router.topk_ids"), path_);
      c_.alternatives.push_back(
          decisions(whom, array_from_json("dispatch.kept", object(other, "dispatch.kept"), path_)));
    }
  }

  void check_shapes() const {
    const std::vector<TensorOf> tensors = tensors_of(c_.config, expected_decisions(c_).plan);
    for (const auto& [name, a] : c_.expected) {
      const auto found = std::ranges::find(tensors, name, &TensorOf::name);
      must(found != tensors.end(), name, "is not a stage of this config");
      must(is_real(a.format) == found->real, name, "must hold ", found->real ? "reals" : "integers");
      must(a.dims == found->dims, name, "must have the shape ", shape_text(found->dims), ", not ",
           shape_text(a.dims));
    }
  }

  void read_budgets() {
    for (const auto& [profile, tensors] : object(document_, "budgets").items())
      for (const auto& [name, budget] : object(document_["budgets"], profile).items()) {
        const std::string field = "budgets." + profile + '.' + name;
        must(budget.is_object() && budget.contains("hard") && budget.contains("sigma"), field,
             "must have hard and sigma");
        c_.budgets[profile][name] = {budget_array(name, "hard", budget, field),
                                     budget_array(name, "sigma", budget, field)};
      }
  }
  Array budget_array(const std::string& stage, const std::string& key, const Json& budget,
                     const std::string& field) const {
    Array a = array(stage, stage + '.' + key, budget[key]);
    must(is_real(a.format) && a.dims == dims_of(stage), field, "must have the shape of its stage, ",
         shape_text(dims_of(stage)));
    return a;
  }
  void read_exact() {
    for (const auto& [name, need] : object(document_, "exact").items()) {
      dims_of(name);
      const Json bits = need.is_object() ? need.value("bits", Json(64)) : Json();
      must(bits.is_number_unsigned() && bits <= 64, "exact." + name, "must have bits in [0, 64]");
      c_.exact[name] = bits;
    }
  }

  const std::string& path_;
  std::string where_;
  const Json& document_;
  const Answer* answer_;
  CheckCase& c_;
};

}  // namespace

std::vector<CheckCase> read_check_cases(const std::string& path, const Answer* answer) {
  const Json json = parse_json(read_text(path), path);
  GoldenFile file = golden_from_json(json, path);
  std::vector<CheckCase> cases;
  std::size_t next = 0;
  for (const Json& group : json["groups"])
    for (const Json& document : group["cases"]) {
      CheckCase c;
      c.golden = std::move(file.cases.at(next++));
      if (!c.golden.invalid) CaseReader(path, document, answer, c).read();
      cases.push_back(std::move(c));
    }
  return cases;
}

}  // namespace moe
