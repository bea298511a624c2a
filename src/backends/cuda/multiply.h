#pragma once

#include "device.h"
#include "number.h"

namespace moe::cuda {

/// The products of row-major matrices that a linear map needs: forward, back to its input, and to its weights.
enum class Product {
  ABt,  // C (m, n) = A (m, k) B (n, k)^T
  AB,   // C (m, n) = A (m, k) B (k, n)
  AtB   // C (m, n) = A (k, m)^T B (k, n)
};

/// C = the product or, if `add`, C plus it, by cuBLAS: sums in f64 for f64, else in f32 without a reduced-precision step, and
/// one rounding to the format of C.
void multiply(Lane& lane, Product product, Index m, Index n, Index k, const void* A, const void* B,
              cudaDataType in, void* C, cudaDataType out, bool add);

template <typename S>
inline constexpr cudaDataType kCudaType = CUDA_R_32F;
template <>
inline constexpr cudaDataType kCudaType<double> = CUDA_R_64F;
template <>
inline constexpr cudaDataType kCudaType<Bf16> = CUDA_R_16BF;
template <>
inline constexpr cudaDataType kCudaType<Half> = CUDA_R_16F;

template <typename S, typename Out>
void multiply(Lane& lane, Product product, Index m, Index n, Index k, const S* A, const S* B, Out* C,
              bool add = false) {
  multiply(lane, product, m, n, k, A, B, kCudaType<S>, C, kCudaType<Out>, add);
}

}  // namespace moe::cuda
