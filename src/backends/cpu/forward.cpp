#include "../backends.h"
#include "activations.h"
#include "choose.h"
#include "layer.h"
#include "moe/parallel.h"
#include "moe/validate.h"
#include "numbers.h"
#include "scores.h"

namespace moe::cpu {
namespace {

/// The factor of (R0), in f32 as the logits are.
void scale_logits(const Router& router, Matrix<double>& z) {
  if (!scales_logits(router)) return;
  const auto m = static_cast<float>(router.logit_scale);
  for (Index i = 0; i < z.size(); ++i) z.data()[i] = static_cast<double>(m * static_cast<float>(z.data()[i]));
}

}  // namespace

Layer::Layer(Config config, const Inputs& inputs, Format dtype)
    : config_(std::move(config)),
      inputs_(inputs),
      storage_(dtype == Format::BF16 ? Storage::BF16 : Storage::F32),
      shared_storage_(gates_shared(config_) ? Storage::F32 : storage_) {
  const auto [T, D, F, E, K] = Letters(config_);
  if (has_router(config_)) router_ = load_map(inputs, Tensor::router_weight, E, D, storage_);
  if (learns_noise(config_)) noise_router_ = load_map(inputs, Tensor::router_noise_weight, E, D, storage_);
  const Index L = config_.experts.latent_size;
  if (has_latent(config_)) {
    latent_down_ = load_map(inputs, Tensor::latent_down, L, D, storage_);
    latent_up_ = load_map(inputs, Tensor::latent_up, D, L, storage_);
  }
  Floats bias;
  load_matrix(inputs, Tensor::router_selection_bias, 1, E, storage_, bias);
  selection_bias_ = widened(bias, 0, bias.rows());
  load_matrix(inputs, Tensor::router_bias, 1, E, storage_, router_bias_);
  Floats factors;
  load_matrix(inputs, Tensor::router_expert_scale, 1, E, storage_, factors);
  expert_scale_ = widened(factors, 0, factors.rows());
  load_matrix(inputs, Tensor::combine_bias, 1, D, storage_, combine_bias_);
  load_matrix(inputs, Tensor::shared_gate_weight, 1, D, storage_, shared_gate_);
  experts_.resize(static_cast<std::size_t>(E + (has_shared(config_) ? 1 : 0)));
  // Weights that are only a recipe may be more than fits: they are made where an expert is first used.
  if (inputs.at(Tensor::experts_up).bytes.empty()) return;
  for (Index e = 0; e < static_cast<Index>(experts_.size()); ++e)
    if (e < computed_experts(config_) || e == E) expert_of(e);
}

Expert& Layer::expert_of(Index e) {
  Expert& expert = at(experts_, e);
  if (expert.F == 0) expert = load_expert(config_, inputs_, e, storage_, kept_as(e));
  return expert;
}

Storage Layer::kept_as(Index e) const { return e == config_.shape.num_experts ? shared_storage_ : storage_; }

void Layer::keep(float* x, Index n) const {
  if (storage_ == Storage::BF16) round_to_bf16(x, n);
}
void Layer::keep(float* x, Index n, const Part& to, Index i, Index j) const {
  if (!to.of->narrow()) keep(x, n);  // else it rounds
  to.put(i, j, x, n);
}

void Layer::forward(const Inputs& batch) {
  read_batch(batch);
  route();
  gather();
  run_experts();
  run_shared();
  combine();
  routed_.loss = losses();
}

void Layer::read_batch(const Inputs& batch) {
  require_batch(config_, batch);
  const Index T = batch.at(Tensor::x).dims.front(), D = config_.shape.hidden_size;
  if (T != config_.shape.num_tokens) {
    config_.shape.num_tokens = T;
    validate(config_);
  }
  load_matrix(batch, Tensor::x, T, D, storage_, a_.x);
  load_matrix(batch, Tensor::dy, T, D, storage_, a_.dy);
  const auto exact = [&](Tensor id, Index rows, Index cols) {
    const auto found = batch.find(id);
    Matrix<double> m(found == batch.end() ? 0 : rows, cols);
    if (m.size() > 0) found->second.reals(0, {m.data(), static_cast<std::size_t>(m.size())});
    return m;
  };
  uniform_ = exact(Tensor::noise_second_policy, 1, T);
  noise_ = exact(learns_noise(config_) ? Tensor::noise_gaussian_learned : Tensor::noise_gaussian_fixed, T,
                 config_.shape.num_experts);
}

/// (R1) to (R6), (N1) and the plan.
void Layer::route() {
  const auto [T, D, F, E, K] = Letters(config_);
  if (!has_router(config_)) {
    routed_.dispatch = decide_for(config_, Matrix<double>(), zeros<std::int32_t>(T, 1)).plan;
    weights_ = Matrix<float>::Constant(T, K, 1);
    routed_.router.weights = weights_.cast<double>();
    return;
  }
  Routing<double>& r = routed_.router;  // of this batch, in the memory of the last
  Decisions made = has_noise(config_) ? choose_noisily() : choose();
  routed_.dispatch = std::move(made.plan);
  r.retopk = std::move(made.retopk), r.runner_up = std::move(made.runner_up);
  score_all();
  weights_forward(config_.router, selection_bias_, made.expert, routed_.dispatch, r, in_parallel,
                  expert_scale_);
  if (updates_bias(config_))
    r.next_bias = updated_bias(config_.bias_update, selection_bias_, routed_.dispatch);
  weights_ = r.weights.cast<float>();
}

/// (R0): z (T, E) = x times one of the router's maps, plus b (1, E) or nothing.
void Layer::map_tokens(const Linear& map, const Floats& b, Matrix<double>& z) const {
  z.resize(config_.shape.num_tokens, map.outputs());
  run_tiles(map, z.rows(), a_.x.row(0), [&](const Tile& tile, const float* made) {
    for (Index i = 0; i < tile.rows; ++i) {
      const float* sums = made + i * tile.width;
      double* to = row(z, tile.first + i) + tile.column;
      std::copy_n(sums, tile.width, to);
      for (Index j = 0; b.rows() > 0 && j < tile.width; ++j) to[j] = sums[j] + b.row(0)[tile.column + j];
    }
  });
}

Decisions Layer::choose() {
  const auto [T, D, F, E, K] = Letters(config_);
  const Matrix<double>& z = routed_.router.logits;
  map_tokens(router_, router_bias_, routed_.router.logits);
  scale_logits(config_.router, routed_.router.logits);
  const bool rare = caps_logits(config_.router) || closed_compete(config_.router) || config_.router.sinks > 0;
  if (rare)  // and the layer's own
    return decide_for(config_, z, choose_experts(config_.router, z, selection_bias_, K), {uniform_, {}});
  const double* bias = selection_bias_.size() > 0 ? selection_bias_.data() : nullptr;
  IdMatrix expert(T, K);
  in_parallel(T, [&, E = E, K = K](Index first, Index last) {
    thread_local Chooser choose;
    for (Index t = first; t < last; ++t) choose(config_.router, row(z, t), bias, E, K, row(expert, t));
  });
  return decide_for(config_, z, std::move(expert), {uniform_, {}});
}

Decisions Layer::choose_noisily() {
  Routing<double>& r = routed_.router;
  map_tokens(router_, router_bias_, r.noise.clean);
  if (learns_noise(config_)) map_tokens(noise_router_, Floats(), r.noise.raw);
  scale_logits(config_.router, r.noise.clean);
  r.noise.noise = std::move(noise_);
  r.logits = noise_forward(config_.noise, r.noise);
  NoisyChoice choice = choose_noisy(config_.noise, r.noise, r.logits, config_.shape.top_k);
  Decisions made = decide_for(config_, r.logits, std::move(choice.expert));
  made.runner_up = std::move(choice.runner_up);
  return made;
}

/// (R2): tokens do not depend on each other, so threads take some of them each.
void Layer::score_all() {
  Routing<double>& r = routed_.router;
  const Index T = r.logits.rows(), E = r.logits.cols();
  r.scores.resize(T, E), r.logsumexp.resize(T, 1), r.capped.resize(caps_logits(config_.router) ? T : 0, E);
  in_parallel(T, [&](Index first, Index last) {
    for (Index t = first; t < last; ++t) {
      if (caps_logits(config_.router)) {
        const std::vector<double> drawn = capped(config_.router, row(r.logits, t), E);
        std::copy(drawn.begin(), drawn.end(), row(r.capped, t));
      }
      r.logsumexp(t, 0) = score(config_.router.score_function, row(scored(r), t), E, row(r.scores, t));
    }
  });
}

/// (B0), where there is a dy.
Losses<double> Layer::losses() const {
  Losses<double> loss;
  loss.aux.resize(config_.aux.size());
  if (a_.dy.empty()) return loss;
  for (const float part : a_.task) loss.task += static_cast<double>(part);
  loss.total = loss.task;
  for (std::size_t i = 0; i < config_.aux.size(); ++i) {
    loss.aux[i] = aux_forward(config_, config_.aux[i], routed_.router, routed_.dispatch);
    loss.total += config_.aux[i].coefficient * loss.aux[i];
  }
  return loss;
}

/// The rows of every expert beside each other, and who works on which.
void Layer::gather() {
  const auto [T, D, F, E, K] = Letters(config_);
  const Index N = routed_.dispatch.N(), computed = computed_experts(config_),
              rows_computed = routed_.dispatch.first(computed), W = expert_width(config_);
  if (has_latent(config_)) map_rows(latent_down_, a_.x, a_.latent), keep_rows(a_.latent);
  gathered_.prepare(N, W, storage_);
  parallel_for(T, [&, K = K](Index t) {
    Index first = -1;  // where it is already, in its format
    for (Index k = 0; k < K; ++k) {
      const Index n = routed_.dispatch.row(t, k);
      if (n < 0) continue;
      gather_row(t, k, first, n);
      first = n;
    }
  });
  if (config_.experts.glu) a_.gate.prepare(rows_computed, F);
  a_.up.prepare(rows_computed, F), hidden_.prepare(rows_computed, F, storage_), a_.out.prepare(N, W);
  for (Index n = rows_computed; n < N; ++n) gathered_.get(n, 0, W, a_.out.row(n));  // (X4)
  work_.clear();
  for (Index e = 0; e < computed; ++e) {
    const Index first = routed_.dispatch.first(e), rows = routed_.dispatch.count(e);
    if (rows == 0) continue;
    float* gate = config_.experts.glu ? a_.gate.row(first) : nullptr;
    work_.push_back({e,
                     &expert_of(e),
                     rows,
                     {&gathered_, first},
                     gate,
                     a_.up.row(first),
                     {&hidden_, first},
                     a_.out.row(first)});
  }
  if (!has_shared(config_)) return;
  const Index Fs = config_.shared.ffn_size;
  if (config_.experts.glu) a_.shared_gate.prepare(T, Fs);
  a_.shared_up.prepare(T, Fs), a_.shared_out.prepare(T, D);
  shared_x_.prepare(T, D, shared_storage_), shared_hidden_.prepare(T, Fs, shared_storage_);
  parallel_for(T, [&, D = D](Index t) { shared_x_.put(t, 0, a_.x.row(t), D); });
  if (T > 0)
    work_.push_back({E,
                     &expert_of(E),
                     T,
                     {&shared_x_, 0},
                     config_.experts.glu ? a_.shared_gate.row(0) : nullptr,
                     a_.shared_up.row(0),
                     {&shared_hidden_, 0},
                     a_.shared_out.row(0)});
}

/// Row n of (G1), which row `same` has already if that is not negative, or (G2).
void Layer::gather_row(Index t, Index k, Index same, Index n) {
  const Index W = expert_width(config_);
  const float* x = worked_on().row(t);
  if (weighs_input(config_)) {
    thread_local std::vector<float> line;
    line.resize(static_cast<std::size_t>(W));
    scale(weights_(t, k), x, W, line.data());
    return keep(line.data(), W, {&gathered_, n}, 0, 0);
  }
  same < 0 ? gathered_.put(n, 0, x, W) : gathered_.copy(same, n);
}

/// (X1) to (X3)
void Layer::run_experts() {
  run_tiles(work_, &Expert::in, &Work::x,
            [&](const Work& w, const Tile& tile, float* made) { activate(w, tile, made); });
  run_tiles(work_, &Expert::out, &Work::hidden, &Work::out);
  finish_out();
}

/// The bias of (X3), and what is kept of the shared expert's sums; a routed one's are not stored.
void Layer::finish_out() {
  constexpr Index kPart = 64;
  std::vector<std::pair<const Work*, Index>> parts;  // of so many rows
  for (const Work& w : work_)
    if (w.expert->down_bias.size() > 0 || (w.e == config_.shape.num_experts && storage_ == Storage::BF16))
      for (Index first = 0; first < w.rows; first += kPart) parts.emplace_back(&w, first);
  parallel_for(static_cast<Index>(parts.size()), [&](Index p) {
    const auto [w, first] = at(parts, p);
    const Matrix<float>& bias = w->expert->down_bias;
    const Index D = width_of(w->e);
    for (Index i = first; i < std::min(first + kPart, w->rows); ++i) {
      if (bias.size() > 0) add(bias.data(), D, w->out + i * D);
      if (w->e == config_.shape.num_experts) keep(w->out + i * D, D);
    }
  });
}

Experts Layer::form_of(const Work& work) const {
  return work.e == config_.shape.num_experts ? shared_form(config_) : config_.experts;
}
/// (H3): what y has of the rest and of the shared expert; 1 where it is no mean.
float Layer::routed_share() const {
  const auto n = static_cast<float>(routed_parts(config_));
  return averages_shared(config_) ? n / (n + 1) : 1.0F;
}
float Layer::shared_share() const {
  return averages_shared(config_) ? 1 / (static_cast<float>(routed_parts(config_)) + 1) : 1.0F;
}
/// What a row is multiplied by where rows are combined.
float Layer::weight_of(Index t, Index k) const { return weighs_input(config_) ? 1.0F : weights_(t, k); }

/// (X2) on a tile of the pre-activations: of gate and then of the same columns of up, or of up alone.
void Layer::activate(const Work& work, const Tile& tile, float* made) const {
  const Expert& expert = *work.expert;
  const Experts form = form_of(work);
  const bool glu = form.glu;
  const Index n = glu ? tile.width / 2 : tile.width, column = glu ? tile.column / 2 : tile.column;
  for (Index i = 0; expert.up_bias.size() > 0 && i < tile.rows; ++i) {
    float *g = made + i * tile.width, *u = glu ? g + n : g;
    add(expert.up_bias.data() + column, n, u);
    if (glu) add(expert.gate_bias.data() + column, n, g);
  }
  keep(made, tile.rows * tile.width);
  thread_local std::vector<float> made_hidden;
  made_hidden.resize(static_cast<std::size_t>(n));
  float* h = made_hidden.data();
  for (Index i = 0; i < tile.rows; ++i) {
    const Index at = (tile.first + i) * expert.F + column;
    const float *g = made + i * tile.width, *u = glu ? g + n : g;
    std::copy_n(u, n, work.up + at);
    if (glu) std::copy_n(g, n, work.gate + at);
    cpu::activate(form, g, glu ? u : nullptr, n, h);
    keep(h, n, work.hidden, tile.first + i, column);
  }
}

/// (H1), (H2)
void Layer::run_shared() {
  if (!has_shared(config_) || !gates_shared(config_)) return;
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size;
  a_.gate_logit.resize(T, 1), a_.gated_out.prepare(T, D);
  parallel_for(T, [&](Index t) {
    a_.gate_logit(t, 0) = dot_of(a_.x.row(t), shared_gate_.row(0), D);
    scale(sigmoid(a_.gate_logit(t, 0)), a_.shared_out.row(t), D, a_.gated_out.row(t));
  });
}
const Floats& Layer::shared_output() const { return gates_shared(config_) ? a_.gated_out : a_.shared_out; }

/// The row of token t's choice k among those of experts; null where it was dropped, and beyond the last choice.
const float* Layer::of_slot(const Floats& rows, Index t, Index k) const {
  const Index n = k < config_.shape.top_k ? routed_.dispatch.row(t, k) : -1;
  return n < 0 ? nullptr : rows.row(n);
}

/// (C1), (C2): the slots of token t in their order.
void Layer::sum_rows(Index t, float* r) const {
  const Index W = expert_width(config_);
  std::fill_n(r, W, 0.0F);
  const auto add_weighted = storage_ == Storage::BF16 ? add_scaled_in_bf16 : add_scaled;
  for (Index k = 0; k < config_.shape.top_k; ++k)
    if (const float* out = of_slot(a_.out, t, k); out != nullptr)
      add_weighted(weight_of(t, k), out, W, r, of_slot(a_.out, t, k + 1));
}

/// (C1) to (C3), token by token, then the shared expert; and while y is in a cache, (B0) of it.
void Layer::combine() {
  const auto [T, D, F, E, K] = Letters(config_);
  const DroppedOutput dropped = config_.capacity.dropped_output;
  a_.y.prepare(T, D);
  if (has_latent(config_)) raise_sums();
  a_.task.resize(a_.dy.empty() ? 0 : static_cast<std::size_t>(T));
  parallel_for(T, [&, D = D](Index t) {
    float* y = a_.y.row(t);
    if (!has_latent(config_)) sum_rows(t, y);
    if (leaves_x(dropped) && all_dropped(routed_.dispatch, t))
      add_scaled(keeps_x(dropped) ? 1.0F : weights_(t, 0), a_.x.row(t), D, y);
    if (biases_sum(config_)) add(combine_bias_.row(0), D, y);
    if (averages_shared(config_)) {
      scale(routed_share(), y, D, y);
      add_scaled(shared_share(), shared_output().row(t), D, y);
    } else if (has_shared(config_)) {
      add(shared_output().row(t), D, y);
    }
    keep(y, D);
    if (!a_.dy.empty()) at(a_.task, t) = dot_of(y, a_.dy.row(t), D);
  });
}

}  // namespace moe::cpu
