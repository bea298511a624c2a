#pragma once

#include "moe/certify.h"
#include "moe/scalar/ball.h"

/// The proof that gradients are derivatives, by two routes that share no derivative rule with the backward functions.
namespace moe {

/// Dual<Ball> on the forward functions only: the derivative of loss.total in `direction`, over the inputs and over every
/// stage that the layer stores on the way.
Ball derivative_by_dual(const Config& config, const Inputs& inputs, const Decisions& decisions,
                        Direction direction);

/// The same from gradients: their inner product with the direction. A visitor of the lists of trace.h.
class DerivativeByGradient {
 public:
  DerivativeByGradient(const Config& config, Direction direction);
  void operator()(const std::string& name, const Dims& dims, Index first, const Ball* gradient, Index count);
  const Ball& total() const { return total_; }

 private:
  std::map<std::string, Tensor> of_gradient_;  // "grad.x" -> x, for what the direction reaches
  Direction direction_;
  Ball total_;
};

/// On which side of their bends all numbers of experts are.
std::vector<char> sides(const Config& config, const Trace<Ball>& trace);

/// Parameters drawn for central differences, and their gradients caught as they pass. A visitor, too.
class Sample {
 public:
  Sample(const Config& config, std::uint32_t case_number, Index count);
  void operator()(const std::string& name, const Dims& dims, Index first, const Ball* gradient, Index count);
  /// How many gradients (L(p + h) - L(p - h)) / 2h confirms: all but those next to a ReLU's kink. First h = 2^-80 at 320
  /// bits, then, where the loss bends too fast for that, h = 2^-400 at 1280. Throws CertificateBroken.
  Index confirm(const Config& config, const Inputs& inputs, const Decisions& decisions) const;
  Index size() const { return static_cast<Index>(parameters_.size()); }

 private:
  struct Parameter {
    Tensor id;
    Index index;
    Ball gradient;
  };
  std::vector<Parameter> parameters_;
};

}  // namespace moe
