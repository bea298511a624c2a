#pragma once

#include <launch/on_device.h>

#include <algorithm>

#include "device.h"
#include "number.h"

/// The three kernels there are: a function of every number, of every number of a row, and of every row by a warp. Each
/// number is written by one thread, or by one warp in an order that does not depend on the device: the same bits every time.
namespace moe::cuda {

inline constexpr Index kMostBlocks = Index{1} << 20;  // of a launch; beyond that a block does more than one

template <typename F>
__global__ void each_kernel(Index n, F f) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) f(i);
}

template <typename F>
__global__ void each_of_rows_kernel(Index rows, Index cols, F f) {
  for (Index i = blockIdx.x; i < rows; i += gridDim.x)
    for (Index j = threadIdx.x; j < cols; j += blockDim.x) f(i, j);
}

/// f(i) for i in [0, n).
template <typename F>
void each(cudaStream_t stream, Index n, F f) {
  constexpr unsigned kThreads = 256;
  if (n <= 0) return;
  start(each_kernel<F>, static_cast<unsigned>(std::min((n + kThreads - 1) / kThreads, kMostBlocks)), kThreads,
        stream, n, f);
  checked(cudaGetLastError(), "starting a kernel");
}

/// f(i, j) for every element of a matrix, without a division by the length of its rows.
template <typename F>
void each_of_rows(cudaStream_t stream, Index rows, Index cols, F f) {
  if (rows <= 0 || cols <= 0) return;
  const Index threads = std::min<Index>(256, (cols + 31) / 32 * 32);
  start(each_of_rows_kernel<F>, static_cast<unsigned>(std::min(rows, kMostBlocks)),
        static_cast<unsigned>(threads), stream, rows, cols, f);
  checked(cudaGetLastError(), "starting a kernel");
}

/// What the 32 threads of a warp do together.
struct Warp {
  static constexpr unsigned kAll = 0xffffffffU;
  int lane;

  /// What one has written, the others see.
  __device__ void sync() const { __syncwarp(); }
  /// The sum of one number of each, for all the same bits: a butterfly.
  template <typename Num>
  __device__ Num sum(Num x) const {
    for (int step = 16; step > 0; step /= 2) x += across(x, step);
    return x;
  }
  /// What the lane has whose number differs in the bit `step`.
  template <typename Num>
  __device__ Num across(Num x, int step) const {
    return __shfl_xor_sync(kAll, x, step);
  }
  /// The sum of the numbers of the lanes before.
  template <typename Num>
  __device__ Num before(Num x) const {
    Num sum = x;
    for (int step = 1; step < 32; step *= 2) {
      const Num other = __shfl_up_sync(kAll, sum, static_cast<unsigned>(step));
      if (lane >= step) sum += other;
    }
    return sum - x;
  }
  /// Which lanes have the same x.
  __device__ unsigned alike(std::int64_t x) const {
    return __match_any_sync(kAll, static_cast<unsigned long long>(x));
  }
  /// Which lanes come before this one.
  __device__ unsigned before() const { return (1U << lane) - 1; }
};

template <typename F>
__global__ void each_by_warp_kernel(Index n, F f) {
  const Warp warp{static_cast<int>(threadIdx.x % 32)};
  const Index warps = blockDim.x / 32, step = static_cast<Index>(gridDim.x) * warps;
  for (Index i = static_cast<Index>(blockIdx.x) * warps + threadIdx.x / 32; i < n; i += step) f(warp, i);
}

/// f(warp, i) for i in [0, n): all 32 threads of a warp get the same i.
template <typename F>
void each_by_warp(cudaStream_t stream, Index n, F f) {
  constexpr Index kWarps = 4;
  if (n <= 0) return;
  start_warps(each_by_warp_kernel<F>, static_cast<unsigned>(std::min((n + kWarps - 1) / kWarps, kMostBlocks)),
              static_cast<unsigned>(32 * kWarps), stream, n, f);
  checked(cudaGetLastError(), "starting a kernel");
}

}  // namespace moe::cuda
