#include "activations.h"
#include "layer.h"
#include "numbers.h"

namespace moe::cpu {
namespace {

constexpr Index kGradRows = 512;  // of a gradient of weights that one thread computes at a time

/// dW (F, D) = dy^T x for dy (rows, F), whose rows are `stride` apart, and x (rows, D): (L1"). One thread's part: rows
/// [first, first + kGradRows) of dW.
void weight_rows(Index first, const float* dy, Index stride, const float* x, Index rows, Matrix<float>& dW) {
  const Index D = dW.cols(), some = std::min(kGradRows, dW.rows() - first);
  multiply_transposed(some, D, rows, dy + first, stride, x, D, row(dW, first), D);
}

/// (L1b)
Matrix<float> column_sums(const float* dy, Index stride, Index rows, Index n) {
  Matrix<float> db = zeros<float>(1, n);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < n; ++j) db(0, j) += dy[i * stride + j];
  return db;
}

/// The same numbers as floats, with kSpareRows more rows.
Matrix<float> with_spare_rows(const Matrix<double>& m) {
  Matrix<float> more = zeros<float>(m.rows() + kSpareRows, m.cols());
  more.topRows(m.rows()) = m.cast<float>();
  return more;
}

}  // namespace

void Layer::backward() {
  if (dy_.size() == 0 && config_.shape.num_tokens > 0)
    throw Error("dy", "dy must be part of the batch where gradients are asked for");
  combine_back();
  shared_back();
  run_experts_back();
  weights_back();
  router_back();
  gather_back();
}

/// (C1'), (C3')
void Layer::combine_back() {
  const auto [T, D, F, E, K] = Letters(config_);
  const DroppedOutput dropped = config_.capacity.dropped_output;
  routed_grads_.topk_weights = zeros<double>(T, K);
  g_.x = zeros<float>(T, D);
  prepare(g_.out, routed_.dispatch.N() + kSpareRows, D);
  parallel_for(T, [&, D = D, K = K](Index t) {
    const float* dy = row(dy_, t);
    const auto scaled = [&](float w, float* to) {
      for (Index d = 0; d < D; ++d) to[d] = w * dy[d];
    };
    for (Index k = 0; k < K; ++k)
      if (const Index n = routed_.dispatch.row(t, k); n >= 0) {
        routed_grads_.topk_weights(t, k) = static_cast<double>(dot_of(row(a_.out, n), dy, D));
        scaled(weights_(t, k), row(g_.out, n));
        keep(row(g_.out, n), D);
      }
    if (dropped == DroppedOutput::Zero || !all_dropped(routed_.dispatch, t)) return;
    scaled(dropped == DroppedOutput::Identity ? 1.0F : weights_(t, 0), row(g_.x, t));
    if (dropped == DroppedOutput::ScaledIdentity)
      routed_grads_.topk_weights(t, 0) = static_cast<double>(dot_of(row(x_, t), dy, D));
  });
}

/// (H1'), (H2')
void Layer::shared_back() {
  if (!has_shared(config_)) return;
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size;
  shared_dout_ = dy_;
  if (config_.shared.mode == SharedMode::Add) return;
  Matrix<float> da(T, 1);
  parallel_for(T, [&](Index t) {
    const float share = sigmoid(a_.shared.gate_logit(t, 0));
    for (Index d = 0; d < D; ++d) shared_dout_(t, d) *= share;
    da(t, 0) =
        dot_of(row(a_.shared.expert.out, t), row(dy_, t), D) * SigmoidSlope()(a_.shared.gate_logit(t, 0));
    for (Index d = 0; d < D; ++d) g_.x(t, d) += da(t, 0) * shared_gate_(0, d);
  });
  g_.shared_gate = zeros<float>(1, D);
  for (Index t = 0; t < T; ++t)
    for (Index d = 0; d < D; ++d) g_.shared_gate(0, d) += da(t, 0) * x_(t, d);
  keep(g_.shared_gate.data(), D);
}

/// (X3') to (X1'), but for the gradients of weights.
void Layer::run_experts_back() {
  const auto [T, D, F, E, K] = Letters(config_);
  const Index N = routed_.dispatch.N(), parts = config_.experts.glu ? 2 : 1, Fs = config_.shared.ffn_size;
  prepare(g_.hidden, N, F), prepare(dpre_, N + kSpareRows, parts * F), prepare(dx_rows_, N, D);
  if (has_shared(config_)) {
    prepare(shared_dhidden_, T, Fs), prepare(shared_dpre_, T + kSpareRows, parts * Fs);
    prepare(shared_dx_, T, D);
  }
  for (Work& w : work_) {
    Expert& expert = expert_of(w.e);
    if (expert.in_back.blocks() == 0) load_transposes(config_, inputs_, w.e, storage_, expert);
    const bool shared = w.e == E;
    const Index first = shared ? 0 : routed_.dispatch.first(w.e);
    w.dout = row(shared ? shared_dout_ : g_.out, first);
    w.dhidden = row(shared ? shared_dhidden_ : g_.hidden, first);
    w.dpre = row(shared ? shared_dpre_ : dpre_, first);
    w.dx = row(shared ? shared_dx_ : dx_rows_, first);
  }
  run_tiles(
      work_, &Expert::out_back, [](const Work& w) { return w.dout; },
      [&](const Work& w, const Tile& tile, float* made) { slope(w, tile, made); });
  run_tiles(
      work_, &Expert::in_back, [](const Work& w) -> const float* { return w.dpre; },
      [D = D](const Work& w, const Tile& tile, const float* made) {
        for (Index i = 0; i < tile.rows; ++i)
          std::copy_n(made + i * tile.width, tile.width, w.dx + (tile.first + i) * D + tile.column);
      });
}

/// (X2') on a tile of the gradient of hidden.
void Layer::slope(const Work& work, const Tile& tile, float* dhidden) const {
  const Index F = work.expert->F, F1 = work.expert->F1, n = tile.width;
  for (Index i = 0; i < tile.rows; ++i) {
    const Index at = (tile.first + i) * F + tile.column;
    const float *g = work.gate + at, *u = work.up + at;
    float *dh = dhidden + i * n, *dpre = work.dpre + (tile.first + i) * F1 + tile.column;
    keep(dh, n), std::copy_n(dh, n, work.dhidden + at);
    const bool glu = config_.experts.glu;
    activate_back(config_.experts.activation, glu ? g : u, glu ? u : nullptr, dh, n, dpre,
                  glu ? dpre + F : nullptr);
    if (glu) keep(dpre + F, n);
    keep(dpre, n);
  }
}

/// (X1') and (X3') of the weights. Nothing is computed for an expert without rows; its memory stays for later batches.
void Layer::weights_back() {
  struct Part {
    const float* dy;
    Index stride;
    const float* x;
    Index rows, first;
    Matrix<float>* dW;
  };
  const Index D = config_.shape.hidden_size;
  std::vector<Part> parts;
  dweights_.resize(experts_.size());
  has_rows_.assign(experts_.size(), 0);
  for (const Work& w : work_) {
    const Index F = w.expert->F, F1 = w.expert->F1;
    ExpertWeightGrads<float>& g = at(dweights_, w.e);
    at(has_rows_, w.e) = 1;
    const auto add = [&](const float* dy, Index stride, Index n, const float* x, Index m, Matrix<float>& dW) {
      prepare(dW, n, m);
      for (Index first = 0; first < n; first += kGradRows)
        parts.push_back({dy, stride, x, w.rows, first, &dW});
    };
    if (config_.experts.glu) add(w.dpre, F1, F, w.x, D, g.gate);
    add(w.dpre + F1 - F, F1, F, w.x, D, g.up);
    add(w.dout, D, D, w.hidden, F, g.down);
    if (w.expert->up_bias.size() > 0) {
      if (config_.experts.glu) g.gate_bias = column_sums(w.dpre, F1, w.rows, F);
      g.up_bias = column_sums(w.dpre + F1 - F, F1, w.rows, F);
      g.down_bias = column_sums(w.dout, D, w.rows, D);
      for (Matrix<float>* b : {&g.gate_bias, &g.up_bias, &g.down_bias}) keep(b->data(), b->size());
    }
  }
  parallel_for(static_cast<Index>(parts.size()), [&](Index i) {
    const Part& p = at(parts, i);
    weight_rows(p.first, p.dy, p.stride, p.x, p.rows, *p.dW);
    keep(row(*p.dW, p.first), std::min(kGradRows, p.dW->rows() - p.first) * p.dW->cols());
  });
}

/// From the gradient of the weights of choices and the losses to the router's weights and to x.
void Layer::router_back() {
  if (!has_router(config_)) return;
  const auto [T, D, F, E, K] = Letters(config_);
  const Matrix<double> dr = logits_backward(config_, routed_, routed_grads_);
  const auto linear_back = [&, T = T, E = E, D = D](const Matrix<double>& exact, Tensor id, Linear& back,
                                                    Matrix<float>& dW) {
    if (back.blocks() == 0) back = load_map_back(inputs_, id, E, D, storage_);
    const Matrix<float> dz = with_spare_rows(exact);
    g_.x += mapped(back, T, dz.data());
    constexpr Index kColumns = 512;
    dW = zeros<float>(E, D);
    if (T == 0) return;
    parallel_for((D + kColumns - 1) / kColumns, [&](Index i) {
      const Index d = i * kColumns, n = std::min(kColumns, D - d);
      multiply_transposed(E, n, T, dz.data(), E, x_.data() + d, D, dW.data() + d, D);
    });
    keep(dW.data(), dW.size());
  };
  if (has_noise(config_)) linear_back(dr, Tensor::router_noise_weight, noise_router_back_, g_.noise_weight);
  linear_back(routed_grads_.logits, Tensor::router_weight, router_back_, g_.router_weight);
  if (config_.router.selection_bias) routed_grads_.selection_bias = zeros<double>(1, E);
}

/// (G1') in the order of the slots, and the shared expert's part.
void Layer::gather_back() {
  const auto [T, D, F, E, K] = Letters(config_);
  parallel_for(T, [&, D = D, K = K](Index t) {
    float* dx = row(g_.x, t);
    const auto add = [&](const float* from) {
      for (Index d = 0; d < D; ++d) dx[d] += from[d];
    };
    for (Index k = 0; k < K; ++k)
      if (const Index n = routed_.dispatch.row(t, k); n >= 0) add(row(dx_rows_, n));
    if (has_shared(config_)) add(row(shared_dx_, t));
    keep(dx, D);
  });
}

}  // namespace moe::cpu
