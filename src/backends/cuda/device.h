#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "moe/tensor.h"

/// The device: its memory, its streams, and what goes wrong with it.
namespace moe::cuda {

/// Throw "backend cuda: `doing`: what CUDA says" unless all is well: CannotRun where the machine has no memory or no device
/// left, and std::runtime_error for everything else, which is a bug. What a failed call leaves to be read by the next is taken
/// away.
void checked(cudaError_t status, const char* doing);
void checked(cublasStatus_t status, const char* doing);

/// Why nothing can be computed here; "" if it can.
std::string why_not();
/// The device's name, and versions.
std::string device_text();

/// Bytes on the device, as many as were ever asked for.
class Block {
 public:
  Block() = default;
  Block(Block&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(data_, other.data_), std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Block();
  /// Room for so many; what was there is lost, and in debug builds everything is NaN, so that what is not written shows; with
  /// a stream, in which that happens.
  void prepare(std::size_t bytes, cudaStream_t stream);
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// n numbers on the device.
template <typename T>
class Memory {
 public:
  T* prepare(Index n, cudaStream_t stream) {
    block_.prepare(static_cast<std::size_t>(n) * sizeof(T), stream);
    size_ = n;
    return data();
  }
  T* data() const { return static_cast<T*>(block_.data()); }
  Index size() const { return size_; }

  void put(const T* from, Index n, cudaStream_t stream) {
    prepare(n, stream);
    if (n > 0)
      checked(cudaMemcpyAsync(data(), from, static_cast<std::size_t>(n) * sizeof(T), cudaMemcpyHostToDevice,
                              stream),
              "copying to the device");
    checked(cudaStreamSynchronize(stream), "copying to the device");  // `from` may be gone after this
  }
  void zero(Index n, cudaStream_t stream) {
    prepare(n, stream);
    if (n > 0)
      checked(cudaMemsetAsync(data(), 0, static_cast<std::size_t>(n) * sizeof(T), stream), "clearing memory");
  }
  /// Elements [first, first + n), when the device has done all it was told to.
  std::vector<T> take(Index first, Index n, cudaStream_t stream) const {
    std::vector<T> to(static_cast<std::size_t>(n));
    if (n > 0)
      checked(
          cudaMemcpyAsync(to.data(), data() + first, to.size() * sizeof(T), cudaMemcpyDeviceToHost, stream),
          "copying from the device");
    checked(cudaStreamSynchronize(stream), "computing");
    return to;
  }

 private:
  Block block_;
  Index size_ = 0;
};

/// A stream with a cuBLAS handle and workspace of its own: its products are the same bits every time.
class Lane {
 public:
  Lane();
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  cudaStream_t stream() const { return stream_; }
  cublasHandle_t handle() const { return handle_; }
  /// Has this lane wait for what `other` was told to do so far.
  void wait_for(const Lane& other);

 private:
  void release();

  cudaStream_t stream_ = nullptr;
  cudaEvent_t reached_ = nullptr;
  cublasHandle_t handle_ = nullptr;
  Block workspace_;
};

/// The lane in which everything happens, and those in which products of experts, each too small for a device, run side by
/// side. Which expert is in which lane depends on nothing but its number, so the bits do not depend on timing.
class Lanes {
 public:
  Lane main;

  cudaStream_t stream() const { return main.stream(); }
  Lane& of(Index i) { return side_[static_cast<std::size_t>(i) % side_.size()]; }
  /// work(), whose products may be in any lane, after what was told to `main` and before what will be.
  template <typename Work>
  void side_by_side(const Work& work) try {
    for (Lane& lane : side_) lane.wait_for(main);
    work();
    for (Lane& lane : side_) main.wait_for(lane);
  } catch (...) {
    static_cast<void>(cudaDeviceSynchronize());  // or what runs still would meet what comes next
    throw;
  }
  void wait() { checked(cudaStreamSynchronize(stream()), "computing"); }

 private:
  std::array<Lane, 8> side_;
};

}  // namespace moe::cuda
