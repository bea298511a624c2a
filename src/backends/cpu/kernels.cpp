#include "kernels.h"

#include <omp.h>

#include <map>
#include <mutex>
#include <tuple>

#include "linear.h"
#include "panels.h"

namespace moe::cpu {
namespace {

using dnnl::memory, dnnl::matmul, dnnl::convolution_forward;
using Tag = memory::format_tag;

/// oneDNN has two primitives that take packed weights. `matmul` packs where it has kernels of its own for this CPU: in
/// version 2 with AVX-512, in version 3 also with AVX2. Else a convolution with a 1 x 1 window does, k input and n output
/// channels over m pixels, with every vector extension. Where neither does, `matmul` computes with plain weights.
enum class Way { PackedMatmul, Convolution, PlainMatmul };

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

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr a;
  a.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return a;
}

template <typename Primitive, typename Desc>
Kernel kernel_of(const Desc& desc) {
  return {desc.impl_info_str(),   false,          desc.src_desc(), desc.weights_desc(), desc.dst_desc(),
          desc.scratchpad_desc(), Primitive(desc)};
}

matmul::primitive_desc describe_matmul(const memory::desc& x, const memory::desc& W, const memory::desc& y) {
#if DNNL_VERSION_MAJOR < 3
  return {matmul::desc(x, W, y), attributes(), cpu_engine()};
#else
  return {cpu_engine(), x, W, y, attributes()};
#endif
}

Kernel by_matmul(DataType type, Index m, Index n, Index k, const memory::desc& W) {
  return kernel_of<matmul>(describe_matmul({{m, k}, type, Tag::ab}, W, {{m, n}, DataType::f32, Tag::ab}));
}

/// Does this machine have the instructions of `multiply_panels`, as the name of oneDNN's implementation tells, and are these
/// its panels? With instructions for matrices (amx) oneDNN is the faster one.
bool are_panels(const Kernel& kernel, DataType type, Index n, Index k) {
  const auto has = [&](const char* word) { return kernel.name.find(word) != std::string::npos; };
  const bool bf16 = type == DataType::bf16;
  return has(bf16 ? "avx512_core_bf16" : "avx512_core") && !has("amx") && n % kPanel == 0 &&
         (!bf16 || k % 2 == 0) &&
         kernel.W == memory::desc({k, n}, type, bf16 ? Tag::BA16a64b2a : Tag::BA16a64b);
}

Kernel by_convolution(DataType type, Index m, Index n, Index k, const memory::desc& W) {
  const memory::desc x({1, k, 1, m}, type, Tag::nhwc), y({1, n, 1, m}, DataType::f32, Tag::nhwc);
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto how = dnnl::algorithm::convolution_direct;
  const memory::dims one{1, 1}, none{0, 0};
#if DNNL_VERSION_MAJOR < 3
  return kernel_of<convolution_forward>(convolution_forward::primitive_desc(
      convolution_forward::desc(kind, how, x, W, y, one, none, none), attributes(), cpu_engine()));
#else
  return kernel_of<convolution_forward>(
      convolution_forward::primitive_desc(cpu_engine(), kind, how, x, W, y, one, none, none, attributes()));
#endif
}

/// W (n, k) as the way that is taken sees it, in a layout.
memory::desc weights(Way way, DataType type, Index n, Index k, bool packed) {
  if (way == Way::Convolution) return {{n, k, 1, 1}, type, packed ? Tag::any : Tag::oihw};
  return {{k, n}, type, packed && way == Way::PackedMatmul ? Tag::any : Tag::ba};
}

Way find_way(DataType type) {
  constexpr Index n = 256, k = 1024;
  const OneThread alone;
  const auto is_plain = [&](const memory::desc& W) {
    return W == memory::desc({k, n}, type, Tag::ab) || W == memory::desc({k, n}, type, Tag::ba);
  };
  if (!is_plain(by_matmul(type, kMostRows, n, k, {{k, n}, type, Tag::any}).W)) return Way::PackedMatmul;
  const Kernel other = by_convolution(type, kMostRows, n, k, weights(Way::Convolution, type, n, k, true));
  const auto is = [&](const char* word) { return other.name.find(word) != std::string::npos; };
  return is("ref") || is("gemm:") ? Way::PlainMatmul : Way::Convolution;
}
Way way_for(DataType type) {
  static const Way f32 = find_way(DataType::f32);
  if (type == DataType::f32) return f32;
  static const Way bf16 = find_way(DataType::bf16);
  return bf16;
}

}  // namespace

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
dnnl::stream& stream_of_thread() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}
memory memory_of(const memory::desc& desc, const void* numbers) {
  return {desc, cpu_engine(), const_cast<void*>(numbers)};  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

Index rounded_rows(Index m) { return m <= 8 ? m : (m + kSpareRows - 1) / kSpareRows * kSpareRows; }

const Kernel& kernel_for(DataType type, Index m, Index n, Index k) {
  static std::map<std::tuple<DataType, Index, Index, Index>, Kernel> known;
  static std::recursive_mutex mutex;
  const std::lock_guard lock(mutex);
  const auto found = known.find({type, m, n, k});
  if (found != known.end()) return found->second;
  const Way way = way_for(type);
  const memory::desc W =
      m == kMostRows ? weights(way, type, n, k, true) : kernel_for(type, kMostRows, n, k).W;
  const OneThread alone;
  Kernel made = way == Way::Convolution ? by_convolution(type, m, n, k, W) : by_matmul(type, m, n, k, W);
  made.panels = way == Way::PackedMatmul && are_panels(made, type, n, k);
  return known.emplace(std::tuple{type, m, n, k}, std::move(made)).first->second;
}

memory::desc plain_weights(DataType type, Index n, Index k) {
  return weights(way_for(type), DataType::f32, n, k, false);
}

const Kernel& transposed_kernel(DataType type) {
  const auto make = [](DataType of) {
    constexpr Index any = DNNL_RUNTIME_DIM_VAL;
    const OneThread alone;
    return kernel_of<matmul>(describe_matmul({{any, any}, of, memory::dims{1, any}},
                                             {{any, any}, of, memory::dims{any, 1}},
                                             {{any, any}, DataType::f32, memory::dims{any, 1}}));
  };
  static const Kernel f32 = make(DataType::f32);
  if (type == DataType::f32) return f32;
  static const Kernel bf16 = make(DataType::bf16);
  return bf16;
}

bool multiplies_bf16() {
  static const bool native = [] {
    try {
      // Such as brg:avx512_core_bf16. What oneDNN 2.6 has for AVX-512 without it, jit_bf16_1x1:avx512_core, gives wrong
      // numbers for some shapes.
      const std::string name = kernel_for(DataType::bf16, kMostRows, 256, 1024).name;
      const std::string instructions = name.substr(name.find(':') + 1);
      return instructions.find("bf16") != std::string::npos || instructions.find("amx") != std::string::npos;
    } catch (const dnnl::error&) {
      return false;
    }
  }();
  return native;
}

}  // namespace moe::cpu
