#pragma once

#include "moe/check.h"

namespace moe {

/// How far an answer is from what some variant computes, tensor by tensor.
struct Residual {
  double rms = 0;                        // the rms over tensors of the rms of (got - variant) / sigma in each
  double squares = 0;                    // the sum of all squares
  bool all = true;                       // is every tensor within what rounding does?
  bool result = true;                    // is y?
  std::vector<std::string> beyond = {};  // the tensors that are not
};

/// Measures by the SOFT budgets of the case as it is specified.
///   (J6)  z_i = (got_i - variant_i) / sigma_i,   sigma_i^2 = (r s_i)^2 + (u variant_i)^2 / 3
///         s the budget, u the unit of the format returned, r >= 1 how much larger the variant's rms is than the case's,
///         and where s_i = 0 its rms share of the case's numbers times the variant;
///         r = 1 and s the variant's own budget, where that is known
///   (J7)  within rounding: sum z^2 <= n (a (1 + 4 / sqrt(n)))^2,   a = 1.5, and 2 for losses and gradients
class Yardstick {
 public:
  Yardstick(const CheckCase& c, const Answer& answer, const CheckOptions& options);

  /// By the budgets of the case, or by the variant's own where they are known.
  Residual to(const Arrays& variant, const Budgets* own = nullptr) const;
  /// A number for what a variant computes of the tensors that were returned: equal where those are, but for rounding.
  std::size_t digest(const Arrays& variant) const;
  /// The profile that the answer is judged by, and whether it has gradients.
  const Profile& profile() const { return profile_; }
  bool backward() const { return backward_; }
  /// What the candidate decided where that is admissible, else what is expected.
  const Decisions& decisions() const { return decisions_; }
  /// What is expected of it.
  const Decisions& expected() const { return expected_; }

 private:
  struct Measured {
    const Array* got;
    std::vector<double> sigma;
    double size;     // rms of the case's own numbers
    double typical;  // rms of sigma over that
  };
  struct Sums {
    double squares = 0;
    Index n = 0;
  };
  static Sums sums(const Array& got, const Array& variant, const std::vector<double>& sigma, double larger,
                   double typical);
  double wrong_choices(const Array& variant) const;

  Profile profile_;
  bool backward_ = false;
  Decisions expected_, decisions_;
  Arrays tensors_;
  std::map<std::string, Measured> measured_;
};

}  // namespace moe
