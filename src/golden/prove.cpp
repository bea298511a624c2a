#include <exception>

#include "moe/config_json.h"
#include "moe/golden.h"
#include "moe/validate.h"

namespace moe {
namespace {

ProvenCase prove_invalid(const GoldenCase& golden_case) {
  try {
    const Config config = config_from_json(golden_case.config);
    if (!golden_case.inputs.empty()) validate(config, golden_case.inputs);
  } catch (const Error& e) {
    return {{}, {}, {}, e.field, e.what()};
  }
  throw CertificateBroken("must be refused, and is not");
}

/// What exact arithmetic gives is what the balls gave.
std::vector<ExactTensor> prove_exact(const Config& config, const Inputs& inputs, const Certified& certified) {
  std::vector<ExactTensor> exact = exact_tensors(config, inputs, certified.decisions);
  bool has_y = false;
  for (const ExactTensor& e : exact)
    for (const auto& [name, a] : certified.arrays) {
      if (name == e.name && a.bytes != e.values.bytes)
        throw CertificateBroken(name + " is not what exact arithmetic gives");
      has_y = has_y || (name == e.name && name == name_of(Tensor::y));
    }
  if (!has_y) throw CertificateBroken("y is not exact");
  return exact;
}

/// Takes the tensors out that have a row for every assignment.
void keep_results(Certified& proof) {
  const auto is_row = [](const std::string& name) {
    return name.starts_with("expert.") || name.starts_with("combine.");
  };
  for (const auto& [name, a] : proof.arrays)
    if (is_row(name)) proof.numbers -= a.size();
  std::erase_if(proof.arrays, [&](const auto& named) { return is_row(named.first); });
  std::erase_if(proof.refused, [&](const RefusedNumber& r) { return is_row(r.tensor); });
}

/// The smallest decimal of three digits that is not below x.
double three_digits_up(double x) {
  if (!(x > 0) || !std::isfinite(x)) return x;
  char digits[40];
  for (double y = x;; y *= 1 + 0x1p-12) {
    std::snprintf(digits, sizeof digits, "%.2e", y);
    if (const double rounded = std::strtod(digits, nullptr); rounded >= x) return rounded;
  }
}

/// The budgets of what a case states: of the distance from its own numbers, which are the true ones.
Budgets stated_budgets(const Config& config, const GoldenCase& golden_case, const Certified& proof,
                       const Profile& profile) {
  Budgets all = budgets_of(config, golden_case.inputs, proof.decisions, profile, !golden_case.results_only);
  Budgets stated;
  for (const auto& [name, a] : proof.arrays) {
    const auto found = all.find(name);
    if (found == all.end()) continue;
    Budget& b = stated[name] = std::move(found->second);
    for (Index i = 0; i < a.size(); ++i) {
      at(b.hard, i) = three_digits_up((at(b.hard, i) + std::abs(at(b.value, i) - a.real(i))) * (1 + 0x1p-50));
      at(b.sigma, i) = three_digits_up(at(b.sigma, i));
    }
  }
  return stated;
}

}  // namespace

ProvenCase prove(const GoldenCase& golden_case, const Progress& progress) try {
  if (golden_case.invalid) return prove_invalid(golden_case);
  const Config config = config_from_json(golden_case.config);
  validate(config, golden_case.inputs);
  ProvenCase proof{
      certify(config, golden_case.inputs, {!golden_case.results_only, true, fnv1a(golden_case.id), progress}),
      {},
      {},
      {},
      {},
      {}};
  if (golden_case.results_only) keep_results(*proof.certified);
  for (const Decisions& other : proof.certified->others.list)
    proof.alternatives.push_back({other, certified_results(config, golden_case.inputs, other)});
  const auto& flags = golden_case.flags;
  if (std::find(flags.begin(), flags.end(), "Exact") != flags.end())
    proof.exact = prove_exact(config, golden_case.inputs, *proof.certified);
  for (const std::string& name : golden_case.budgets)
    proof.budgets[name] = stated_budgets(config, golden_case, *proof.certified, profile_called(name));
  if (golden_case.detection) proof.detection = detection_of(config, golden_case.inputs);
  return proof;
} catch (const Error& e) {
  throw Error(e.field, golden_case.id + ": " + e.what());
} catch (const CannotRun& e) {
  throw CannotRun(golden_case.id + ": " + e.what());
} catch (const CertificateBroken& e) {
  throw CertificateBroken(golden_case.id + ": " + e.what());
}

void render_all(const std::vector<GoldenFile>& files, const CasesDone& done,
                const std::function<void(const GoldenFile&, const RenderedFile&)>& take) {
  std::vector<std::pair<std::size_t, std::size_t>> cases;
  std::vector<std::vector<ProvenCase>> proofs;
  for (std::size_t f = 0; f < files.size(); ++f) {
    proofs.emplace_back(files[f].cases.size());
    for (std::size_t c = 0; c < files[f].cases.size(); ++c) cases.emplace_back(f, c);
  }
  const Index all = static_cast<Index>(cases.size());
  std::exception_ptr failed;
  Index finished = 0;
#pragma omp parallel for schedule(dynamic)
  for (Index i = 0; i < all; ++i) {
    const auto [f, c] = at(cases, i);
    try {
      proofs[f][c] = prove(files[f].cases[c]);
    } catch (...) {
#pragma omp critical
      if (!failed) failed = std::current_exception();
    }
#pragma omp critical
    done(++finished, all);
  }
  if (failed) std::rethrow_exception(failed);
  for (std::size_t f = 0; f < files.size(); ++f) take(files[f], render(files[f], proofs[f]));
}

}  // namespace moe
