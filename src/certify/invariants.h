#pragma once

#include "moe/certify.h"
#include "moe/scalar/ball.h"

namespace moe {

/// The sum rules (I1) to (I9) of docs/MATH.md, both sides from balls. Gradients of the experts' weights come in one expert
/// at a time.
class Invariants {
 public:
  Invariants(const Config& config, const Params<Ball>& params, const Trace<Ball>& trace)
      : config_(config), params_(params), trace_(trace) {}

  void add(Index e, const ExpertWeightGrads<Ball>& g);
  /// Those that apply to the config, each with the value of both sides; nothing where one cannot be rounded yet. Throws
  /// CertificateBroken where the two sides of a rule have no number in common.
  std::optional<std::vector<Invariant>> values(const Grads<Ball>& g) const;

  /// What the rules are made of, besides the trace: sums over the experts' weights.
  struct Sums {
    Ball gate, up, down;                 // <grad W, W> + <grad b, b>
    Ball gate_bias, up_bias, down_bias;  // sum of grad b
    Ball of_empty;                       // squares of the gradients of experts without rows
  };

 private:
  const Config& config_;
  const Params<Ball>& params_;
  const Trace<Ball>& trace_;
  Sums sums_;
};

}  // namespace moe
