#pragma once

#include <mutex>

#include "moe/inputs.h"
#include "moe/layer/layer.h"

namespace moe {

/// Fills arrays by name, block by block: a visitor of the lists of trace.h for scalars that are just numbers.
class Collector {
 public:
  template <typename T>
  void operator()(const std::string& name, const Dims& dims, Index first, const T* data, Index count) {
    if constexpr (std::is_integral_v<T>) {
      arrays.emplace_back(name, array_of(dims, data));
    } else {
      std::vector<std::byte>& bytes = find(name, dims).bytes;
      for (Index i = 0; i < count; ++i) {
        const double value = approx(data[i]);
        std::memcpy(bytes.data() + (first + i) * 8, &value, sizeof value);
      }
    }
  }

  Arrays arrays;

 private:
  Array& find(const std::string& name, const Dims& dims) {
    for (auto& [known, a] : arrays)
      if (known == name) return a;
    std::vector<std::byte> bytes(static_cast<std::size_t>(product(dims)) * 8);
    return arrays.emplace_back(name, Array{Format::F64, dims, std::move(bytes), {}}).second;
  }
};

/// Called now and then with the share of the work that is done, in [0, 1].
using Progress = std::function<void(double)>;

/// How many rows and columns of weights a pass reads: those of experts without rows it does not.
inline double weights_read(const Config& config, const Plan& plan, bool backward) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index into = config.experts.glu ? 2 : 1, Fs = config.shared.ffn_size;
  Index experts = 0;
  for (Index e = 0; e < computed_experts(config); ++e) experts += plan.count(e) > 0 ? 1 : 0;
  Index n =
      (has_router(config) ? E : 0) + experts * (into * F + D) + (has_shared(config) ? into * Fs + D : 0);
  if (backward)
    n += (has_router(config) ? D : 0) + experts * (into * D + F) + (has_shared(config) ? into * D + Fs : 0);
  return static_cast<double>(n);
}

/// The layer at Num on given numbers: every tensor of the forward pass and, if asked, every gradient. Without decisions
/// Num takes them itself. With a loop of several threads, they report progress one at a time.
template <typename Num>
Arrays evaluate(
    const Config& config, const Inputs& inputs, const Decisions* decisions, bool backward,
    const Progress& progress = [](double) {}, Loop loop = in_one_piece) {
  std::mutex reporting;
  double read = 0, all = 0;  // known once the decisions are
  const std::function<void()> tick = [&] {
    const std::lock_guard lock(reporting);
    if (all > 0) progress(std::min(1.0, ++read / all));
  };
  const Params<Num> params = params_of<Num>(config, inputs, tick, loop);

  Collector collector;
  const auto visit = [&](auto&&... block) { collector(block...); };
  const Decisions made = decisions != nullptr ? *decisions : decide(config, params);
  all = weights_read(config, made.plan, backward);
  const Trace<Num> trace = layer_forward(config, params, made);
  each_tensor(config, trace, visit);
  if (!backward) return std::move(collector.arrays);
  const Grads<Num> grads =
      layer_backward(config, params, trace,
                     [&](Index e, const ExpertWeightGrads<Num>& g) { each_block(config, e, g, visit); });
  each_tensor(config, trace.dispatch, grads, visit);
  return std::move(collector.arrays);
}

}  // namespace moe
