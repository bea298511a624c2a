#pragma once

#include <math.h>  // NOLINT: as in CUDA, exp(float) and the like without std::

#include <cstddef>
#include <cstdint>
#include <cstring>

/// As much of CUDA's runtime as the CUDA backend uses, on the CPU: what its kernels compute can be tested without a device. It
/// proves their logic, not that they run on one.
///
/// A stream does nothing until someone waits for it, and then no more than was asked for: what should have waited for another
/// stream and did not meets numbers that are not there yet. New memory is NaN.

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names that CUDA has
#define __host__
#define __device__
#define __global__

enum cudaError_t {
  cudaSuccess,
  cudaErrorMemoryAllocation,
  cudaErrorDevicesUnavailable,
  cudaErrorNoDevice,
  cudaErrorInvalidValue
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor, cudaDevAttrComputeCapabilityMinor };
enum cudaDataType { CUDA_R_64F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_16F };
inline constexpr unsigned cudaEventDisableTiming = 2;
using cudaStream_t = struct EmulatedStream*;
using cudaEvent_t = struct EmulatedEvent*;
struct cudaDeviceProp {
  char name[256];
};

cudaError_t cudaMalloc(void** data, std::size_t bytes);
cudaError_t cudaFree(void* data);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);

struct uint4 {
  unsigned x, y, z, w;
};
struct EmulatedIndex {
  unsigned x;
};
inline EmulatedIndex threadIdx, blockIdx, blockDim, gridDim;

/// Where the 32 threads of a warp meet: each gives 8 bytes and a word for what it is doing, and gets those of all. Aborts
/// where they do not do the same, or some are gone.
const std::uint64_t* emulated_meeting(const char* what, std::uint64_t given);

inline void __syncwarp() { emulated_meeting("syncwarp", 0); }

template <typename Num>
Num emulated_exchange(const char* what, Num x, unsigned from) {
  static_assert(sizeof(Num) <= 8);
  std::uint64_t given = 0;
  std::memcpy(&given, &x, sizeof x);
  std::memcpy(&x, emulated_meeting(what, given) + from, sizeof x);
  return x;
}
template <typename Num>
Num __shfl_xor_sync(unsigned, Num x, int mask) {
  return emulated_exchange("shfl_xor", x, (threadIdx.x % 32) ^ static_cast<unsigned>(mask));
}
template <typename Num>
Num __shfl_up_sync(unsigned, Num x, unsigned delta) {
  const unsigned lane = threadIdx.x % 32;
  return emulated_exchange("shfl_up", x, lane >= delta ? lane - delta : lane);
}
inline unsigned __match_any_sync(unsigned, unsigned long long x) {
  const std::uint64_t* all = emulated_meeting("match_any", x);
  unsigned alike = 0;
  for (unsigned lane = 0; lane < 32; ++lane) alike |= all[lane] == x ? 1U << lane : 0;
  return alike;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline unsigned long long atomicAdd(unsigned long long* to, unsigned long long x) {
  const unsigned long long before = *to;
  *to += x;
  return before;
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
