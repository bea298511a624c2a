#pragma once

#include <functional>

#include "cuda_runtime.h"

/// What a test can set of the emulated device, and what it does for kernels.
namespace emulated {

/// A machine to be; what it says of itself, and how much memory it has.
struct Machine {
  int devices = 1, driver = 13000, runtime = 13000, major = 9;
  std::size_t memory = std::size_t{1} << 40;
  bool backwards = false;  // the last block, warp and lane go first
  bool broken = false;     // whoever waits for it is told of an error
};
inline Machine machine;

/// Bytes that are allocated, and launches that failed for what they asked.
std::size_t allocated();

/// Has `thread` run for every thread; those of a warp, if they `meet`, by turns from meeting to meeting.
void launch(cudaStream_t stream, unsigned blocks, unsigned threads, bool meet, std::function<void()> thread);

/// Puts something to do into a stream.
void enqueue(cudaStream_t stream, std::function<void()> work);

}  // namespace emulated
