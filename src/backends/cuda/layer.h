#pragma once

#include "elements.h"
#include "losses.h"
#include "moe/backend.h"
#include "multiply.h"
#include "plan.h"
#include "routing.h"
#include "rows.h"
#include "weights.h"

/// The layer on an NVIDIA GPU: stages kept as S, sums in f64 for f64, else in f32. The router's logits are such sums; what
/// becomes of them is made in double. Everything from x to y and back is made on the device, but for two kinds of layer whose
/// few numbers of T x E or T x K the host makes, by the layer itself at double: those with noise, or with the losses of
/// importance and load, have their whole router there; those where a capacity has a priority, their plan.
/// Guarantee: the same bits from run to run on one kind of device.
namespace moe::cuda {

/// What is kept of the router of a batch, on the device; RouterView says what each is.
template <typename A>
struct RouterMemory {
  Memory<A> z, weights;
  Memory<double> scores, logsumexp, denominator, shares, groups, dw, ds, dz;
  Memory<std::int32_t> expert, retopk;
  Memory<std::uint8_t> taken;
  PlanMemory plan;
};

/// The stages of rows in experts, or of tokens in the shared one, and their gradients.
template <typename S>
struct StageMemory {
  Memory<S> x, pre, hidden;       // (N, D) gathered, (N, F1), (N, F)
  Memory<S> dout, dhidden, dpre;  // (N, D), (N, F), (N, F1)
  Memory<SumOf<S>> dx;            // (N, D)
};

/// The gradients of an expert's weights, as in Expert.
template <typename S>
struct WeightGrads {
  Memory<S> in, out, in_bias, out_bias;
};

/// A layer of any S, to be timed.
class TimedLayer : public LoadedLayer {
 public:
  virtual std::vector<PartTime> times(bool backward, int repeats) = 0;
};

template <typename S>
class Layer final : public TimedLayer {
 public:
  using A = SumOf<S>;
  Layer(Config config, const Inputs& inputs);
  void forward(const Inputs& batch) override;
  void backward() override;
  Trace<double> trace() const override;
  Grads<double> grads(const Take& take) const override;
  Matrix<double> rows(Tensor id, Index first, Index n) const override;
  std::vector<PartTime> times(bool backward, int repeats) override;

 private:
  // forward.cpp
  void read_batch(const Inputs& batch);
  void load_experts();
  void run_experts();
  void run_shared();
  void combine();
  Width width_of(const Expert<S>& expert) const;
  SlotsView<S> slots() const;

  // router.cpp
  bool router_on_host() const;
  bool drops_share() const { return shares_what_is_kept(config_.router); }
  void route();
  void route_on_host();
  void route_on_device();
  void plan();
  void put_plan(const Plan& plan);
  void make_losses();
  BalanceView balance_view(const Aux& aux, std::size_t i);
  void router_back();
  void logits_back();
  void linear_back(const A* dz, const Memory<S>& weight, Memory<S>& grad, bool add);
  RouterView<A> view();

  // backward.cpp
  void shared_back();
  void gated_shared_back();
  void run_experts_back();
  void weights_back(Lane& lane, Index rows, const Expert<S>& expert, const S* dout, const S* hidden,
                    const S* dpre, const S* x, WeightGrads<S>& g);
  const A* widened(const S* from, Index n, Memory<A>& room);
  void multiply_wide(Product product, Index m, Index n, Index k, const A* left, const A* right, S* to);

  // results.cpp
  Trace<double> router_trace() const;
  Losses<double> losses() const;
  ExpertWeightGrads<double> weight_grads(Index e, bool has_rows) const;

  // times.cpp
  double product_rate(int repeats);
  double routing_bytes() const;
  double unique_bytes(bool backward) const;

  Config config_;
  const Inputs& inputs_;
  mutable Lanes lanes_;
  std::vector<Expert<S>>
      experts_;  // E, and the shared one; those of recipes are not loaded until they are used
  Memory<S> router_, noise_router_;
  Memory<double> bias_;  // (E)
  Memory<A> gate_;       // (D) of the shared expert
  Matrix<double> bias_on_host_;

  // The last batch.
  bool has_dy_ = false;
  Memory<S> x_, dy_, y_, dx_;  // (T, D)
  Memory<double> uniform_;     // (T)
  Inputs noise_;               // what of the batch is noise
  RouterMemory<A> router_memory_;
  Trace<double> routed_;        // router, dispatch and losses, where the host makes them
  std::vector<Index> offsets_;  // (E + 1)
  StageMemory<S> stage_, shared_stage_;
  Memory<A> out_;                                 // (N, D)
  Memory<S> shared_out_;                          // (T, D)
  Memory<A> share_, share_slope_;                 // (T)
  Memory<double> of_token_, loss_;                // (T); task, and one for each auxiliary loss
  std::vector<Memory<unsigned long long>> load_;  // of each auxiliary loss

  Grads<double> routed_grads_;              // where the host makes them
  Memory<A> dz_, dr_, router_dx_;           // (T, E), (T, E), (T, D)
  Memory<A> df_, da_;                       // (T, D), (T) of the shared expert
  Memory<A> wide_, wide_weight_, product_;  // room
  Memory<S> ones_;
  Memory<S> router_grad_, noise_router_grad_, gate_grad_;
  std::vector<WeightGrads<S>> dweights_;
};

/// Elements of an input on the device; nothing for one that the layer has not.
template <typename S>
Memory<S> load(const Inputs& inputs, Tensor id, cudaStream_t stream) {
  Memory<S> memory;
  const auto found = inputs.find(id);
  if (found == inputs.end()) return memory;
  std::vector<S> numbers(static_cast<std::size_t>(found->second.size()));
  read(inputs, id, 0, found->second.size(), numbers.data());
  memory.put(numbers.data(), found->second.size(), stream);
  return memory;
}

}  // namespace moe::cuda
