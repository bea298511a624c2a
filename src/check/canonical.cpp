#include "canonical.h"

namespace moe {
namespace {

std::string axes_of(const std::string& name) {
  const auto id = tensor_called(name);
  return id ? info_of(*id).axes : "";
}

/// Block i of the result is block from(i) of `a`, each of `bytes` bytes.
template <typename From>
Array permuted(const Array& a, Index blocks, From from) {
  Array to = a;
  const std::size_t bytes = blocks == 0 ? 0 : a.bytes.size() / static_cast<std::size_t>(blocks);
  for (Index i = 0; i < blocks; ++i)
    std::memcpy(to.bytes.data() + static_cast<std::size_t>(i) * bytes,
                a.bytes.data() + static_cast<std::size_t>(from(i)) * bytes, bytes);
  return to;
}

}  // namespace

Arrays canonical(const Config& config, const Decisions& decisions, const Arrays& tensors,
                 const std::vector<Index>& slot, const std::vector<Index>& row) {
  const Index T = config.shape.num_tokens, K = config.shape.top_k, N = decisions.plan.N();
  // Experts without weights have no rows of hidden units: those that have come in the order of all.
  const Index computed = decisions.plan.first(computed_experts(config));
  const auto place_among_computed = [&](Index n) {
    return static_cast<Index>(
        std::count_if(row.begin(), row.begin() + computed, [&](Index other) { return other < at(row, n); }));
  };
  const auto moved = [](const std::vector<Index>& place, auto home) {
    for (Index i = 0; i < static_cast<Index>(place.size()); ++i)
      if (at(place, i) != home(i)) return true;
    return false;
  };
  const bool slots_move = moved(slot, [&](Index i) { return i % K; }),
             rows_move = moved(row, [](Index n) { return n; });
  Arrays all;
  for (const auto& [name, a] : tensors) {
    const std::string axes = axes_of(name);
    if (slots_move && axes == "token,slot" && a.dims == Dims{T, K})
      all.emplace_back(name, permuted(a, T * K, [&](Index i) { return i / K * K + at(slot, i); }));
    else if (rows_move && axes.starts_with("row,") && !a.dims.empty() && a.dims[0] == N)
      all.emplace_back(name, permuted(a, N, [&](Index n) { return at(row, n); }));
    else if (rows_move && axes.starts_with("row,") && !a.dims.empty() && a.dims[0] == computed)
      all.emplace_back(name, permuted(a, computed, [&](Index n) { return place_among_computed(n); }));
    else if (name == "dispatch.order" && (slots_move || rows_move) && a.dims == Dims{N})
      all.emplace_back(
          name, array_of(a.dims, decisions.plan.order.data()));  // it was judged as the order that it is
    else
      all.emplace_back(name, a);
  }
  return all;
}

}  // namespace moe
