#include "linear.h"

#include <omp.h>

#include <dnnl.hpp>
#include <map>
#include <mutex>
#include <numeric>
#include <tuple>

#include "numbers.h"

namespace moe::cpu {
namespace {

using dnnl::convolution_forward, dnnl::memory;

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
/// Numbers as oneDNN takes them, which it does not write to unless they are a result.
memory memory_of(const memory::desc& desc, const float* numbers) {
  return {desc, cpu_engine(), const_cast<float*>(numbers)};  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}
dnnl::stream& stream_of_thread() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

/// Numbers that a thread works on; they only grow.
struct Scratch {
  Buffer<float> buffer;
  Index size = 0;
  float* of(Index n) {
    if (n > size) buffer = Buffer<float>(n), size = n;
    return buffer.data();
  }
};

/// As if there were one thread: a primitive that is made so works alike wherever it runs.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// m rows of k by n packed rows of k.
struct Kernel {
  convolution_forward::primitive_desc desc;
  convolution_forward run;
};

convolution_forward::primitive_desc describe(Index m, Index n, Index k, const memory::desc& weights) {
  const auto rows = [](Index count, Index width) {
    return memory::desc({1, width, 1, count}, memory::data_type::f32, memory::format_tag::nhwc);
  };
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto how = dnnl::algorithm::convolution_direct;
  const memory::dims one{1, 1}, none{0, 0};
#if DNNL_VERSION_MAJOR < 3
  return {convolution_forward::desc(kind, how, rows(m, k), weights, rows(m, n), one, none, none), attributes,
          cpu_engine()};
#else
  return {cpu_engine(), kind, how, rows(m, k), weights, rows(m, n), one, none, none, attributes};
#endif
}

memory::desc plain(Index n, Index k) {
  return {{n, k, 1, 1}, memory::data_type::f32, memory::format_tag::oihw};
}

/// As many rows as are computed where m are wanted, so that there are few kernels: a new count seldom needs a new one.
Index rounded_rows(Index m) { return m <= 8 ? m : (m + kSpareRows - 1) / kSpareRows * kSpareRows; }

/// Kernels are made once in a program, and never thrown away. All of one (n, k) share the packing that is best for many rows.
const Kernel& kernel_for(Index m, Index n, Index k) {
  static std::map<std::tuple<Index, Index, Index>, Kernel> known;
  static std::recursive_mutex mutex;
  const std::lock_guard lock(mutex);
  const auto found = known.find({m, n, k});
  if (found != known.end()) return found->second;
  const memory::desc any({n, k, 1, 1}, memory::data_type::f32, memory::format_tag::any);
  const memory::desc packed = m == kMostRows ? any : kernel_for(kMostRows, n, k).desc.weights_desc();
  const OneThread alone;
  const auto desc = describe(m, n, k, packed);
  return known.emplace(std::tuple{m, n, k}, Kernel{desc, convolution_forward(desc)}).first->second;
}
memory::desc packed(Index n, Index k) { return kernel_for(kMostRows, n, k).desc.weights_desc(); }

void pack(const float* from, Index n, Index k, const memory::desc& to_desc, float* to) {
  memory source = memory_of(plain(n, k), from), target = memory_of(to_desc, to);
  dnnl::reorder(source, target).execute(stream_of_thread(), source, target);
  stream_of_thread().wait();
}

Index numbers_of(const memory::desc& desc) { return static_cast<Index>(desc.get_size() / sizeof(float)); }

}  // namespace

Linear::Linear(std::vector<Index> widths, Index k, Storage storage, const Fetch& fetch)
    : widths_(std::move(widths)), k_(k), storage_(storage) {
  Index total = 0, row = 0;
  for (const Index n : widths_) {
    firsts_.push_back(row), row += n;
    offsets_.push_back(total), total += numbers_of(packed(n, k_));
  }
  if (storage_ == Storage::F32) wide_ = Buffer<float>(total);
  if (storage_ == Storage::BF16) narrow_ = Buffer<std::uint16_t>(total);
  parallel_for(blocks(), [&](Index b) {
    thread_local Scratch plain_rows, packed_rows;
    const Index n = width(b);
    float* rows = plain_rows.of(n * k_);
    fetch(b, rows);
    const memory::desc desc = packed(n, k_);
    float* to = storage_ == Storage::F32 ? wide_.data() + at(offsets_, b) : packed_rows.of(numbers_of(desc));
    pack(rows, n, k_, desc, to);
    if (storage_ == Storage::BF16) narrow(to, numbers_of(desc), narrow_.data() + at(offsets_, b));
  });
}

void Linear::prepare(Index m) const {
  for (Index b = 0; b < blocks(); ++b)
    if (b == 0 || width(b) != width(b - 1)) kernel_for(rounded_rows(m), width(b), k_);
}

void Linear::multiply(Index b, Index m, const float* x, float* y) const {
  thread_local Scratch widened, own;
  const Kernel& kernel = kernel_for(rounded_rows(m), width(b), k_);
  const memory::desc weights = kernel.desc.weights_desc();
  const float* W = nullptr;
  if (storage_ == Storage::F32) {
    W = wide_.data() + at(offsets_, b);
  } else {
    float* to = widened.of(numbers_of(weights));
    widen(narrow_.data() + at(offsets_, b), numbers_of(weights), to);
    W = to;
  }
  const memory::desc scratch = kernel.desc.scratchpad_desc();
  kernel.run.execute(stream_of_thread(),
                     {{DNNL_ARG_SRC, memory_of(kernel.desc.src_desc(), x)},
                      {DNNL_ARG_WEIGHTS, memory_of(weights, W)},
                      {DNNL_ARG_DST, memory_of(kernel.desc.dst_desc(), y)},
                      {DNNL_ARG_SCRATCHPAD, memory_of(scratch, own.of(numbers_of(scratch) + 1))}});
  stream_of_thread().wait();
}

void multiply_transposed(Index m, Index n, Index k, const float* A, Index lda, const float* B, Index ldb,
                         float* C, Index ldc) {
  if (dnnl::sgemm('T', 'N', m, n, k, 1, A, lda, B, ldb, 0, C, ldc) != dnnl::status::success)
    throw std::runtime_error("oneDNN refused a matrix product");
}

std::string linear_implementation() {
  const dnnl_version_t* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + '.' + std::to_string(v->minor) + '.' +
         std::to_string(v->patch) + ", " + kernel_for(kMostRows, 256, 1024).desc.impl_info_str();
}

void parallel_for(Index n, const std::function<void(Index)>& f) {
  std::exception_ptr failed;
#pragma omp parallel for schedule(dynamic, 1)
  for (Index i = 0; i < n; ++i) {
    try {
      f(i);
    } catch (...) {
#pragma omp critical(moe_cpu_failed)
      failed = std::current_exception();
    }
  }
  if (failed) std::rethrow_exception(failed);
}

}  // namespace moe::cpu
