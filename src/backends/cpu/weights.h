#pragma once

#include "linear.h"
#include "moe/inputs.h"

/// From the inputs of a layer, as they lie in files or follow from recipes, to what the CPU backend multiplies by.
namespace moe::cpu {

/// One expert: gate and up as one map, each of whose blocks has rows of gate and then the same rows of up, and down.
struct Expert {
  Index F = 0, F1 = 0;                          // F1 = 2 F where there is a gate, else F
  Linear in, out;                               // D -> F1, F -> D
  Linear in_back, out_back;                     // F1 -> D, D -> F: their transposes, if asked for
  Matrix<float> gate_bias, up_bias, down_bias;  // single rows, where there are any
};

/// Expert e of the layer; for e = E the shared one. Its numbers are ones of the storage, and kept as `kept`.
Expert load_expert(const Config& config, const Inputs& inputs, Index e, Storage storage, Storage kept);
void load_transposes(const Config& config, const Inputs& inputs, Index e, Storage storage, Storage kept,
                     Expert& expert);

/// The map x (D) -> x W^T of a small matrix W (rows, D), and the one back. Its numbers are ones of the storage, and
/// multiplied in f32.
Linear load_map(const Inputs& inputs, Tensor id, Index rows, Index D, Storage storage);
Linear load_map_back(const Inputs& inputs, Tensor id, Index rows, Index D, Storage storage);

/// A tensor as a matrix (rows, cols); one without rows where it is not among the inputs.
/// This and the others throw CannotRun for a number that the storage does not hold.
void load_matrix(const Inputs& inputs, Tensor id, Index rows, Index cols, Storage storage, Floats& to);

}  // namespace moe::cpu
