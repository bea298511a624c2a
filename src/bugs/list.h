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

/// The logits that a case routes by.
inline Matrix<double> logits_of(const Config& config, const Inputs& inputs) {
  const auto params = params_of<double>(config, inputs);
  return logits_forward(config, all_rows(params.x), params).logits;
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
