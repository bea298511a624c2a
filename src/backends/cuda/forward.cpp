#include "../backends.h"
#include "layer.h"
#include "moe/validate.h"

namespace moe::cuda {

template <typename S>
Layer<S>::Layer(Config config, const Inputs& inputs) : config_(std::move(config)), inputs_(inputs) {
  const auto [T, D, F, E, K] = Letters(config_);
  const cudaStream_t stream = lanes_.stream();
  router_ = load<S>(inputs, Tensor::router_weight, stream);
  noise_router_ = load<S>(inputs, Tensor::router_noise_weight, stream);
  bias_ = load<double>(inputs, Tensor::router_selection_bias, stream);
  gate_ = load<A>(inputs, Tensor::shared_gate_weight, stream);
  if (bias_.size() > 0) {
    std::vector<S> as_stored(static_cast<std::size_t>(E));  // says so if one is no number of S
    read(inputs, Tensor::router_selection_bias, 0, E, as_stored.data());
    bias_on_host_.resize(1, E);
    read(inputs, Tensor::router_selection_bias, 0, E, bias_on_host_.data());
  }
  experts_.resize(static_cast<std::size_t>(E + (has_shared(config_) ? 1 : 0)));
  dweights_.resize(experts_.size());
  load_.resize(config_.aux.size());
  // Weights that are only a recipe may be more than fits: they are made where an expert is first used.
  if (inputs.at(Tensor::experts_up).bytes.empty()) return;
  for (Index e = 0; e < static_cast<Index>(experts_.size()); ++e)
    at(experts_, e) = load_expert<S>(config_, inputs_, e, stream);
}

template <typename S>
void Layer<S>::forward(const Inputs& batch) {
  read_batch(batch);
  route();
  run_experts();
  run_shared();
  combine();
  if (has_dy_) make_losses();
  lanes_.wait();
}

template <typename S>
void Layer<S>::read_batch(const Inputs& batch) {
  require_batch(config_, batch);
  const Index T = batch.at(Tensor::x).dims.front(), D = config_.shape.hidden_size;
  if (T != config_.shape.num_tokens) {
    config_.shape.num_tokens = T;
    validate(config_);
  }
  std::vector<S> numbers(static_cast<std::size_t>(T * D));
  const auto put = [&, D = D](Tensor id, Memory<S>& to) {
    read(batch, id, 0, T * D, numbers.data());
    to.put(numbers.data(), T * D, lanes_.stream());
  };
  put(Tensor::x, x_);
  has_dy_ = batch.contains(Tensor::dy);
  if (has_dy_) put(Tensor::dy, dy_);
  uniform_ = load<double>(batch, Tensor::noise_second_policy, lanes_.stream());
  noise_.clear();
  for (const Tensor id : {Tensor::noise_gaussian_learned, Tensor::noise_second_policy})
    if (batch.contains(id)) noise_[id] = batch.at(id);
}

/// Those that have rows, and the shared one.
template <typename S>
void Layer<S>::load_experts() {
  const Index E = config_.shape.num_experts;
  for (Index e = 0; e < static_cast<Index>(experts_.size()); ++e)
    if (at(experts_, e).F1 == 0 && (e == E || at(offsets_, e + 1) > at(offsets_, e)))
      at(experts_, e) = load_expert<S>(config_, inputs_, e, lanes_.stream());
}

template <typename S>
Width Layer<S>::width_of(const Expert<S>& expert) const {
  return {expert.F, expert.F1, config_.experts.glu, config_.experts.activation};
}

/// (X1) to (X3): a product for every expert that has rows. A bias is what the product is added to, so that the sum is rounded
/// once.
template <typename S>
void Layer<S>::run_experts() {
  const auto [T, D, F, E, K] = Letters(config_);
  const cudaStream_t stream = lanes_.stream();
  const Index N = offsets_.back(), F1 = config_.experts.glu ? 2 * F : F;
  load_experts();
  S *x = stage_.x.prepare(N * D, stream), *pre = stage_.pre.prepare(N * F1, stream),
    *hidden = stage_.hidden.prepare(N * F, stream);
  A* out = out_.prepare(N * D, stream);
  Rows<S>::gather(stream, N, D, K, router_memory_.plan.order.data(), x_.data(), x);
  const auto each_expert = [&, E = E](auto&& product) {
    lanes_.side_by_side([&] {
      for (Index e = 0; e < E; ++e)
        if (const Index first = at(offsets_, e), rows = at(offsets_, e + 1) - first; rows > 0)
          product(lanes_.of(e), at(experts_, e), first, rows);
    });
  };
  const bool bias = has_bias(config_);
  each_expert([&, D = D](Lane& lane, const Expert<S>& w, Index first, Index rows) {
    if (bias) fill_rows(lane.stream(), rows, F1, w.in_bias.data(), pre + first * F1);
    multiply(lane, Product::ABt, rows, F1, D, x + first * D, w.in.data(), pre + first * F1, bias);
  });
  Elements<S>::activate(stream, N, {F, F1, config_.experts.glu, config_.experts.activation}, pre, hidden);
  each_expert([&, D = D, F = F](Lane& lane, const Expert<S>& w, Index first, Index rows) {
    if (bias) fill_rows(lane.stream(), rows, D, w.out_bias.data(), out + first * D);
    multiply(lane, Product::ABt, rows, D, F, hidden + first * F, w.out.data(), out + first * D, bias);
  });
}

/// (H1), (H2)
template <typename S>
void Layer<S>::run_shared() {
  if (!has_shared(config_)) return;
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size;
  const cudaStream_t stream = lanes_.stream();
  const Expert<S>& w = experts_.back();
  S *pre = shared_stage_.pre.prepare(T * w.F1, stream),
    *hidden = shared_stage_.hidden.prepare(T * w.F, stream);
  multiply(lanes_.main, Product::ABt, T, w.F1, D, x_.data(), w.in.data(), pre);
  Elements<S>::activate(stream, T, width_of(w), pre, hidden);
  multiply(lanes_.main, Product::ABt, T, D, w.F, hidden, w.out.data(), shared_out_.prepare(T * D, stream));
  if (gates_shared(config_))
    Rows<S>::shares(stream, T, D, x_.data(), gate_.data(), share_.prepare(T, stream),
                    share_slope_.prepare(T, stream));
}

template <typename S>
SlotsView<S> Layer<S>::slots() const {
  const auto [T, D, F, E, K] = Letters(config_);
  return {T,
          K,
          D,
          config_.capacity.dropped_output,
          router_memory_.plan.row.data(),
          router_memory_.weights.data(),
          x_.data()};
}

/// (C1) to (C3)
template <typename S>
void Layer<S>::combine() {
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size;
  const bool gated = gates_shared(config_);
  Rows<S>::combine(lanes_.stream(), slots(), out_.data(), has_shared(config_) ? shared_out_.data() : nullptr,
                   gated ? share_.data() : nullptr, y_.prepare(T * D, lanes_.stream()));
}

template class Layer<double>;
template class Layer<float>;
template class Layer<Bf16>;
template class Layer<Half>;

}  // namespace moe::cuda
