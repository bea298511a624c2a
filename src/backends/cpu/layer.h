#pragma once

#include "moe/backend.h"
#include "tiles.h"

/// The layer on this machine's CPU: f32, or bf16 weights and stages with sums in f32. The router's logits are f32; what
/// becomes of them is double, so that no score underflows and no long sum drifts, and made by the layer itself, but for what
/// takes time for every expert: choosing (choose.h) and scores (scores.h).
/// Guarantee: the same bits from run to run and for any number of threads.
namespace moe::cpu {

/// The gradients of one expert's weights.
struct WeightGrads {
  Rows gate, up, down;                          // (F, D), (F, D), (D, F)
  Matrix<float> gate_bias, up_bias, down_bias;  // single rows, where there are any
};

/// What our own loops read of a batch: f32 that hold numbers of the storage. All else is multiplied, and kept as Rows.
struct Stages {
  Floats x, dy;             // (T, D)
  Floats latent, latent_y;  // (T, L) what experts work on, and their sum, where that is not x
  Floats gate, up, out, y;  // (N, F), (N, F), (N, D), (T, D); L for D in a latent space
  Floats shared_gate, shared_up, shared_out;  // (T, Fs), (T, Fs), (T, D)
  Floats gated_out;                           // (T, D), where a gate scales shared_out
  Matrix<float> gate_logit;                   // (T, 1), of that gate
  std::vector<float> task;                    // (T) y dy of each token, where there is a dy
};
struct StageGrads {
  Floats x, hidden, dx_rows;       // (T, D), (N, F), (N, D)
  Floats shared_hidden, shared_x;  // (T, Fs), (T, D)
  Floats latent_x, latent_y;       // (T, L)
  Floats routed, from_latent;      // (T, D) on both sides of the latent space
  Matrix<float> latent_down, latent_up;
  Matrix<float> router_weight, router_bias, noise_weight, combine_bias, shared_gate;
};

class Layer final : public LoadedLayer {
 public:
  Layer(Config config, const Inputs& inputs, Format dtype);
  void forward(const Inputs& batch) override;
  void backward() override;
  Trace<double> trace() const override;
  Grads<double> grads(const Take& take) const override;
  Matrix<double> rows(Tensor id, Index first, Index n) const override;

 private:
  // forward.cpp
  void read_batch(const Inputs& batch);
  void route();
  void map_tokens(const Linear& map, const Floats& b, Matrix<double>& z) const;
  void map_rows(const Linear& map, const Floats& from, Floats& to) const;
  void keep_rows(Floats& rows) const;
  const Floats& worked_on() const;
  Index width_of(Index e) const;
  Decisions choose_noisily();
  Decisions choose();
  void score_all();
  void gather();
  void gather_row(Index t, Index k, Index same, Index n);
  void run_experts();
  Experts form_of(const Work& work) const;
  float weight_of(Index t, Index k) const;
  float routed_share() const;
  float shared_share() const;
  void activate(const Work& work, const Tile& tile, float* made) const;
  void finish_out();
  void run_shared();
  const Floats& shared_output() const;
  const float* of_slot(const Floats& rows, Index t, Index k) const;
  void sum_rows(Index t, float* r) const;
  void raise_sums();
  void combine();
  Losses<double> losses() const;
  Expert& expert_of(Index e);
  Storage kept_as(Index e) const;

  // backward.cpp
  void raise_sums_back();
  void combine_back();
  void combine_bias_back();
  void shared_back();
  void run_experts_back();
  void weigh_back();
  void slope(const Work& work, const Tile& tile, float* dhidden) const;
  void weights_back();
  void router_back();
  void gather_row_back(Index t, float* dx) const;
  void latent_back();
  void gather_back();

  /// What a stage or a gradient keeps of n sums.
  void keep(float* x, Index n) const;
  /// ... where it is multiplied next; x may be changed.
  void keep(float* x, Index n, const Part& to, Index i, Index j) const;

  Config config_;
  const Inputs& inputs_;
  Storage storage_;
  Storage shared_storage_;  // in which the shared expert is multiplied: f32 where a gate scales its output
  std::vector<Expert> experts_;  // E, and the shared one; without maps until they are used
  Linear router_, noise_router_, router_back_, noise_router_back_;
  Linear latent_down_, latent_up_, latent_down_back_, latent_up_back_;
  Matrix<double> selection_bias_;  // (1, E)
  Floats router_bias_;             // (1, E)
  Matrix<double> expert_scale_;    // (1, E)
  Floats combine_bias_;            // (1, D)
  Floats shared_gate_;             // (1, D)

  // The last batch.
  Stages a_;
  Matrix<double> noise_, uniform_;  // (T, E), (1, T)
  Trace<double> routed_;            // router, dispatch and loss
  Matrix<float> weights_;           // (T, K) as the combine uses them
  Rows gathered_, hidden_;          // (N, D), (N, F)
  Rows shared_x_, shared_hidden_;   // (T, D), (T, Fs)
  std::vector<Work> work_;          // of the experts that have rows

  Grads<double> routed_grads_;  // of what is in routed_
  StageGrads g_;
  Rows dout_, dpre_;                   // (N, D), (N, F1)
  Rows shared_dout_, shared_dpre_;     // (T, D), (T, F1)
  std::vector<WeightGrads> dweights_;  // as experts_
  std::vector<char> has_rows_;         // whether those are of the last batch, or 0
};

}  // namespace moe::cpu
