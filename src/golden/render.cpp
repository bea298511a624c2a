#include <filesystem>

#include "moe/config_json.h"
#include "moe/golden.h"
#include "moe/tensor_json.h"

namespace moe {
namespace {

constexpr const char* kFormatVersion = "1.0.0";
constexpr const char* kSuiteVersion = "2026.11";

Json conventions() {
  return {{"layout", "row-major; a linear map is y = W x with W of shape (out, in)"},
          {"rounding",
           "every real number is the exact real result rounded once to the nearest binary64, ties to even"},
          {"zero", "a real zero and a negative number that underflows are both 0.0"},
          {"nonfinite", "strings NaN, Infinity, -Infinity"},
          {"ties", "larger score first, then the lower expert id"},
          {"rows",
           "expert.* and combine.* have one row per kept assignment: by expert, then token, then slot "
           "(dispatch.order)"},
          {"margin",
           "of each token, what ranks the K-th choice less what ranks the best of the others (logits, or "
           "scores plus "
           "selection bias), rounded down to three digits; Infinity if there are no others"},
          {"gradients",
           "of loss.total = loss.task + sum of coefficient times loss, with all decisions held fixed"}};
}

/// Reals of one case that an enclosure stands for, by tensor.
Json tensors_json(const Certified& proof, TensorWriter& write, Json& json) {
  for (const auto& [name, a] : proof.arrays) {
    Json tensor = write(name, a);
    Json enclosures = Json::array();
    for (const RefusedNumber& r : proof.refused)
      if (r.tensor == name) enclosures.push_back({{"index", r.index}, {"low", r.low}, {"high", r.high}});
    if (is_real(a.format)) tensor["cert"] = enclosures.empty() ? "rne64" : "enclosure";
    if (!enclosures.empty()) tensor["enclosures"] = std::move(enclosures);
    json[name] = std::move(tensor);
  }
  return json;
}

Json routing_json(const Certified& proof) {
  const auto margins = [](const std::vector<double>& margin) {
    Json json = Json::array();
    for (const double m : margin) json.push_back(std::isfinite(m) ? Json(m) : Json("Infinity"));
    return json;
  };
  const auto ties = [](const std::vector<Tie>& list, const char* members) {
    Json json = Json::array();
    for (const Tie& tie : list)
      json.push_back({{"token", tie.token},
                      {members, tie.members},
                      {"atBoundary", tie.at_boundary},
                      {"rule", "lowest-index"}});
    return json;
  };
  Json json{{"margin", margins(proof.margin)}, {"ties", ties(proof.ties, "experts")}};
  if (!proof.policy_margin.empty()) json["policyMargin"] = margins(proof.policy_margin);
  if (proof.group_margin.empty()) return json;
  json["groupMargin"] = margins(proof.group_margin);
  json["groupTies"] = ties(proof.group_ties, "groups");
  return json;
}

Json certificate_json(const Certified& proof, const GoldenCase& golden_case) {
  const Index refused = static_cast<Index>(proof.refused.size());
  Json json{{"numbers", proof.numbers}, {"proven", proof.numbers - refused}, {"refused", refused}};
  if (!proof.gradient) return json;
  json["gradient"] = {{"direction",
                       {{"rng", "philox4x32-10"},
                        {"seed", "0x00000007000007e8"},
                        {"tensor", "fnv1a32 of its name"},
                        {"case", fnv1a(golden_case.id)},
                        {"bits", 32}}},
                      {"derivative", proof.gradient->derivative},
                      {"validity", proof.gradient->differentiable ? "differentiable" : "branch"},
                      {"centralDifferences", proof.gradient->differences}};
  return json;
}

Json invariants_json(const std::vector<Invariant>& invariants) {
  Json json = Json::object();
  for (const Invariant& invariant : invariants)
    for (const double value : invariant.values)
      json[invariant.rule].push_back(std::isfinite(value) ? Json(value)
                                                          : Json(value > 0 ? "Infinity" : "-Infinity"));
  return json;
}

/// Three digits: the numbers are those of binary64 and of this machine's functions, and more of them would promise more.
Json detection_json(const Detection& all) {
  Json json{{"profile", "fp32_any_order"},
            {"mistakes", all.mistakes},
            {"caught", all.caught},
            {"caughtByY", all.by_y},
            {"caughtByYAndGradients", all.by_gradients}};
  if (all.mistakes == 0) return json;
  char digits[40];
  std::snprintf(digits, sizeof digits, "%.2e", all.least_ratio);
  const bool finite = std::isfinite(all.least_ratio);
  json["least"] = {{"ratio", finite ? Json(std::strtod(digits, nullptr)) : Json("Infinity")},
                   {"mistake", all.hardest}};
  return json;
}

Json alternative_json(const Alternative& other, TensorWriter& write) {
  const IdMatrix& ids = other.decisions.expert;
  const Dims dims{ids.rows(), ids.cols()};
  Json json{{"router.topk_ids", write("router.topk_ids", array_of(dims, ids.data()))},
            {"dispatch.kept", write("dispatch.kept", array_of(dims, other.decisions.plan.kept.data()))}};
  for (const auto& [name, a] : other.results) json[name] = write(name, a);
  return json;
}

Json case_json(const GoldenCase& golden_case, const ProvenCase& proof, TensorWriter& write) {
  write.begin(golden_case.id + '/');
  Json json{{"id", golden_case.id}, {"comment", golden_case.comment}};
  if (!golden_case.catches.empty()) json["catches"] = golden_case.catches;
  json["flags"] = golden_case.flags;
  const bool open = proof.certified && (!proof.alternatives.empty() || !proof.certified->others.complete);
  if (golden_case.results_only) json["extent"] = "results";
  if (golden_case.demands != GoldenCase{}.demands) json["demands"] = golden_case.demands;
  json["result"] = golden_case.invalid ? "invalid" : open ? "acceptable" : "valid";
  Json& inputs = json["inputs"] = Json::object();
  for (const auto& [id, a] : golden_case.inputs) inputs[name_of(id)] = write(name_of(id), a);
  if (golden_case.invalid) {
    json["error"] = {{"field", proof.error_field}, {"message", proof.error}};
    return json;
  }
  const Certified& certified = *proof.certified;
  if (!certified.margin.empty()) json["routing"] = routing_json(certified);
  tensors_json(certified, write, json["stages"] = Json::object());
  for (std::size_t i = 0; i < proof.alternatives.size(); ++i) {
    write.begin(golden_case.id + "/alternatives/" + std::to_string(i) + '/');
    json["alternatives"].push_back(alternative_json(proof.alternatives[i], write));
  }
  if (!certified.others.complete) json["moreAlternatives"] = true;
  for (const auto& [name, values, need] : proof.exact)
    json["exact"][name] = {{"bits", need.bits}, {"low", need.low}, {"high", need.high}};
  for (const auto& [profile, budgets] : proof.budgets)
    for (const auto& [name, budget] : budgets) {
      write.begin(golden_case.id + "/budgets/" + profile + '/');
      Json& of = json["budgets"][profile][name];
      of["hard"] = write(name + ".hard", array_of(budget.dims, budget.hard.data()));
      of["sigma"] = write(name + ".sigma", array_of(budget.dims, budget.sigma.data()));
    }
  if (proof.detection) json["detection"] = detection_json(*proof.detection);
  if (certified.gradient) json["invariants"] = invariants_json(certified.gradient->invariants);
  json["cert"] = certificate_json(certified, golden_case);
  return json;
}

}  // namespace

std::string sidecar_path(const std::string& path) {
  return std::filesystem::path(path).replace_extension(".safetensors").string();
}

void write_golden(const std::string& path, const RenderedFile& rendered) {
  if (!rendered.sidecar.empty()) write_safetensors(sidecar_path(path), rendered.sidecar);
  OutputFile file(path);
  file.write(rendered.text);
  file.commit();
}

RenderedFile render(const GoldenFile& file, const std::vector<ProvenCase>& proofs) {
  TensorWriter write(std::filesystem::path(sidecar_path(file.path)).filename().string());
  RenderedFile rendered;
  Json notes = Json::object(), groups = Json::array();
  std::set<std::string> used;
  for (std::size_t i = 0; i < file.cases.size(); ++i) {
    const GoldenCase& c = file.cases[i];
    used.insert(c.flags.begin(), c.flags.end());
    if (groups.empty() || groups.back()["config"] != c.config || groups.back()["source"] != c.source)
      groups.push_back(
          {{"kind", "layer"}, {"source", c.source}, {"config", c.config}, {"cases", Json::array()}});
    groups.back()["cases"].push_back(case_json(c, proofs[i], write));
    if (!proofs[i].certified) continue;
    rendered.numbers += proofs[i].certified->numbers;
    rendered.proven += proofs[i].certified->numbers - static_cast<Index>(proofs[i].certified->refused.size());
    rendered.bits = std::max(rendered.bits, proofs[i].certified->bits);
  }
  for (const auto& [flag, note] : golden_notes().items())
    if (used.count(flag) > 0) notes[flag] = note;
  rendered.text = print_json({{"$schema", "urn:moe-oracle:golden:1"},
                              {"format", "moe-golden"},
                              {"formatVersion", kFormatVersion},
                              {"suiteVersion", kSuiteVersion},
                              {"licence", "CC0-1.0"},
                              {"generator", "moe-oracle golden write"},
                              {"numberOfCases", file.cases.size()},
                              {"conventions", conventions()},
                              {"notes", std::move(notes)},
                              {"groups", std::move(groups)}});
  rendered.sidecar = write.large();
  return rendered;
}

}  // namespace moe
