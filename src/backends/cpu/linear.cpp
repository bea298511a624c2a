#include "linear.h"

#include "kernels.h"
#include "moe/parallel.h"
#include "numbers.h"
#include "panels.h"

namespace moe::cpu {
namespace {

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
  Index total = 0, row = 0;
  for (const Index n : widths_) {
    packings_.push_back(&kernel_for(type, kMostRows, n, k_));
    firsts_.push_back(row), row += n;
    offsets_.push_back(total), total += numbers_of(packings_.back()->W, type);
  }
  if (storage_ == Storage::F32) wide_ = Buffer<float>(total);
  if (storage_ == Storage::BF16) narrow_ = Buffer<std::uint16_t>(total);
  bytes_ = total * (storage_ == Storage::F32 ? 4 : 2);
  parallel_for(blocks(), [&](Index b) {
    thread_local Room<float> plain_rows, packed_rows;
    const Index n = width(b);
    float* rows = plain_rows.of(n * k_);
    fetch(b, rows);
    const dnnl::memory::desc& desc = at(packings_, b)->W;
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
    if ((b == 0 || width(b) != width(b - 1)) && !at(packings_, b)->panels)
      kernel_for(multiplied_as(storage_), rounded_rows(m), width(b), k_);
}

void Linear::multiply(Index b, Index m, Operand x, float* y, Index ldy) const {
  if (x.narrow != (multiplied_as(storage_) == DataType::bf16) || x.stride != k_)
    throw std::logic_error("rows are multiplied in another format than the weights have");
  if (!at(packings_, b)->panels) return multiply_by_onednn(b, m, x, y, ldy);
  multiply_panels(m, width(b), k_, x, packed(b), y, ldy);
}

void Linear::multiply_by_onednn(Index b, Index m, Operand x, float* y, Index ldy) const {
  thread_local Room<float> own, result;
  const Index some = rounded_rows(m), n = width(b);
  const Kernel& kernel = kernel_for(multiplied_as(storage_), some, n, k_);
  const void* W = packed(b);
  float* scratch = own.of(floats_of(kernel.scratch) + 1);
  float* made = result.of(some * n);
  kernel.run.execute(stream_of_thread(), {{DNNL_ARG_SRC, memory_of(kernel.x, x.data)},
                                          {DNNL_ARG_WEIGHTS, memory_of(kernel.W, W)},
                                          {DNNL_ARG_DST, memory_of(kernel.y, made)},
                                          {DNNL_ARG_SCRATCHPAD, memory_of(kernel.scratch, scratch)}});
  stream_of_thread().wait();
  for (Index i = 0; i < m; ++i) std::copy_n(made + i * n, n, y + i * ldy);
}

/// Block b in the format in which it is multiplied; where that is not its storage's, in memory of the calling thread.
const void* Linear::packed(Index b) const {
  if (storage_ == Storage::F32) return wide_.data() + at(offsets_, b);
  const std::uint16_t* narrow = narrow_.data() + at(offsets_, b);
  if (multiplied_as(storage_) == DataType::bf16) return narrow;
  thread_local Room<float> widened;
  const dnnl::memory::desc& desc = at(packings_, b)->W;
  float* wide = widened.of(floats_of(desc));
  widen(narrow, numbers_of(desc, DataType::f32), wide);
  return wide;  // NOLINT(clang-analyzer-unix.Malloc): it takes the memory that was there before for what Room gives
}

void multiply_transposed(Index m, Index n, Index k, Operand A, Operand B, float* C, Index ldc) {
  if (A.narrow != B.narrow) throw std::logic_error("rows of two formats are multiplied");
  const DataType type = A.narrow ? DataType::bf16 : DataType::f32;
  using Desc = dnnl::memory::desc;
  using Dims = dnnl::memory::dims;
  thread_local Room<float> own;
  const Kernel& kernel = transposed_kernel(type);
  kernel.run.execute(
      stream_of_thread(),
      {{DNNL_ARG_SRC, memory_of(Desc({m, k}, type, Dims{1, A.stride}), A.data)},
       {DNNL_ARG_WEIGHTS, memory_of(Desc({k, n}, type, Dims{B.stride, 1}), B.data)},
       {DNNL_ARG_DST, memory_of(Desc({m, n}, DataType::f32, Dims{ldc, 1}), C)},
       {DNNL_ARG_SCRATCHPAD, memory_of(kernel.scratch, own.of(floats_of(kernel.scratch) + 1))}});
  stream_of_thread().wait();
}

void multiply_transposed(Index m, Index k, Operand A, const Part& B, Rows& dW, Index first) {
  const Index n = dW.cols();
  const bool alike = A.narrow == dW.narrow() && B.of->narrow() == dW.narrow();
  if (alike && multiplies_panels(dW.narrow() ? Storage::BF16 : Storage::F32))
    return multiply_transposed_panels(m, n, k, A, B.from(0), dW.to(first));
  if (!dW.narrow()) return multiply_transposed(m, n, k, A, B.from(0), static_cast<float*>(dW.to(first)), n);
  constexpr Index kColumns = 512;  // so that what is rounded next is still in a cache
  thread_local Room<float> made;
  float* sums = made.of(m * kColumns);
  for (Index j = 0; j < n; j += kColumns) {
    const Index some = std::min(kColumns, n - j);
    multiply_transposed(m, some, k, A, B.from(0, j), sums, some);
    for (Index i = 0; i < m; ++i) dW.put(first + i, j, sums + i * some, some);
  }
}

Matrix<float> weight_gradient(Index T, Index n, Index m, const float* dy, const float* x) {
  constexpr Index kColumns = 512;
  Matrix<float> dW = zeros<float>(n, m);
  if (T == 0) return dW;
  parallel_for((m + kColumns - 1) / kColumns, [&](Index i) {
    const Index d = i * kColumns, some = std::min(kColumns, m - d);
    multiply_transposed(n, some, T, operand(dy, n), operand(x + d, m), dW.data() + d, m);
  });
  return dW;
}

bool multiplies_panels(Storage storage) {
  return kernel_for(multiplied_as(storage), kMostRows, 256, 1024).panels;
}

std::string linear_implementation(Storage storage) {
  const dnnl_version_t* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + '.' + std::to_string(v->minor) + '.' +
         std::to_string(v->patch) + ", " + kernel_for(multiplied_as(storage), kMostRows, 256, 1024).name +
         (multiplies_panels(storage) ? ", and own products of what it packs" : "");
}

}  // namespace moe::cpu
