#pragma once

#include "moe/check.h"
#include "moe/detection.h"

/// Which mistakes a tolerance lets through, next to what derived budgets let through.
namespace moe {

/// What users accept.
///   (J8)  |got - right| <= atol + rtol |right| for at least the share `match` of the numbers of each tensor;
///         with nmse, instead, sum (got - right)^2 <= nmse sum right^2
struct Tolerance {
  std::string name, source;
  double rtol = 0, atol = 0, match = 1;
  double nmse = 0;  // where positive, in place of the three
};
/// Six that are published.
const std::vector<Tolerance>& public_tolerances();
/// Is `got` accepted as `right`? What is not a number never is.
bool accepts(const Tolerance& tolerance, const Array& got, const Array& right);

/// One mistake on one case.
struct AuditedBug {
  std::string name;
  std::vector<bool> accepted;   // by each tolerance: everything that is compared
  bool compared = true;         // does it change anything that is compared?
  Status f32, bf16;             // what check says of its numbers, rounded to these formats
  std::optional<double> ratio;  // of Detector; nothing where fp32 does not show it
};
struct Audit {
  std::vector<AuditedBug> bugs;
  Detection detection;  // of those that fp32 shows
};

/// Audits tolerances on the tensors `compared`, "all" of them or as a user does y alone, for every named bug that changes
/// something on this case. Throws Error for a case that must be refused, and for a name that it does not have.
Audit audit(
    const CheckCase& c, const std::vector<Tolerance>& tolerances,
    const std::vector<std::string>& compared = {"y"}, const Progress& progress = [](double) {});

}  // namespace moe
