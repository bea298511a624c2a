#include <type_traits>

#include "layer.h"

namespace moe::cuda {

template <typename S>
void Layer<S>::backward() {
  const auto [T, D, F, E, K] = Letters(config_);
  if (!has_dy_ && T > 0) throw Error("dy", "dy must be part of the batch where gradients are asked for");
  const cudaStream_t stream = lanes_.stream();
  const Index N = offsets_.back();
  const bool shared = has_shared(config_), gated = gates_shared(config_);
  Rows<S>::combine_back(stream, slots(), out_.data(), dy_.data(), router_memory_.dw.prepare(T * K, stream),
                        stage_.dout.prepare(N * D, stream));
  run_experts_back();
  if (shared) shared_back();
  router_back();
  Rows<S>::collect(stream, slots(), has_router(config_) ? router_dx_.data() : nullptr, dy_.data(),
                   stage_.dx.data(), shared ? shared_stage_.dx.data() : nullptr, gated ? da_.data() : nullptr,
                   gate_.data(), dx_.prepare(T * D, stream));
  lanes_.wait();
}

/// The numbers as sums are: a copy in `room` where they are kept narrower.
template <typename S>
const typename Layer<S>::A* Layer<S>::widened(const S* from, Index n, Memory<A>& room) {
  if constexpr (std::is_same_v<S, A>) {
    return from;
  } else {
    Elements<S>::widen_all(lanes_.stream(), n, from, room.prepare(n, lanes_.stream()));
    return room.data();
  }
}

/// A product of numbers that are not narrow, rounded once to what is kept.
template <typename S>
void Layer<S>::multiply_wide(Product product, Index m, Index n, Index k, const A* left, const A* right,
                             S* to) {
  if constexpr (std::is_same_v<S, A>) {
    multiply(lanes_.main, product, m, n, k, left, right, to);
  } else {
    multiply(lanes_.main, product, m, n, k, left, right, product_.prepare(m * n, lanes_.stream()));
    Elements<S>::narrow_all(lanes_.stream(), m * n, product_.data(), to);
  }
}

/// (X3') and (X1') of the weights of one expert; dout null where that of `out` has another source. (L1b) is a product with
/// ones.
template <typename S>
void Layer<S>::weights_back(Lane& lane, Index rows, const Expert<S>& w, const S* dout, const S* hidden,
                            const S* dpre, const S* x, WeightGrads<S>& g) {
  const Index D = config_.shape.hidden_size;
  multiply(lane, Product::AtB, w.F1, D, rows, dpre, x, g.in.data());
  if (dout != nullptr) multiply(lane, Product::AtB, D, w.F, rows, dout, hidden, g.out.data());
  if (w.in_bias.size() == 0) return;
  multiply(lane, Product::AtB, 1, w.F1, rows, ones_.data(), dpre, g.in_bias.data());
  multiply(lane, Product::AtB, 1, D, rows, ones_.data(), dout, g.out_bias.data());
}

/// (X3') to (X1'). An expert without rows has no gradients here; they are zero.
template <typename S>
void Layer<S>::run_experts_back() {
  const auto [T, D, F, E, K] = Letters(config_);
  const cudaStream_t stream = lanes_.stream();
  const Index N = offsets_.back(), F1 = config_.experts.glu ? 2 * F : F;
  S *dhidden = stage_.dhidden.prepare(N * F, stream), *dpre = stage_.dpre.prepare(N * F1, stream);
  A* dx = stage_.dx.prepare(N * D, stream);
  if (has_bias(config_)) {
    const std::vector<S> ones(static_cast<std::size_t>(N), narrow<S>(A(1)));
    ones_.put(ones.data(), N, stream);
  }
  const auto each_expert = [&, E = E](auto&& product) {
    lanes_.side_by_side([&] {
      for (Index e = 0; e < E; ++e)
        if (const Index first = at(offsets_, e), rows = at(offsets_, e + 1) - first; rows > 0)
          product(e, first, rows);
    });
  };
  for (Index e = 0; e < E; ++e) {
    if (at(offsets_, e + 1) == at(offsets_, e)) continue;
    WeightGrads<S>& g = at(dweights_, e);
    g.in.prepare(F1 * D, stream), g.out.prepare(D * F, stream);
    if (has_bias(config_)) g.in_bias.prepare(F1, stream), g.out_bias.prepare(D, stream);
  }
  each_expert([&, D = D, F = F](Index e, Index first, Index rows) {
    multiply(lanes_.of(e), Product::AB, rows, F, D, stage_.dout.data() + first * D,
             at(experts_, e).out.data(), dhidden + first * F);
  });
  Elements<S>::activate_back(stream, N, {F, F1, config_.experts.glu, config_.experts.activation},
                             stage_.pre.data(), dhidden, dpre);
  each_expert([&, D = D, F = F](Index e, Index first, Index rows) {
    const Expert<S>& w = at(experts_, e);
    multiply(lanes_.of(e), Product::AB, rows, D, F1, dpre + first * F1, w.in.data(), dx + first * D);
    weights_back(lanes_.of(e), rows, w, stage_.dout.data() + first * D, stage_.hidden.data() + first * F,
                 dpre + first * F1, stage_.x.data() + first * D, at(dweights_, e));
  });
}

/// (H1'), (H2')
template <typename S>
void Layer<S>::shared_back() {
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size;
  const cudaStream_t stream = lanes_.stream();
  const Expert<S>& w = experts_.back();
  StageMemory<S>& a = shared_stage_;
  WeightGrads<S>& g = dweights_.back();
  g.in.zero(w.F1 * D, stream), g.out.zero(D * w.F, stream);
  a.dhidden.prepare(T * w.F, stream), a.dpre.prepare(T * w.F1, stream), a.dx.prepare(T * D, stream);
  const bool gated = gates_shared(config_);
  if (gated) gate_grad_.zero(D, stream);
  if (T == 0) return;
  if (gated)
    gated_shared_back();
  else
    multiply(lanes_.main, Product::AB, T, w.F, D, dy_.data(), w.out.data(), a.dhidden.data());
  Elements<S>::activate_back(stream, T, width_of(w), a.pre.data(), a.dhidden.data(), a.dpre.data());
  multiply(lanes_.main, Product::AB, T, D, w.F1, a.dpre.data(), w.in.data(), a.dx.data());
  weights_back(lanes_.main, T, w, gated ? nullptr : dy_.data(), a.hidden.data(), a.dpre.data(), x_.data(), g);
}

/// (H2'): df is a sum's format, because no implementation keeps it narrower.
template <typename S>
void Layer<S>::gated_shared_back() {
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size;
  const cudaStream_t stream = lanes_.stream();
  const Expert<S>& w = experts_.back();
  A *df = df_.prepare(T * D, stream), *da = da_.prepare(T, stream);
  Rows<S>::shares_back(stream, T, D, share_.data(), share_slope_.data(), shared_out_.data(), dy_.data(), df,
                       da);
  multiply_wide(Product::AB, T, w.F, D, df, widened(w.out.data(), D * w.F, wide_weight_),
                shared_stage_.dhidden.data());
  multiply_wide(Product::AtB, D, w.F, T, df, widened(shared_stage_.hidden.data(), T * w.F, wide_),
                dweights_.back().out.data());
  multiply_wide(Product::AtB, 1, D, T, da, widened(x_.data(), T * D, wide_), gate_grad_.data());
}

template class Layer<double>;
template class Layer<float>;
template class Layer<Bf16>;
template class Layer<Half>;

}  // namespace moe::cuda
