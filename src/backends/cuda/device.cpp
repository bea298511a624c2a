#include "device.h"

#include "moe/error.h"

namespace moe::cuda {
namespace {

constexpr std::size_t kWorkspace = std::size_t{32}
                                   << 20;  // what cuBLAS recommends for compute capability 9.0
constexpr int kLeastMajor = 8;             // bfloat16 products

[[noreturn]] void fail(const std::string& doing, const char* says, bool machine) {
  const std::string text = "backend cuda: " + doing + ": " + says;
  if (machine) throw CannotRun(text);
  throw std::runtime_error(text);
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + '.' + std::to_string(version % 1000 / 10);
}

/// Frees memory that streams may still be told to use; cudaFree need not wait for them.
cudaError_t freed(void* data) {
  if (data == nullptr) return cudaSuccess;
  const cudaError_t done = cudaDeviceSynchronize(), status = cudaFree(data);
  return done == cudaSuccess ? status : done;
}

}  // namespace

void checked(cudaError_t status, const char* doing) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // or the next launch would report it
  fail(doing, cudaGetErrorString(status),
       status == cudaErrorMemoryAllocation || status == cudaErrorDevicesUnavailable);
}

void checked(cublasStatus_t status, const char* doing) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail(doing, cublasGetStatusString(status),
         status == CUBLAS_STATUS_ALLOC_FAILED || status == CUBLAS_STATUS_NOT_INITIALIZED);
}

std::string why_not() {
  int driver = 0, runtime = 0, count = 0, device = 0, major = 0, minor = 0;
  const auto failed = [](cudaError_t status) {
    static_cast<void>(cudaGetLastError());
    return std::string("backend cuda cannot run here, CUDA says: ") + cudaGetErrorString(status);
  };
  if (const cudaError_t status = cudaRuntimeGetVersion(&runtime); status != cudaSuccess)
    return failed(status);
  if (const cudaError_t status = cudaDriverGetVersion(&driver); status != cudaSuccess) return failed(status);
  if (driver == 0) return "backend cuda needs an NVIDIA GPU, and this machine has no driver for one";
  if (driver / 1000 < runtime / 1000)
    return "backend cuda needs a driver for CUDA " + version_text(runtime) + ", this machine's is for " +
           version_text(driver);
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) return failed(status);
  if (count == 0) return "backend cuda needs an NVIDIA GPU, and this machine shows none";
  if (const cudaError_t status = cudaGetDevice(&device); status != cudaSuccess) return failed(status);
  if (const cudaError_t status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
      status != cudaSuccess)
    return failed(status);
  if (const cudaError_t status = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
      status != cudaSuccess)
    return failed(status);
  if (major < kLeastMajor)
    return "backend cuda needs compute capability 8.0 or more, this device has " + std::to_string(major) +
           '.' + std::to_string(minor);
  return "";
}

std::string device_text() {
  int device = 0, runtime = 0;
  cudaDeviceProp properties{};
  checked(cudaGetDevice(&device), "asking for the device");
  checked(cudaGetDeviceProperties(&properties, device), "asking for the device");
  checked(cudaRuntimeGetVersion(&runtime), "asking for the version");
  int major = 0, minor = 0;
  checked(cublasGetProperty(MAJOR_VERSION, &major), "asking for the version");
  checked(cublasGetProperty(MINOR_VERSION, &minor), "asking for the version");
  return std::string(properties.name) + ", CUDA " + version_text(runtime) + ", cuBLAS " +
         std::to_string(major) + '.' + std::to_string(minor);
}

Block::~Block() { static_cast<void>(freed(data_)); }

void Block::prepare(std::size_t bytes, cudaStream_t stream) {
  if (bytes > bytes_) {
    void* data = nullptr;
    bytes_ = 0;
    checked(freed(std::exchange(data_, nullptr)), "freeing memory");
    checked(cudaMalloc(&data, bytes), ("asking for " + std::to_string(bytes) + " bytes").c_str());
    data_ = data, bytes_ = bytes;
  }
#ifndef NDEBUG
  if (bytes > 0 && stream != nullptr)
    checked(cudaMemsetAsync(data_, 0xff, bytes, stream), "poisoning memory");
#else
  static_cast<void>(stream);
#endif
}

Lane::Lane() {
  try {
    checked(cudaStreamCreate(&stream_), "making a stream");
    checked(cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming), "making an event");
    checked(cublasCreate(&handle_), "starting cuBLAS");
    checked(cublasSetStream(handle_, stream_), "starting cuBLAS");
    workspace_.prepare(kWorkspace, nullptr);  // cuBLAS reads nothing that it has not written
    checked(cublasSetWorkspace(handle_, workspace_.data(), kWorkspace), "starting cuBLAS");
    const int mode = static_cast<int>(CUBLAS_DEFAULT_MATH) |
                     static_cast<int>(CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);
    checked(cublasSetMathMode(handle_, static_cast<cublasMath_t>(mode)), "starting cuBLAS");
  } catch (...) {
    release();
    throw;
  }
}

Lane::~Lane() { release(); }

void Lane::release() {
  if (handle_ != nullptr) static_cast<void>(cublasDestroy(handle_));
  if (reached_ != nullptr) static_cast<void>(cudaEventDestroy(reached_));
  if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));
}

void Lane::wait_for(const Lane& other) {
  checked(cudaEventRecord(other.reached_, other.stream_), "ordering streams");
  checked(cudaStreamWaitEvent(stream_, other.reached_, 0), "ordering streams");
}

}  // namespace moe::cuda
