#pragma once

#include "moe/bugs.h"

/// The parts of the list, by stage, and what they share.
namespace moe {

std::vector<Bug> choice_bugs();
std::vector<Bug> dispatch_bugs();
std::vector<Bug> capacity_bugs();
std::vector<Bug> numeric_bugs();
std::vector<Bug> group_bugs();
std::vector<Bug> noise_bugs();
std::vector<Bug> layout_bugs();
std::vector<Bug> weight_bugs();
std::vector<Bug> pass_bugs();
std::vector<Bug> small_bugs();

/// The weights of experts a and b exchanged.
Bug exchanges(Index a, Index b);

/// Another convention: the config itself is changed.
inline Bug confuses(std::string name, std::function<void(Config&)> config) {
  Bug bug{std::move(name)};
  bug.config = std::move(config);
  return bug;
}

/// One value of a field taken for another.
template <typename Field>
void mistake(Field& field, Field right, Field wrong) {
  if (field == right) field = wrong;
}

/// Other numbers in the finished answer.
inline Bug changes(std::string name,
                   std::function<void(const Config&, const Inputs&, const Decisions&, Arrays&)> change) {
  Bug bug{std::move(name)};
  bug.tensors = std::move(change);
  return bug;
}

/// Is y, but for what the shared expert says, the sum of the rows of `combine.weighted`?
inline bool sums_rows(const Config& c) {
  return !has_latent(c) && !norms_output(c) && !biases_sum(c) && !rests_on_x(c);
}

/// The logits that a case routes by.
inline Matrix<double> logits_of(const Config& config, const Inputs& inputs) {
  const auto params = params_of<double>(config, inputs);
  return logits_forward(config, all_rows(params.x), params).logits;
}

/// The same decisions but for the experts, and the plan that follows from those.
inline void choose_instead(const Config& config, const Inputs& inputs, const Matrix<double>& z,
                           IdMatrix expert, Decisions& decisions) {
  decisions.expert = std::move(expert);
  const Lots<double> lots = lots_of(params_of<double>(config, inputs));
  set_plan(config, places(priority_keys(config, z, decisions.expert, lots)), decisions);
}

/// A tensor of an answer as doubles that can be changed; written back when it goes.
class Editable {
 public:
  Editable(Arrays& arrays, const std::string& name) {
    for (auto& [known, a] : arrays)
      if (known == name) array_ = &a;
    for (Index i = 0; i < size(); ++i) values_.push_back(array_->real(i));
  }
  ~Editable() {
    if (array_ != nullptr) *array_ = array_of(array_->dims, values_.data());
  }
  Editable(const Editable&) = delete;
  Editable& operator=(const Editable&) = delete;

  Index size() const { return array_ == nullptr ? 0 : array_->size(); }
  double& operator[](Index i) { return at(values_, i); }

 private:
  Array* array_ = nullptr;
  std::vector<double> values_;
};

/// The gradients of experts' weights: matrices first, then biases.
inline constexpr std::array<const char*, 6> kWeightGradients{
    "grad.experts.gate",      "grad.experts.up",      "grad.experts.down",
    "grad.experts.gate_bias", "grad.experts.up_bias", "grad.experts.down_bias"};

}  // namespace moe
