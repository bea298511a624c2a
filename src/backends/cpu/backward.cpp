#include "activations.h"
#include "layer.h"
#include "moe/parallel.h"
#include "numbers.h"
#include "scores.h"

namespace moe::cpu {
namespace {

constexpr Index kGradRows = 256;  // of weights that one thread computes at a time

/// (L1b) of columns [first, first + n).
Matrix<float> column_sums(const Part& dy, Index first, Index rows, Index n) {
  Matrix<float> db = zeros<float>(1, n);
  std::vector<float> line(static_cast<std::size_t>(n));
  for (Index i = 0; i < rows; ++i) {
    dy.get(i, first, n, line.data());
    add(line.data(), n, db.data());
  }
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
  if (a_.dy.empty() && config_.shape.num_tokens > 0)
    throw Error("dy", "dy must be part of the batch where gradients are asked for");
  raise_sums_back();
  combine_back();
  combine_bias_back();
  shared_back();
  run_experts_back();
  weigh_back();
  weights_back();
  router_back();
  latent_back();
  gather_back();
}

/// (C1'), (C3')
void Layer::combine_back() {
  const auto [T, D, F, E, K] = Letters(config_);
  const Index W = expert_width(config_);
  const DroppedOutput dropped = config_.capacity.dropped_output;
  routed_grads_.topk_weights = zeros<double>(T, K);
  g_.x.prepare(T, D);
  dout_.prepare(routed_.dispatch.N(), W, storage_);
  parallel_for(T, [&, D = D, K = K](Index t) {
    thread_local std::vector<float> line, part;
    line.resize(static_cast<std::size_t>(W)), part.resize(static_cast<std::size_t>(D));
    const float* dy = has_latent(config_) ? g_.latent_y.row(t) : a_.dy.row(t);
    if (averages_shared(config_) && !has_latent(config_)) {
      scale(routed_share(), dy, D, part.data());
      dy = part.data();
    }
    std::fill_n(g_.x.row(t), D, 0.0F);
    for (Index k = 0; k < K; ++k)
      if (const Index n = routed_.dispatch.row(t, k); n >= 0) {
        if (!weighs_input(config_))
          routed_grads_.topk_weights(t, k) =
              static_cast<double>(dot_of(a_.out.row(n), dy, W, of_slot(a_.out, t, k + 1)));
        scale(weight_of(t, k), dy, W, line.data());
        keep(line.data(), W, {&dout_, n}, 0, 0);
      }
    if (!leaves_x(dropped) || !all_dropped(routed_.dispatch, t)) return;
    scale(keeps_x(dropped) ? 1.0F : weights_(t, 0), dy, D, g_.x.row(t));
    if (scales_x(dropped)) routed_grads_.topk_weights(t, 0) = static_cast<double>(dot_of(a_.x.row(t), dy, D));
  });
}

/// (C2')
void Layer::combine_bias_back() {
  if (!biases_sum(config_)) return;
  const Index D = config_.shape.hidden_size;
  g_.combine_bias = zeros<float>(1, D);
  for (Index t = 0; t < config_.shape.num_tokens; ++t)
    add_scaled(routed_share(), a_.dy.row(t), D, g_.combine_bias.data());
  keep(g_.combine_bias.data(), D);
}

/// (H1'), (H2')
void Layer::shared_back() {
  if (!has_shared(config_)) return;
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size;
  shared_dout_.prepare(T, D, shared_storage_);
  const bool gated = gates_shared(config_);
  Matrix<float> da(T, 1);
  parallel_for(T, [&](Index t) {
    thread_local std::vector<float> line;
    line.resize(static_cast<std::size_t>(D));
    if (averages_shared(config_)) {
      scale(shared_share(), a_.dy.row(t), D, line.data());
      return shared_dout_.put(t, 0, line.data(), D);
    }
    if (!gated) return shared_dout_.put(t, 0, a_.dy.row(t), D);
    scale(sigmoid(a_.gate_logit(t, 0)), a_.dy.row(t), D, line.data());
    shared_dout_.put(t, 0, line.data(), D);  // not stored by any profile: f32
    da(t, 0) = dot_of(a_.shared_out.row(t), a_.dy.row(t), D) * SigmoidSlope()(a_.gate_logit(t, 0));
    add_scaled(da(t, 0), shared_gate_.row(0), D, g_.x.row(t));
  });
  if (!gated) return;
  g_.shared_gate = zeros<float>(1, D);
  for (Index t = 0; t < T; ++t) add_scaled(da(t, 0), a_.x.row(t), D, g_.shared_gate.data());
  keep(g_.shared_gate.data(), D);
}

/// (X3') to (X1'), but for the gradients of weights.
void Layer::run_experts_back() {
  const auto [T, D, F, E, K] = Letters(config_);
  const Index N = routed_.dispatch.N(), rows_computed = routed_.dispatch.first(computed_experts(config_)),
              parts = config_.experts.glu ? 2 : 1, Fs = config_.shared.ffn_size, W = expert_width(config_);
  g_.hidden.prepare(rows_computed, F), dpre_.prepare(rows_computed, parts * F, storage_);
  g_.dx_rows.prepare(N, W);
  for (Index n = rows_computed; n < N; ++n) dout_.get(n, 0, W, g_.dx_rows.row(n));  // (X4')
  if (has_shared(config_))
    g_.shared_hidden.prepare(T, Fs), shared_dpre_.prepare(T, parts * Fs, shared_storage_),
        g_.shared_x.prepare(T, D);
  for (Work& w : work_) {
    Expert& expert = expert_of(w.e);
    if (expert.in_back.blocks() == 0) load_transposes(config_, inputs_, w.e, storage_, kept_as(w.e), expert);
    const bool shared = w.e == E;
    const Index first = shared ? 0 : routed_.dispatch.first(w.e);
    w.dout = {shared ? &shared_dout_ : &dout_, first};
    w.dhidden = (shared ? g_.shared_hidden : g_.hidden).row(first);
    w.dpre = {shared ? &shared_dpre_ : &dpre_, first};
    w.dx = (shared ? g_.shared_x : g_.dx_rows).row(first);
  }
  run_tiles(work_, &Expert::out_back, &Work::dout,
            [&](const Work& w, const Tile& tile, float* made) { slope(w, tile, made); });
  run_tiles(work_, &Expert::in_back, &Work::dpre, &Work::dx);
}

/// (G2'); gather_back does the rest of it.
void Layer::weigh_back() {
  if (!weighs_input(config_)) return;
  const Index K = config_.shape.top_k, W = expert_width(config_);
  parallel_for(config_.shape.num_tokens, [&](Index t) {
    for (Index k = 0; k < K; ++k)
      if (const Index n = routed_.dispatch.row(t, k); n >= 0) {
        keep(g_.dx_rows.row(n), W);
        routed_grads_.topk_weights(t, k) +=
            static_cast<double>(dot_of(g_.dx_rows.row(n), worked_on().row(t), W));
      }
  });
}

/// (X2') on a tile of the gradient of hidden.
void Layer::slope(const Work& work, const Tile& tile, float* dhidden) const {
  const Index F = work.expert->F, n = tile.width;
  const Experts form = form_of(work);
  const bool glu = form.glu;
  thread_local std::vector<float> made;
  made.resize(static_cast<std::size_t>(2 * n));
  float *dz = made.data(), *du = dz + n;
  for (Index i = 0; i < tile.rows; ++i) {
    const Index at = (tile.first + i) * F + tile.column;
    const float *g = work.gate + at, *u = work.up + at;
    float* dh = dhidden + i * n;
    keep(dh, n), std::copy_n(dh, n, work.dhidden + at);
    activate_back(form, glu ? g : u, glu ? u : nullptr, dh, n, dz, glu ? du : nullptr);
    keep(dz, n, work.dpre, tile.first + i, tile.column);
    if (glu) keep(du, n, work.dpre, tile.first + i, F + tile.column);
  }
}

/// (X1') and (X3') of the weights. Nothing is computed for an expert without rows; its memory stays for later batches.
void Layer::weights_back() {
  struct Piece {  // rows [first, first + some) of dW = dy^T x for dy (rows, n) and x (rows, m): (L1")
    Operand dy;
    Part x;
    Index rows, first, some;
    Rows* dW;
  };
  std::vector<Piece> pieces;
  dweights_.resize(experts_.size());
  has_rows_.assign(experts_.size(), 0);
  for (const Work& w : work_) {
    const Index F = w.expert->F, F1 = w.expert->F1, D = width_of(w.e);
    WeightGrads& g = at(dweights_, w.e);
    at(has_rows_, w.e) = 1;
    const auto add = [&](const Part& dy, Index column, Index n, const Part& x, Index m, Rows& dW) {
      dW.prepare(n, m, storage_);
      for (Index first = 0; first < n; first += kGradRows)
        pieces.push_back(
            Piece{dy.from(0, column + first), x, w.rows, first, std::min(kGradRows, n - first), &dW});
    };
    if (config_.experts.glu) add(w.dpre, 0, F, w.x, D, g.gate);
    add(w.dpre, F1 - F, F, w.x, D, g.up);
    add(w.dout, 0, D, w.hidden, F, g.down);
    if (w.expert->up_bias.size() > 0) {
      if (config_.experts.glu) g.gate_bias = column_sums(w.dpre, 0, w.rows, F);
      g.up_bias = column_sums(w.dpre, F1 - F, w.rows, F);
      g.down_bias = column_sums(w.dout, 0, w.rows, D);
      for (Matrix<float>* b : {&g.gate_bias, &g.up_bias, &g.down_bias}) keep(b->data(), b->size());
    }
  }
  parallel_for(static_cast<Index>(pieces.size()), [&](Index i) {
    const Piece& p = at(pieces, i);
    multiply_transposed(p.some, p.rows, p.dy, p.x, *p.dW, p.first);
    if (!p.dW->narrow()) keep(static_cast<float*>(p.dW->to(p.first)), p.some * p.dW->cols());
  });
}

/// From the gradient of the weights of choices and the losses to the router's weights and to x.
void Layer::router_back() {
  if (!has_router(config_)) return;
  const auto [T, D, F, E, K] = Letters(config_);
  const Matrix<double> dr =
      logits_backward(config_, routed_, routed_grads_, in_parallel, score_back, expert_scale_);
  const auto linear_back = [&, T = T, E = E, D = D](const Matrix<double>& exact, Tensor id, Linear& back,
                                                    Matrix<float>& dW) {
    if (back.blocks() == 0) back = load_map_back(inputs_, id, E, D, storage_);
    const Matrix<float> dz = with_spare_rows(exact);
    run_tiles(back, T, dz.data(), [&](const Tile& tile, const float* dx) {
      for (Index i = 0; i < tile.rows; ++i)
        add(dx + i * tile.width, tile.width, g_.x.row(tile.first + i) + tile.column);
    });
    dW = weight_gradient(T, E, D, dz.data(), a_.x.row(0));
    keep(dW.data(), dW.size());
  };
  if (learns_noise(config_))
    linear_back(dr, Tensor::router_noise_weight, noise_router_back_, g_.noise_weight);
  const Matrix<double> dz = scaled_logits(config_, routed_grads_.logits);
  linear_back(dz, Tensor::router_weight, router_back_, g_.router_weight);
  if (config_.router.logit_bias) {
    g_.router_bias = dz.colwise().sum().cast<float>();
    keep(g_.router_bias.data(), E);
  }
  if (config_.router.selection_bias) routed_grads_.selection_bias = zeros<double>(1, E);
}

/// (G1') in the order of the slots: adds to dx what the rows of token t give.
void Layer::gather_row_back(Index t, float* dx) const {
  const Index W = expert_width(config_);
  for (Index k = 0; k < config_.shape.top_k; ++k)
    if (const float* part = of_slot(g_.dx_rows, t, k); part != nullptr)
      weighs_input(config_) ? add_scaled(weights_(t, k), part, W, dx)
                            : add(part, W, dx, of_slot(g_.dx_rows, t, k + 1));
}

/// What comes back by the rows of experts, where they work on x, and by the shared expert.
void Layer::gather_back() {
  const Index D = config_.shape.hidden_size;
  parallel_for(config_.shape.num_tokens, [&](Index t) {
    float* dx = g_.x.row(t);
    if (!has_latent(config_)) gather_row_back(t, dx);
    if (has_shared(config_)) add(g_.shared_x.row(t), D, dx);
    keep(dx, D);
  });
}

}  // namespace moe::cpu
