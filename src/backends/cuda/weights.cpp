#include "weights.h"

namespace moe::cuda {
namespace {

[[noreturn]] void refuse(Tensor id, Index i, double value, Format format) {
  std::ostringstream text;
  text << name_of(id) << '[' << i << "] = ";
  show(text, value);
  text << " is no number of " << info_of(format).name << ", and backend cuda rounds no inputs";
  throw CannotRun(text.str());
}

}  // namespace

template <typename S>
void read(const Inputs& inputs, Tensor id, Index first, Index n, S* to) {
  constexpr Index kPart = 4096;
  const Array& a = inputs.at(id);
  if (!a.bytes.empty() && a.format == kStoredAs<S>) {
    const auto each = static_cast<Index>(sizeof(S));
    if (n > 0) std::memcpy(to, a.bytes.data() + first * each, static_cast<std::size_t>(n * each));
    return;
  }
  std::vector<double> values;
  for (Index i = 0; i < n; i += kPart) {
    values.resize(static_cast<std::size_t>(std::min(kPart, n - i)));
    a.reals(first + i, values);
    for (Index j = 0; j < static_cast<Index>(values.size()); ++j) {
      to[i + j] = narrow<S>(static_cast<SumOf<S>>(at(values, j)));
      if (static_cast<double>(widen(to[i + j])) != at(values, j))
        refuse(id, first + i + j, at(values, j), kStoredAs<S>);
    }
  }
}

template <typename S>
Expert<S> load_expert(const Config& config, const Inputs& inputs, Index e, cudaStream_t stream) {
  const bool shared = e == config.shape.num_experts, glu = config.experts.glu;
  const Index D = config.shape.hidden_size, F = shared ? config.shared.ffn_size : config.shape.ffn_size,
              F1 = glu ? 2 * F : F, nth = shared ? 0 : e;
  Expert<S> expert;
  std::vector<S> numbers(static_cast<std::size_t>(F1 * D));
  if (glu)
    read(inputs, shared ? Tensor::shared_gate : Tensor::experts_gate, nth * F * D, F * D, numbers.data());
  read(inputs, shared ? Tensor::shared_up : Tensor::experts_up, nth * F * D, F * D,
       numbers.data() + (F1 - F) * D);
  expert.in.put(numbers.data(), F1 * D, stream);
  read(inputs, shared ? Tensor::shared_down : Tensor::experts_down, nth * D * F, D * F, numbers.data());
  expert.out.put(numbers.data(), D * F, stream);
  if (has_bias(config) && !shared) {
    if (glu) read(inputs, Tensor::experts_gate_bias, e * F, F, numbers.data());
    read(inputs, Tensor::experts_up_bias, e * F, F, numbers.data() + F1 - F);
    expert.in_bias.put(numbers.data(), F1, stream);
    std::vector<S> down(static_cast<std::size_t>(D));
    read(inputs, Tensor::experts_down_bias, e * D, D, down.data());
    std::vector<SumOf<S>> wide;
    for (const S x : down) wide.push_back(widen(x));
    expert.out_bias.put(wide.data(), D, stream);
  }
  expert.F = F, expert.F1 = F1;
  return expert;
}

#define MOE_INSTANTIATE(S)                                        \
  template void read<S>(const Inputs&, Tensor, Index, Index, S*); \
  template Expert<S> load_expert<S>(const Config&, const Inputs&, Index, cudaStream_t);
MOE_INSTANTIATE(double)
MOE_INSTANTIATE(float)
MOE_INSTANTIATE(Bf16)
MOE_INSTANTIATE(Half)
#undef MOE_INSTANTIATE

}  // namespace moe::cuda
