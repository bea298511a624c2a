#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "emulated.h"

// Memory, streams and events.
struct EmulatedStream {
  std::deque<std::function<void()>> work;
  std::int64_t done = 0;  // of all that was ever put in

  void run_to(std::int64_t position) {
    while (done < position) {
      const std::function<void()> next = std::move(work.front());
      work.pop_front();
      done += 1;
      next();
    }
  }
  std::int64_t end() const { return done + static_cast<std::int64_t>(work.size()); }
};
struct EmulatedEvent {
  EmulatedStream* stream = nullptr;
  std::int64_t position = 0;
};

namespace {

std::set<EmulatedStream*> streams;
std::map<void*, std::size_t> blocks;
std::size_t in_use = 0;
cudaError_t last_error = cudaSuccess;

cudaError_t error_of(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

}  // namespace

namespace emulated {

std::size_t allocated() { return in_use; }

void enqueue(cudaStream_t stream, std::function<void()> work) { stream->work.push_back(std::move(work)); }

}  // namespace emulated

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (bytes > emulated::machine.memory || in_use + bytes > emulated::machine.memory)
    return error_of(cudaErrorMemoryAllocation);
  if (posix_memalign(data, 256, bytes) != 0) return error_of(cudaErrorMemoryAllocation);
  if (bytes < std::size_t{1} << 24) std::memset(*data, 0xff, bytes);  // larger: a workspace
  blocks[*data] = bytes, in_use += bytes;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  for (EmulatedStream* stream : streams) stream->run_to(stream->end());
  return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
  if (data == nullptr) return cudaSuccess;
  in_use -= blocks.at(data);
  blocks.erase(data);
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  emulated::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  emulated::enqueue(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  *stream = new EmulatedStream;
  streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  stream->run_to(stream->end());
  streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  stream->run_to(stream->end());
  return emulated::machine.broken ? error_of(cudaErrorInvalidValue) : cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new EmulatedEvent;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1;  // nothing can be learned from how long an emulation takes
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  *event = {stream, stream->end()};
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->stream == nullptr) return cudaSuccess;
  emulated::enqueue(stream, [at = *event] { at.stream->run_to(at.position); });
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorDevicesUnavailable:
      return "device is busy or unavailable";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidValue:
      return "invalid argument";
  }
  return "unknown";
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = emulated::machine.runtime;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = emulated::machine.driver;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = emulated::machine.devices;
  return *count > 0 ? cudaSuccess : error_of(cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? emulated::machine.major : 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::snprintf(properties->name, sizeof properties->name, "no device, but an emulation");
  return cudaSuccess;
}
