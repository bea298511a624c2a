#pragma once

#include "moe/check.h"

namespace moe {

/// How much a correct implementation may exceed SOFT, which takes errors for independent; see docs/CALIBRATION.md.
struct SoftTests {
  double allowance = 1.15;  // of the root mean square, and of the largest
  bool by_row = false;      // errors within a row may all be one: a row counts as one number
  double slope = 12;        // standard deviations that a common factor may reach; twice as many in a row
  bool rows = true;         // are rows tested, too?
};
SoftTests soft_tests_of(const std::string& name, bool isolated, const Profile& profile);

/// What a tensor is compared with.
struct Comparison {
  const Array* got = nullptr;
  const std::vector<double>* expected = nullptr;
  const std::vector<double>* hard = nullptr;
  const std::vector<double>* sigma = nullptr;
  Index tests = 0;  // tensors that are tested together
  SoftTests soft;
  double range = 0;         // the largest number of the format that the tensor is kept in
  bool overflowed = false;  // may a number on the way to it have left its range?
};

/// Compares number by number and tests the statistics: (J1) to (J5).
void judge(const Comparison& c, TensorVerdict& verdict);

}  // namespace moe
