#include "moe/check.h"
#include "moe/config_json.h"
#include "moe/file.h"
#include "moe/tensor_json.h"
#include "routing.h"

namespace moe {
namespace {

/// What one case of a golden file expects.
class CaseReader {
 public:
  CaseReader(const std::string& path, const Json& document, const Answer* answer)
      : path_(path), document_(document), answer_(answer) {}

  void read(CheckCase& c) const {
    c.config = config_from_json(c.golden.config);
    const std::string where = path_ + ": " + c.golden.id;
    if (!document_.contains("stages") || !document_["stages"].is_object())
      throw Error("stages", where + ": must have stages");
    for (const auto& [name, tensor] : document_["stages"].items())
      c.expected.emplace_back(name, array(name, name, tensor));
    if (document_.contains("budgets"))
      for (const auto& [profile, tensors] : document_["budgets"].items())
        for (const auto& [name, budget] : tensors.items()) {
          if (!budget.is_object() || !budget.contains("hard") || !budget.contains("sigma"))
            throw Error("budgets", where + ": budgets." + profile + '.' + name + " must have hard and sigma");
          c.budgets[profile][name] = {array(name, name + ".hard", budget["hard"]),
                                      array(name, name + ".sigma", budget["sigma"])};
        }
    if (document_.contains("exact"))
      for (const auto& [name, need] : document_["exact"].items()) c.exact[name] = need.value("bits", 64);
    if (document_.contains("alternatives"))
      for (const Json& other : document_["alternatives"])
        c.alternatives.push_back(decisions(other, c.config));
    if (document_.contains("demands")) c.demands = document_["demands"].get<std::vector<std::string>>();
  }

 private:
  /// Decisions are needed whatever was returned.
  bool is_needed(const std::string& tensor) const {
    return answer_ == nullptr || tensor == "router.topk_ids" || tensor == "dispatch.kept" ||
           tensor_of(answer_->tensors, tensor) != nullptr;
  }
  Array array(const std::string& tensor, const std::string& name, const Json& json) const {
    return is_needed(tensor) ? array_from_json(name, json, path_) : shape_from_json(name, json, path_);
  }

  StatedDecisions decisions(const Json& json, const Config& config) const {
    const Index T = config.shape.num_tokens, K = config.shape.top_k;
    StatedDecisions made{IdMatrix(T, K), Matrix<std::uint8_t>(T, K)};
    const auto integers = [&](const char* name) {
      if (!json.is_object() || !json.contains(name))
        throw Error(name, path_ + ": an alternative must have " + name);
      Array a = array_from_json(name, json[name], path_);
      if (is_real(a.format) || a.dims != Dims{T, K})
        throw Error(
            name, path_ + ": " + name + " of an alternative must be integers of shape " + shape_text({T, K}));
      return a;
    };
    const Array ids = integers("router.topk_ids"), kept = integers("dispatch.kept");
    for (Index i = 0; i < T * K; ++i) {
      made.expert.data()[i] = static_cast<std::int32_t>(ids.integer(i));
      made.kept.data()[i] = static_cast<std::uint8_t>(kept.integer(i));
    }
    return made;
  }

  const std::string& path_;
  const Json& document_;
  const Answer* answer_;
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
      if (!c.golden.invalid) CaseReader(path, document, answer).read(c);
      cases.push_back(std::move(c));
    }
  return cases;
}

}  // namespace moe
