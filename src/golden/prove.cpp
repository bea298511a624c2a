#include <exception>

#include "moe/config_json.h"
#include "moe/golden.h"
#include "moe/validate.h"

namespace moe {
namespace {

constexpr std::size_t kMostAlternatives = 16;

/// The subsets of `among` with `n` elements, in lexicographic order, until visit returns false.
bool each_subset(const std::vector<Index>& among, std::size_t n, std::size_t from, std::vector<Index>& chosen,
                 const std::function<bool(const std::vector<Index>&)>& visit) {
  if (chosen.size() == n) return visit(chosen);
  for (std::size_t i = from; i < among.size(); ++i) {
    chosen.push_back(among[i]);
    if (!each_subset(among, n, i + 1, chosen, visit)) return false;
    chosen.pop_back();
  }
  return true;
}

/// All choices that a rule for ties other than ours could make, ours excluded: the experts of a tie at the boundary stand
/// last in their token's slots, so another choice replaces those slots. Empty where there are too many to list.
std::vector<IdMatrix> admissible_choices(const Certified& proof) {
  const IdMatrix& ours = proof.decisions.expert;
  const Index K = ours.cols();
  std::vector<IdMatrix> choices{ours};
  for (const Tie& tie : proof.ties) {
    if (!tie.at_boundary) continue;
    const auto tied = [&](Index e) {
      return std::find(tie.experts.begin(), tie.experts.end(), e) != tie.experts.end();
    };
    Index slots = 0;
    while (slots < K && tied(ours(tie.token, K - 1 - slots))) ++slots;
    std::vector<IdMatrix> more;
    std::vector<Index> chosen;
    const bool all = each_subset(
        tie.experts, static_cast<std::size_t>(slots), 0, chosen, [&](const std::vector<Index>& experts) {
          for (IdMatrix choice : choices) {
            for (Index i = 0; i < slots; ++i)
              choice(tie.token, K - slots + i) = static_cast<std::int32_t>(at(experts, i));
            more.push_back(std::move(choice));
          }
          return more.size() <= kMostAlternatives;
        });
    if (!all) return {};
    choices = std::move(more);
  }
  std::erase(choices, ours);
  return choices;
}

ProvenCase prove_invalid(const GoldenCase& golden_case) {
  try {
    const Config config = config_from_json(golden_case.config);
    if (!golden_case.inputs.empty()) validate(config, golden_case.inputs);
  } catch (const Error& e) {
    return {{}, {}, e.field, e.what()};
  }
  throw CertificateBroken("must be refused, and is not");
}

}  // namespace

ProvenCase prove(const GoldenCase& golden_case, const Progress& progress) try {
  if (golden_case.invalid) return prove_invalid(golden_case);
  const Config config = config_from_json(golden_case.config);
  validate(config, golden_case.inputs);
  ProvenCase proof{
      certify(config, golden_case.inputs, {true, true, fnv1a(golden_case.id), progress}), {}, {}, {}};
  for (const IdMatrix& choice : admissible_choices(*proof.certified))
    proof.alternatives.emplace_back(choice, certified_output(config, golden_case.inputs, choice));
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
