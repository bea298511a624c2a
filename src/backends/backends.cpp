#include "backends.h"

#include "moe/backend.h"
#include "moe/budget.h"

namespace moe {
namespace {

/// The format that holds what a layer stored as `dtype` keeps of a tensor: the profile of that dtype says what is narrow.
Format kept_as(Format dtype, const std::string& name) {
  if (dtype == Format::F64 || dtype == Format::F32) return dtype;
  const auto id = tensor_called(name);
  return id && profile_for(dtype).of(*id).bits > 0 ? dtype : Format::F32;
}

/// Real numbers in the format that they were computed in, non-finite ones included.
Array narrowed(const Array& from, Format format) {
  if (format == Format::F64) return from;
  Array to{format,
           from.dims,
           std::vector<std::byte>(from.bytes.size() / 8 * static_cast<std::size_t>(info_of(format).bytes)),
           {}};
  const auto write = [&](Index i, auto value) {
    std::memcpy(to.bytes.data() + i * static_cast<Index>(sizeof value), &value, sizeof value);
  };
  for (Index i = 0; i < from.size(); ++i) {
    const auto x = static_cast<float>(from.real(i));
    if (format == Format::F32) write(i, x);
    if (format == Format::BF16) write(i, Eigen::bfloat16(x));
    if (format == Format::F16) write(i, Eigen::half(x));
  }
  return to;
}

}  // namespace

std::span<const Backend> backends() {
#ifdef MOE_CUDA
  static const std::array all{kReferenceBackend, kCpuBackend, kCudaBackend};
#else
  static const std::array all{kReferenceBackend, kCpuBackend};
#endif
  return all;
}

const Backend& backend_called(const std::string& name) {
  for (const Backend& backend : backends())
    if (name == backend.name) return backend;
  if (name == "cuda")
    throw CannotRun(
        "backend cuda is not part of this build of moe-oracle; cmake's -DMOE_CUDA=ON makes one with it");
  throw Error("--backend", "--backend = \"" + name + "\" must be one of reference, cpu, cuda");
}

void require_batch(const Config& config, const Inputs& batch) {
  const auto x = batch.find(Tensor::x);
  if (x == batch.end()) throw Error("x", "x must be part of the batch");
  Config at_tokens = config;
  at_tokens.shape.num_tokens = x->second.dims.empty() ? 0 : x->second.dims.front();
  for (const InputInfo& info : inputs_of(at_tokens)) {
    const bool optional = info.id == Tensor::dy;
    if (!is_of_batch(info.id)) continue;
    const auto found = batch.find(info.id);
    const std::string name = name_of(info.id);
    if (found == batch.end() && !optional) throw Error(name, name + " must be part of the batch");
    if (found != batch.end() && found->second.dims != info.dims)
      throw Error(name, name + " has the shape " + shape_text(found->second.dims) + " where " +
                            shape_text(info.dims) + " is expected");
  }
}

std::unique_ptr<LoadedLayer> load_on(const Backend& backend, const Config& config, const Inputs& inputs,
                                     Format dtype) {
  if (const std::string reason = backend.declines(config, dtype); !reason.empty()) throw CannotRun(reason);
  return backend.load(config, inputs, dtype);
}

Arrays evaluate_on(const Backend& backend, const Config& config, const Inputs& inputs, Format dtype,
                   bool backward) {
  const std::unique_ptr<LoadedLayer> layer = load_on(backend, config, inputs, dtype);
  layer->forward(inputs);
  Collector collector;
  const auto visit = [&](auto&&... block) { collector(block...); };
  const Trace<double> trace = layer->trace();
  each_tensor(config, trace, visit);
  if (backward) {
    layer->backward();
    const Grads<double> grads =
        layer->grads([&](Index e, const ExpertWeightGrads<double>& g) { each_block(config, e, g, visit); });
    each_tensor(config, trace.dispatch, grads, visit);
  }
  for (auto& [name, a] : collector.arrays)
    if (is_real(a.format)) a = narrowed(a, kept_as(dtype, name));
  return std::move(collector.arrays);
}

}  // namespace moe
