#include "grid.h"

namespace moe {
namespace {

double sign_of_bit(Index id, Index bit) { return (id >> bit & 1) != 0 ? 1 : -1; }

}  // namespace

Inputs grid_inputs(const Config& config, std::uint32_t case_number, Index most) {
  Inputs inputs;
  for (const InputInfo& info : inputs_of(config)) {
    const Stream stream{kDefaultSeed, info.stream, case_number};
    std::vector<double> values = buffer<double>(product(info.dims));
    Counters<1> words{};
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i % 4 == 0) words = stream.blocks<1>(i / 4);
      values[i] = static_cast<double>(2 * (Index{words[i % 4][0]} % (most + 1)) - most);
    }
    inputs[info.id] = array_of(info.dims, values.data());
  }
  return inputs;
}

void choose_by_code(const Config& config, const std::vector<std::vector<Index>>& chosen, Inputs& inputs) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index bits = static_cast<Index>(std::bit_width(static_cast<std::uint64_t>(E - 1)));
  require(bits <= D, "shape.hidden_size", D, "must hold the ", bits, " bits of an id");
  std::vector<double> x = buffer<double>(T * D), w = buffer<double>(E * D);
  for (Index i = 0; i < T * D; ++i) at(x, i) = inputs.at(Tensor::x).real(i);
  for (Index b = 0; b < bits; ++b) {
    for (Index e = 0; e < E; ++e) at(w, e * D + b) = sign_of_bit(e, b);
    for (Index t = 0; t < T; ++t) {
      double total = 0;
      for (const Index e : at(chosen, t)) total += sign_of_bit(e, b);
      at(x, t * D + b) = total / static_cast<double>(K);
    }
  }
  inputs.at(Tensor::x) = array_of({T, D}, x.data());
  inputs.at(Tensor::router_weight) = array_of({E, D}, w.data());
}

}  // namespace moe
