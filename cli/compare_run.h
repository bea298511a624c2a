#pragma once

#include "study.h"

namespace moe::cli {

/// A layer of the model and its dense twin, at a shape small enough to run here: what the formula counts, what the scalar Count
/// counted, and how long backend cpu took.
struct LayerRun {
  std::string name;
  Config config;
  std::int64_t formula = 0, counted = 0;  // multiply-adds, forward
  double seconds = 0;                     // the median of three runs in f32
};

/// The layer of `model` with E and K as they are and D and F divided by a power of two, at T tokens; then its dense twin of
/// equal multiply-adds. Throws Error for a model without experts, and CannotRun where its experts are too many.
std::vector<LayerRun> run_layer_and_twin(const Model& model, Index T);

}  // namespace moe::cli
