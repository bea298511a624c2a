#include "backends.h"
#include "moe/parallel.h"
#include "moe/validate.h"

// The layer itself at double, as a backend.
namespace moe {
namespace {

class Reference final : public LoadedLayer {
 public:
  Reference(Config config, const Inputs& weights) : config_(std::move(config)), weights_(weights) {}

  void forward(const Inputs& batch) override {
    require_batch(config_, batch);
    for (const auto& [id, a] : batch)
      if (is_of_batch(id)) batch_[id] = a;
    config_.shape.num_tokens = batch.at(Tensor::x).dims.front();
    validate(config_);
    trace_ = layer_forward(config_, params(), decide(config_, params()));
  }
  void backward() override {
    dweights_.clear();
    grads_ = layer_backward(config_, params(), trace_,
                            [&](Index, ExpertWeightGrads<double> g) { dweights_.push_back(std::move(g)); });
  }
  Trace<double> trace() const override { return trace_; }
  Grads<double> grads(const Take& take) const override {
    for (std::size_t e = 0; e < dweights_.size(); ++e) take(static_cast<Index>(e), dweights_[e]);
    return grads_;
  }
  Matrix<double> rows(Tensor id, Index first, Index n) const override {
    return (id == Tensor::y ? trace_.y : grads_.x).middleRows(first, n);
  }

 private:
  Params<double> params() const {
    Params<double> all = params_of<double>(config_, weights_, {}, loop_for(config_)),
                   of_batch = params_of<double>(config_, batch_);
    all.x = std::move(of_batch.x), all.dy = std::move(of_batch.dy);
    all.noise = std::move(of_batch.noise), all.second_policy = std::move(of_batch.second_policy);
    return all;
  }

  Config config_;
  const Inputs& weights_;
  Inputs batch_;
  Trace<double> trace_;
  Grads<double> grads_;
  std::vector<ExpertWeightGrads<double>> dweights_;
};

}  // namespace

const Backend kReferenceBackend{
    "reference",
    [](const Config&, Format dtype) -> std::string {
      if (dtype == Format::F64) return "";
      return std::string("backend reference computes in f64, not in ") + info_of(dtype).name;
    },
    [](const Config& config, const Inputs& inputs, Format) -> std::unique_ptr<LoadedLayer> {
      return std::make_unique<Reference>(config, inputs);
    },
    Format::F64, [] { return std::string(); }};

}  // namespace moe
