#include <algorithm>
#include <random>

#include "layer.h"
#include "moe/sizing_layer.h"

// How long parts of a layer take on the device, and how long they would at least.
namespace moe::cuda {
namespace {

/// Two events in a stream, and the seconds between them.
class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream) : stream_(stream) {
    checked(cudaEventCreate(&from_), "making an event");
    if (const cudaError_t status = cudaEventCreate(&to_); status != cudaSuccess) {
      static_cast<void>(cudaEventDestroy(from_));
      checked(status, "making an event");
    }
  }
  ~Stopwatch() { static_cast<void>(cudaEventDestroy(from_)), static_cast<void>(cudaEventDestroy(to_)); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  /// The median over `repeats`, after one that is not counted.
  template <typename Run>
  double median(int repeats, Run run) {
    std::vector<double> seconds;
    for (int i = 0; i <= repeats; ++i) {
      checked(cudaEventRecord(from_, stream_), "timing");
      run();
      checked(cudaEventRecord(to_, stream_), "timing");
      checked(cudaStreamSynchronize(stream_), "timing");
      float milliseconds = 0;
      checked(cudaEventElapsedTime(&milliseconds, from_, to_), "timing");
      if (i > 0) seconds.push_back(1e-3 * static_cast<double>(milliseconds));
    }
    std::nth_element(seconds.begin(), seconds.begin() + repeats / 2, seconds.end());
    return seconds[static_cast<std::size_t>(repeats / 2)];
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t from_ = nullptr, to_ = nullptr;
};

/// Bytes per second of a copy, each byte read and written.
double copy_rate(cudaStream_t stream, std::size_t bytes, int repeats) {
  Block from, to;
  from.prepare(bytes, stream), to.prepare(bytes, stream);
  const double seconds = Stopwatch(stream).median(repeats, [&] {
    checked(cudaMemcpyAsync(to.data(), from.data(), bytes, cudaMemcpyDeviceToDevice, stream), "copying");
  });
  return 2 * static_cast<double>(bytes) / seconds;
}

template <typename T>
double bytes_of(const Memory<T>& memory) {
  return static_cast<double>(memory.size()) * static_cast<double>(sizeof(T));
}

}  // namespace

/// Floating-point operations per second of one large product of numbers that are kept as S; random ones, because a device
/// runs faster on zeros.
template <typename S>
double Layer<S>::product_rate(int repeats) {
  const Index n = sizeof(S) == 2 ? 8192 : 4096;
  const cudaStream_t stream = lanes_.stream();
  Memory<S> left, right, product;
  std::vector<S> numbers(static_cast<std::size_t>(n * n));
  std::minstd_rand random(1);
  for (S& x : numbers) x = narrow<S>(static_cast<A>(static_cast<int>(random() >> 20) - 1024) / 1024);
  left.put(numbers.data(), n * n, stream), right.put(numbers.data(), n * n, stream);
  product.prepare(n * n, stream);
  const double seconds = Stopwatch(stream).median(repeats, [&] {
    multiply(lanes_.main, Product::ABt, n, n, n, left.data(), right.data(), product.data());
  });
  return 2 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / seconds;
}

/// What routing has to read and to leave behind: tokens and weights, and all that it is asked for.
template <typename S>
double Layer<S>::routing_bytes() const {
  const RouterMemory<A>& r = router_memory_;
  return bytes_of(x_) + bytes_of(router_) + bytes_of(r.z) + bytes_of(r.scores) + bytes_of(r.logsumexp) +
         bytes_of(r.denominator) + bytes_of(r.shares) + bytes_of(r.weights) + bytes_of(r.groups) +
         bytes_of(r.expert) + bytes_of(r.retopk) + bytes_of(r.plan.order) + bytes_of(r.plan.row) +
         bytes_of(r.plan.kept);
}

/// The weights of experts that have rows and the router's, x and y; by a backward pass once more, and gradients written.
template <typename S>
double Layer<S>::unique_bytes(bool backward) const {
  double weights = bytes_of(router_);
  for (std::size_t e = 0; e < experts_.size(); ++e)
    if (e + 1 >= offsets_.size() || offsets_[e + 1] > offsets_[e])
      weights += bytes_of(experts_[e].in) + bytes_of(experts_[e].out);
  return (backward ? 3 : 1) * weights + (backward ? 4 : 2) * bytes_of(x_);
}

template <typename S>
std::vector<PartTime> Layer<S>::times(bool backward, int repeats) {
  const cudaStream_t stream = lanes_.stream();
  const double products = product_rate(repeats), copying = copy_rate(stream, std::size_t{1} << 29, repeats);
  Stopwatch watch(stream);
  const Index N = offsets_.back();
  const double flops = 2 * static_cast<double>(layer_multiply_adds(config_, N));
  std::vector<PartTime> times;
  const auto pass = [&](const char* name, double share, bool both) {
    const double seconds = watch.median(repeats, [&] {
      route(), run_experts(), run_shared(), combine();
      if (both) this->backward();
    });
    times.push_back({name, seconds, share * flops / products, unique_bytes(both) / copying});
  };
  pass("forward", 1, false);
  if (backward) pass("both", 3, true);
  if (has_router(config_))
    times.push_back({"routing", watch.median(repeats, [&] { route(); }), 0, routing_bytes() / copying});
  const double combined = bytes_of(out_) + bytes_of(y_) + bytes_of(shared_out_);
  times.push_back({"combine", watch.median(repeats, [&] { combine(); }), 0, combined / copying});
  return times;
}

template class Layer<double>;
template class Layer<float>;
template class Layer<Bf16>;
template class Layer<Half>;

}  // namespace moe::cuda
