#pragma once

#include "moe/backend.h"
#include "tiles.h"

/// The layer on this machine's CPU: f32, or bf16 weights and stages with sums in f32. The router's logits are f32; what
/// becomes of them, little work, is the layer itself at double, so that no score underflows and no long sum drifts.
/// Guarantee: the same bits from run to run and for any number of threads.
namespace moe::cpu {

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
  Routing<double> routing_of(Matrix<double> z, const IdMatrix& expert) const;
  void gather();
  void run_experts();
  void activate(const Work& work, const Tile& tile, float* made) const;
  void run_shared();
  void combine();
  Losses<double> losses() const;
  Expert& expert_of(Index e);

  // backward.cpp
  void combine_back();
  void shared_back();
  void run_experts_back();
  void slope(const Work& work, const Tile& tile, float* dhidden) const;
  void weights_back();
  void router_back();
  void gather_back();

  /// What a stage or a gradient keeps of n sums.
  void keep(float* x, Index n) const;

  Config config_;
  const Inputs& inputs_;
  Storage storage_;
  std::vector<Expert> experts_;  // E, and the shared one; without maps until they are used
  Linear router_, noise_router_, router_back_, noise_router_back_;
  Matrix<double> selection_bias_;  // (1, E)
  Matrix<float> shared_gate_;      // (1, D)

  // The last batch. Matrices whose rows are multiplied have kSpareRows more.
  Matrix<float> x_, dy_;            // (T, D)
  Matrix<double> noise_, uniform_;  // (T, E), (1, T)
  Trace<double> routed_;            // router, dispatch and loss
  Matrix<float> weights_;           // (T, K) as the combine uses them
  Trace<float> a_;                  // all else
  Matrix<float> gathered_;          // (N, D)
  std::vector<Work> work_;          // of the experts that have rows

  Grads<double> routed_grads_;                                            // of what is in routed_
  Grads<float> g_;                                                        // all else
  Matrix<float> dpre_, dx_rows_;                                          // (N, F1), (N, D)
  Matrix<float> shared_dout_, shared_dhidden_, shared_dpre_, shared_dx_;  // (T, D), (T, Fs), (T, F1), (T, D)
  std::vector<ExpertWeightGrads<float>> dweights_;                        // as experts_
  std::vector<char> has_rows_;  // whether those are of the last batch, or 0
};

/// Memory for rows x cols numbers, and in debug builds NaN in it, so that what is not written shows.
inline void prepare(Matrix<float>& m, Index rows, Index cols) {
  m.resize(rows, cols);
#ifndef NDEBUG
  m.setConstant(std::numeric_limits<float>::quiet_NaN());
#endif
}

}  // namespace moe::cpu
