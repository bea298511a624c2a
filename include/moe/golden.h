#pragma once

#include <functional>

#include "moe/budget.h"
#include "moe/certify.h"
#include "moe/detection.h"
#include "moe/exact_tier.h"
#include "moe/json.h"

/// Golden files: cases with inputs, and every expected number proven. golden/README.md describes the format.
namespace moe {

/// What a case is before anything is computed.
struct GoldenCase {
  std::string id;                  // "<family>/<name>", never reused
  std::string comment;             // one sentence: what is special here
  std::string catches;             // the mistake that this case is there to catch
  std::vector<std::string> flags;  // keys of golden_notes()
  std::string source;              // where the conventions of the config come from
  Json config;                     // valid or, where an error is expected, not
  Inputs inputs;
  bool invalid = false;                      // a candidate must refuse it
  std::vector<std::string> budgets = {};     // profiles whose budgets it states
  bool detection = false;                    // does it state what mistakes it detects?
  std::vector<std::string> demands = {"y"};  // without these, an answer is partial
  bool results_only = false;  // neither gradients nor rows of experts: for layers too large to state them
};

/// One file of cases.
struct GoldenFile {
  std::string path;  // below the corpus' folder, or as the user named it
  std::vector<GoldenCase> cases;
};

/// What the flags mean: {flag: {bugType, description, effect, links}}.
const Json& golden_notes();

/// What another rule for ties decides, and y and loss.total for it.
struct Alternative {
  Decisions decisions;
  Arrays results;
};

/// A case after its proof.
struct ProvenCase {
  std::optional<Certified> certified;           // unless the case is invalid
  std::vector<Alternative> alternatives;        // those of `certified`
  std::vector<ExactTensor> exact;               // of a case with the flag Exact
  std::string error_field = {}, error = {};     // of an invalid case
  std::map<std::string, Budgets> budgets = {};  // by profile, rounded up to three digits
  std::optional<Detection> detection = {};      // of a case that states it
};

/// Throws what certify throws, with the id of the case; and CertificateBroken where an invalid case is not refused, or one
/// with the flag Exact has a y that is not.
ProvenCase prove(
    const GoldenCase& golden_case, const Progress& progress = [](double) {});

/// The bytes of a golden file and of its sidecar, and what they prove.
struct RenderedFile {
  std::string text;
  Arrays sidecar;  // goes to sidecar_path(path)
  Index numbers = 0, proven = 0;
  int bits = 0;
};
RenderedFile render(const GoldenFile& file, const std::vector<ProvenCase>& proofs);
std::string sidecar_path(const std::string& path);

/// Writes the sidecar, if there is one, and then the file.
void write_golden(const std::string& path, const RenderedFile& rendered);

/// Proves the cases of all files, in parallel, and hands each file over in order; done(cases so far, all cases).
using CasesDone = std::function<void(Index, Index)>;
void render_all(const std::vector<GoldenFile>& files, const CasesDone& done,
                const std::function<void(const GoldenFile&, const RenderedFile&)>& take);

/// The cases of a golden file as they were before their proof, so that it can be proven again.
GoldenFile read_golden(const std::string& path);
/// The same from its document, which was read from `path`.
GoldenFile golden_from_json(const Json& json, const std::string& path);

}  // namespace moe
