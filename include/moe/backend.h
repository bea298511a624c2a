#pragma once

#include <memory>
#include <span>

#include "moe/evaluate.h"

/// Implementations of the layer that are fast: they differ from it in speed and rounding, never in meaning, and `check`
/// judges them as it judges a stranger's.
namespace moe {

/// One layer, with its weights where the backend computes.
class LoadedLayer {
 public:
  virtual ~LoadedLayer() = default;

  /// Computes the layer for a batch: `x` (T, D) for any T, and the noise that the layer has; with `dy` also the losses.
  /// What it computes stays where it is until `trace` is called. Throws Error where the config has no meaning for this T.
  virtual void forward(const Inputs& batch) = 0;
  /// Computes the gradients of losses.total for the last batch, which had a `dy`.
  virtual void backward() = 0;

  /// What the last `forward` and `backward` left; nothing is rounded on the way. take(e, grads) gets those of expert e.
  virtual Trace<double> trace() const = 0;
  using Take = std::function<void(Index e, const ExpertWeightGrads<double>& grads)>;
  virtual Grads<double> grads(const Take& take) const = 0;
  /// Rows [first, first + n) of y or grad.x alone.
  virtual Matrix<double> rows(Tensor id, Index first, Index n) const = 0;
};

/// What a device took for a part of a layer, by its own clock, and the least that it could have: by its own rate of large
/// products of the same format, and of copying.
struct PartTime {
  std::string part;
  double seconds, arithmetic, memory;
};

/// A row of the table of backends.
struct Backend {
  const char* name = nullptr;
  /// Why this backend cannot compute a layer, stored as `dtype`: a sentence, or nothing if it can.
  std::string (*declines)(const Config& config, Format dtype) = nullptr;
  /// `inputs` has the weights, must outlive the layer and is what `params_of` takes. Throws CannotRun where a number does
  /// not fit `dtype`.
  std::unique_ptr<LoadedLayer> (*load)(const Config& config, const Inputs& inputs, Format dtype) = nullptr;
  Format dtype = Format::F32;  // the one to use where none is asked for
  /// What it computes with on this machine, if there is more to say than its name.
  std::string (*how)() = nullptr;
  /// Times parts of the last batch of a layer of this backend; where it computes on a device of its own.
  std::vector<PartTime> (*times)(LoadedLayer& layer, bool backward, int repeats) = nullptr;
};

/// The backends of this build, the reference first.
std::span<const Backend> backends();

/// The backend called `name`. Throws Error for a name that none has, CannotRun for one that this build has not.
const Backend& backend_called(const std::string& name);

/// The layer as `backend` loads it. Throws CannotRun where it declines.
std::unique_ptr<LoadedLayer> load_on(const Backend& backend, const Config& config, const Inputs& inputs,
                                     Format dtype);

/// Every tensor of a layer as `backend` computes it, each in the format in which it is kept. Throws CannotRun where the
/// backend declines.
Arrays evaluate_on(const Backend& backend, const Config& config, const Inputs& inputs, Format dtype,
                   bool backward);

}  // namespace moe
