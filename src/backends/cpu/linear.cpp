#include "linear.h"

#include "kernels.h"
#include "moe/parallel.h"
#include "numbers.h"

namespace moe::cpu {
namespace {

/// Numbers that a thread works on; they only grow.
struct Scratch {
  Buffer<float> buffer;
  Index size = 0;
  float* of(Index n) {
    if (n > size) buffer = Buffer<float>(n), size = n;
    return buffer.data();
  }
};

/// What weights of a storage are multiplied as.
DataType multiplied_as(Storage storage) {
  return storage == Storage::BF16 && multiplies_bf16() ? DataType::bf16 : DataType::f32;
}

void pack(DataType type, const float* from, Index n, Index k, const dnnl::memory::desc& to_desc, void* to) {
  dnnl::memory source = memory_of(plain_weights(type, n, k), from), target = memory_of(to_desc, to);
  dnnl::reorder(source, target).execute(stream_of_thread(), source, target);
  stream_of_thread().wait();
}

Index floats_of(const dnnl::memory::desc& desc) {
  return static_cast<Index>((desc.get_size() + sizeof(float) - 1) / sizeof(float));
}
Index numbers_of(const dnnl::memory::desc& desc, DataType type) {
  return static_cast<Index>(desc.get_size() / (type == DataType::f32 ? 4 : 2));
}

}  // namespace

Linear::Linear(std::vector<Index> widths, Index k, Storage storage, const Fetch& fetch)
    : widths_(std::move(widths)), k_(k), storage_(storage) {
  const DataType type = multiplied_as(storage_);
  const auto packed = [&](Index n) { return kernel_for(type, kMostRows, n, k_).W; };
  Index total = 0, row = 0;
  for (const Index n : widths_) {
    firsts_.push_back(row), row += n;
    offsets_.push_back(total), total += numbers_of(packed(n), type);
  }
  if (storage_ == Storage::F32) wide_ = Buffer<float>(total);
  if (storage_ == Storage::BF16) narrow_ = Buffer<std::uint16_t>(total);
  bytes_ = total * (storage_ == Storage::F32 ? 4 : 2);
  parallel_for(blocks(), [&](Index b) {
    thread_local Scratch plain_rows, packed_rows;
    const Index n = width(b);
    float* rows = plain_rows.of(n * k_);
    fetch(b, rows);
    const dnnl::memory::desc desc = packed(n);
    if (storage_ == Storage::F32) return pack(type, rows, n, k_, desc, wide_.data() + at(offsets_, b));
    std::uint16_t* to = narrow_.data() + at(offsets_, b);
    if (type == DataType::bf16) return pack(type, rows, n, k_, desc, to);
    float* wide = packed_rows.of(floats_of(desc));
    pack(type, rows, n, k_, desc, wide);
    narrow(wide, numbers_of(desc, type), to);
  });
  prepare(1);  // making kernels takes longer than a single token, which is not to wait for it
}

void Linear::prepare(Index m) const {
  for (Index b = 0; b < blocks(); ++b)
    if (b == 0 || width(b) != width(b - 1))
      kernel_for(multiplied_as(storage_), rounded_rows(m), width(b), k_);
}

void Linear::multiply(Index b, Index m, Operand x, float* y) const {
  thread_local Scratch widened, own;
  const DataType type = multiplied_as(storage_);
  if (x.narrow != (type == DataType::bf16) || x.stride != k_)
    throw std::logic_error("rows are multiplied in another format than the weights have");
  const Kernel& kernel = kernel_for(type, rounded_rows(m), width(b), k_);
  const void* W = narrow_.data() + at(offsets_, b);
  if (storage_ == Storage::F32) {
    W = wide_.data() + at(offsets_, b);
  } else if (type == DataType::f32) {
    float* to = widened.of(floats_of(kernel.W));
    widen(narrow_.data() + at(offsets_, b), numbers_of(kernel.W, type), to);
    W = to;
  }
  kernel.run.execute(
      stream_of_thread(),
      {{DNNL_ARG_SRC, memory_of(kernel.x, x.data)},
       {DNNL_ARG_WEIGHTS, memory_of(kernel.W, W)},
       {DNNL_ARG_DST, memory_of(kernel.y, y)},
       {DNNL_ARG_SCRATCHPAD, memory_of(kernel.scratch, own.of(floats_of(kernel.scratch) + 1))}});
  stream_of_thread().wait();
}

void multiply_transposed(Index m, Index n, Index k, Operand A, Operand B, float* C, Index ldc) {
  if (A.narrow != B.narrow) throw std::logic_error("rows of two formats are multiplied");
  const DataType type = A.narrow ? DataType::bf16 : DataType::f32;
  using Desc = dnnl::memory::desc;
  using Dims = dnnl::memory::dims;
  thread_local Scratch own;
  const Kernel& kernel = transposed_kernel(type);
  kernel.run.execute(
      stream_of_thread(),
      {{DNNL_ARG_SRC, memory_of(Desc({m, k}, type, Dims{1, A.stride}), A.data)},
       {DNNL_ARG_WEIGHTS, memory_of(Desc({k, n}, type, Dims{B.stride, 1}), B.data)},
       {DNNL_ARG_DST, memory_of(Desc({m, n}, DataType::f32, Dims{ldc, 1}), C)},
       {DNNL_ARG_SCRATCHPAD, memory_of(kernel.scratch, own.of(floats_of(kernel.scratch) + 1))}});
  stream_of_thread().wait();
}

std::string linear_implementation(Storage storage) {
  const dnnl_version_t* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + '.' + std::to_string(v->minor) + '.' +
         std::to_string(v->patch) + ", " + kernel_for(multiplied_as(storage), kMostRows, 256, 1024).name;
}

}  // namespace moe::cpu
