#pragma once

#include "moe/check.h"
#include "moe/json.h"

/// What `check` found: as a certificate, as a page, as lines on a terminal.
namespace moe {

struct CheckReport {
  std::string command, candidate;
  std::vector<CaseVerdict> cases;
  std::vector<FoundArithmetic> found{};
  std::string
      rerun{};  // the command that checks one case alone, with {id} for its id if there are several; empty: not known
};

/// The certificate: all that the verdicts hold, but of the routing only tokens that choose otherwise. Numbers that are not
/// finite are the strings "NaN", "Infinity" and "-Infinity".
Json report_json(const CheckReport& report);

/// One page that needs nothing beside it. What a candidate wrote appears as text, never as markup.
std::string report_html(const CheckReport& report);

/// The report in lines of 80 columns, as far as names allow; no control characters but the ends of the lines.
std::string report_text(const CheckReport& report);

inline constexpr std::size_t kStatuses = 6;
/// How many cases have each status, and the same in words: "275 cases: 270 PASS, 3 FLAG, 2 FAIL".
std::array<Index, kStatuses> counts_of(const CheckReport& report);
std::string totals_text(const CheckReport& report);
/// One case that fails, or else is flagged, decides. Without either, it passes if a case does.
Status status_of(const CheckReport& report);

/// In which arithmetic the answers hold, what is known of stricter ones, and which named mistakes would pass; empty where
/// there is nothing to say.
std::string arithmetic_text(const FoundArithmetic& found);

/// The cases that the candidate refused: "declined: capacity/one, capacity/zero and 3 more"; empty where there is none.
std::string declined_text(const CheckReport& report);

/// The command that checks the worst case alone, if one fails or is flagged and `rerun` is known; else empty.
std::string rerun_of(const CheckReport& report);

/// An argument as a shell takes it.
std::string shell_quoted(const std::string& argument);

/// The cases from the worst to the best, and in their order where they are alike.
std::vector<const CaseVerdict*> worst_first(const CheckReport& report);

/// The largest |got - expected| / HARD; infinite where a number is not finite. Nothing where no number has a budget.
std::optional<double> worst_ratio(const TensorVerdict& verdict);
std::optional<double> worst_ratio(const CaseVerdict& verdict);

/// What was not returned, as in "grad.* (37 tensors) in 275 cases", and the names that mean nothing, as in "out in 3 cases".
std::vector<std::string> missing_lines(const CheckReport& report);
std::vector<std::string> unknown_lines(const CheckReport& report);

/// Where a number lies, as people count, and whose it is; -1 where that is not known.
struct Place {
  std::string index;
  Index token = -1, expert = -1;
};

/// Finds tokens and experts from the axes of tensors and from the routing of the case. The rows of experts are known only
/// where the routing is, and no assignment was dropped.
class Places {
 public:
  explicit Places(const CaseVerdict& verdict);
  /// The place of number i.
  Place of(const TensorVerdict& tensor, Index i) const;
  /// The places of the rows of row_ratio, as far as all numbers of a row share them.
  std::vector<Place> of_rows(const TensorVerdict& tensor) const;

 private:
  Place locate(const TensorVerdict& tensor, const std::vector<std::string>& axes, std::size_t last,
               Index i) const;

  std::vector<std::pair<Index, Index>> rows_;  // expert and token of each row
  std::vector<std::vector<Index>> slots_;      // the experts of each token, by slot; empty where not known
};

}  // namespace moe
