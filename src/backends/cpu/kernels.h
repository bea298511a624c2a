#pragma once

#include <dnnl.hpp>
#include <string>

#include "moe/tensor.h"

/// The primitives of oneDNN that multiply, each made once in a program.
namespace moe::cpu {

using DataType = dnnl::memory::data_type;

/// y (m, n) = x (m, k) W^T for packed W (n, k), on one thread.
struct Kernel {
  std::string name;     // of the implementation
  bool panels = false;  // is W what `multiply_panels` reads on this machine?
  dnnl::memory::desc x, W, y, scratch;
  dnnl::primitive run;
};

/// The kernel for numbers of a type, which it multiplies into f32. All of one (type, n, k) share the packing that is best
/// for many rows; it is made where it is first asked for, and kept.
const Kernel& kernel_for(DataType type, Index m, Index n, Index k);
/// As many rows as are computed where m are wanted, so that there are few kernels: a new count seldom needs a new one.
Index rounded_rows(Index m);

/// How the rows of W (n, k) lie before they are packed, as f32.
dnnl::memory::desc plain_weights(DataType type, Index n, Index k);

/// The kernel C (m, n) = A^T B of any sizes, for rows of A, B and C that are any numbers apart.
const Kernel& transposed_kernel(DataType type);

const dnnl::engine& cpu_engine();
dnnl::stream& stream_of_thread();
/// Numbers as oneDNN takes them, which it does not write to unless they are a result.
dnnl::memory memory_of(const dnnl::memory::desc& desc, const void* numbers);

}  // namespace moe::cpu
