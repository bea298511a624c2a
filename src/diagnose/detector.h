#pragma once

#include "moe/check.h"
#include "moe/detection.h"

namespace moe {

/// Measures mistakes on one layer in fp32, whatever it is that they change.
class Detector {
 public:
  Detector(const Config& config, const Inputs& inputs);

  /// All tensors, at binary64.
  const Arrays& right() const { return right_; }
  /// The largest |wrong - right| / HARD of fp32_any_order; infinite for what is wrong whatever the budget is: integers,
  /// shapes, a number that is not finite. Nothing if no number of a tensor moves by so much that fp32 shows it, or if only
  /// choices differ that rounding may decide.
  ///   (J9)  |wrong_i - right_i| > 2^-24 max_j |right_j|
  std::optional<double> ratio(const Arrays& wrong) const;
  /// Is `wrong` wrong by what is seen of it?
  bool catches(const Arrays& wrong, Seen seen) const;

 private:
  std::optional<double> ratio_by_check(const Arrays& wrong) const;

  CheckCase case_;
  Arrays right_;
  Budgets budgets_;
};

}  // namespace moe
