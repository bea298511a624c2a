#pragma once

#include "device.h"
#include "moe/error.h"
#include "moe/inputs.h"
#include "number.h"

/// From the inputs of a layer, as they lie in files or follow from recipes, to the numbers that the device multiplies.
namespace moe::cuda {

template <typename S>
inline constexpr Format kStoredAs = Format::F32;
template <>
inline constexpr Format kStoredAs<double> = Format::F64;
template <>
inline constexpr Format kStoredAs<Bf16> = Format::BF16;
template <>
inline constexpr Format kStoredAs<Half> = Format::F16;

/// Elements [first, first + n) of an input, to `to`. Throws CannotRun for one that is no number of S.
template <typename S>
void read(const Inputs& inputs, Tensor id, Index first, Index n, S* to);

/// One expert on the device: the rows of gate, where there is one, and then those of up, as one map; and down.
template <typename S>
struct Expert {
  Index F = 0, F1 = 0;         // F1 = 2 F where there is a gate, else F; 0 before it is loaded
  Memory<S> in, out, in_bias;  // (F1, D), (D, F), (F1)
  Memory<SumOf<S>> out_bias;   // (D)
};

/// Expert e of the layer; for e = E the shared one.
template <typename S>
Expert<S> load_expert(const Config& config, const Inputs& inputs, Index e, cudaStream_t stream);

}  // namespace moe::cuda
