#pragma once

#include "moe/evaluate.h"

/// Certified evaluation: every real number enclosed in a ball until both of its ends round to one double, every decision
/// proven, every gradient proven to be the derivative of the forward pass.
namespace moe {

/// A number whose enclosure still straddles a rounding boundary at the highest precision: it lies in [low, high].
struct RefusedNumber {
  std::string tensor;
  Index index;
  double low, high;
};

/// Experts, or groups of experts, that are equally good for a token, some of them chosen.
struct Tie {
  Index token = 0;
  std::vector<Index> members;
  bool at_boundary = false;  // some were not chosen: another rule would have chosen otherwise
  std::vector<std::vector<Index>>
      instead;  // of groups at the boundary: the K experts that other rules choose
};
/// A sum rule of docs/MATH.md, and the value of both its sides, correctly rounded: for each token, or for each matrix.
struct Invariant {
  std::string rule;
  std::vector<double> values;
};

/// What is proven about the gradients besides their rounding.
struct GradientProof {
  double derivative;    // of loss.total in the direction, correctly rounded; both enclosures of it overlap
  Index differences;    // parameters whose gradient a central difference at 320 bits confirms
  bool differentiable;  // no tie that another rule resolves to another result, no ReLU exactly at its kink
  std::vector<Invariant> invariants;  // those that apply
};

/// Decisions that another rule for ties could have made, where they lead to another result.
struct OtherDecisions {
  std::vector<Decisions> list;
  bool complete = true;  // else there are more than kMostAlternatives
};
inline constexpr std::size_t kMostAlternatives = 16;

struct Certified {
  Arrays arrays;  // reals correctly rounded to binary64, integers as decided
  std::vector<RefusedNumber> refused;
  Index numbers = 0;  // real numbers in `arrays`
  int bits = 0;       // the highest precision that was needed
  Decisions decisions;
  std::vector<double>
      margin;  // T: the last chosen less the best that was not, down to three digits; inf if all are
  std::vector<Tie> ties;
  std::vector<double> group_margin;  // T: of the choice of groups, where there are groups
  std::vector<Tie> group_ties;
  std::vector<double> policy_margin;  // T: |w_t2 - threshold u_t| of (R6), where there is a policy
  bool threshold_tie = false;         // a threshold of the load loss is a tie
  OtherDecisions others;
  std::optional<GradientProof> gradient;
};

struct CertifyOptions {
  bool backward = true;
  bool prove_gradient = true;     // where backward
  std::uint32_t case_number = 0;  // of the streams that directions and samples are drawn from
  Progress progress = [](double) {};
};

/// The direction that gradients are proven in: signed 32-bit words, element i of tensor X from the stream fnv1a(X).
struct Direction {
  std::uint32_t case_number;
  double operator()(Tensor id, Index i) const {
    const Stream stream{kDefaultSeed, fnv1a(name_of(id)), case_number};
    return static_cast<double>(static_cast<std::int32_t>(stream.word(static_cast<std::uint64_t>(i))));
  }
};

/// A gradient that is not the derivative of the forward pass. It is never the caller's fault.
struct CertificateBroken : std::logic_error {
  using std::logic_error::logic_error;
};

/// Throws CannotRun where a decision stays undecided at the highest precision (the case is refused), or where this build
/// has no ball arithmetic; CertificateBroken where a gradient is wrong.
Certified certify(const Config& config, const Inputs& inputs, const CertifyOptions& options);

/// y and loss.total for given decisions, correctly rounded: what another rule for ties would give. Throws CannotRun.
Arrays certified_results(const Config& config, const Inputs& inputs, const Decisions& decisions);

/// The library that proves, and its version; empty where this build has none.
std::string ball_library();

}  // namespace moe
