#include "gradient.h"

#include <set>

#include "moe/json.h"
#include "moe/scalar/dual.h"

namespace moe {
namespace {

/// The stages that the direction moves. Where the weights are a softmax of the chosen logits they do not pass through
/// the scores, whose gradient says what it would be if they did: (R3') and the law in test_layer.cpp speak for that one.
std::vector<Tensor> stages_of(const Config& config) {
  using enum Tensor;
  std::vector<Tensor> stages{expert_up, expert_hidden, expert_out};
  if (config.experts.glu) stages.push_back(expert_gate);
  if (norms_output(config)) stages.push_back(combine_sum);
  if (has_latent(config)) stages.insert(stages.end(), {latent_x, latent_y});
  if (norms_latent(config)) stages.push_back(latent_normed);
  if (norms_experts(config)) stages.push_back(expert_normed);
  if (!has_router(config)) return stages;
  stages.insert(stages.end(), {router_logits, router_topk_weights});
  if (weighs_input(config)) stages.push_back(expert_in);
  if (has_noise(config)) stages.push_back(router_noisy_logits);
  if (!weights_by_logits(config.router)) stages.push_back(router_scores);
  return stages;
}

/// Sets Dual<Ball>::nudge for a scope: element after element of each stage, as they are stored.
class Nudge {
 public:
  Nudge(const Config& config, Direction direction) {
    for (const Tensor id : stages_of(config)) stored_.emplace(id, 0);
    Dual<Ball>::nudge = [this, direction](Tensor id) {
      const auto found = stored_.find(id);
      return found == stored_.end() ? 0.0 : direction(id, found->second++);
    };
  }
  ~Nudge() { Dual<Ball>::nudge = nullptr; }
  Nudge(const Nudge&) = delete;
  Nudge& operator=(const Nudge&) = delete;

 private:
  std::map<Tensor, Index> stored_;
};

}  // namespace

Ball derivative_by_dual(const Config& config, const Inputs& inputs, const Decisions& decisions,
                        Direction direction) {
  const auto params = params_of<Dual<Ball>>(config, inputs, [=](Tensor id, Index i, double value) {
    return Dual<Ball>(value, has_gradient(id) ? direction(id, i) : 0.0);
  });
  const Nudge nudge(config, direction);
  return layer_forward(config, params, decisions).loss.total.d;
}

DerivativeByGradient::DerivativeByGradient(const Config& config, Direction direction)
    : direction_(direction) {
  const auto reach = [&](Tensor id) { of_gradient_.emplace(std::string("grad.") + name_of(id), id); };
  for (const InputInfo& input : inputs_of(config)) reach(input.id);
  for (const Tensor id : stages_of(config)) reach(id);
}

void DerivativeByGradient::operator()(const std::string& name, const Dims&, Index first, const Ball* gradient,
                                      Index count) {
  const auto found = of_gradient_.find(name);
  if (found == of_gradient_.end()) return;
  // A second array of balls as long as a gradient would cost more than the arithmetic.
  constexpr Index kAtOnce = 1024;
  std::vector<Ball> v;
  for (Index from = 0; from < count; from += kAtOnce) {
    v.clear();
    for (Index i = from; i < std::min(count, from + kAtOnce); ++i)
      v.emplace_back(direction_(found->second, first + i));
    total_ += dot(gradient + from, v.data(), static_cast<Index>(v.size()));
  }
}

Sample::Sample(const Config& config, std::uint32_t case_number, Index count) {
  Index all = 0;
  std::vector<InputInfo> inputs = inputs_of(config);
  std::erase_if(inputs, [](const InputInfo& input) { return !has_gradient(input.id); });
  for (const InputInfo& input : inputs) all += product(input.dims);
  const Stream stream{kDefaultSeed, fnv1a("central differences"), case_number};
  std::set<Index> drawn;
  for (std::uint64_t i = 0; static_cast<Index>(drawn.size()) < std::min(count, all); i += 2) {
    const std::uint64_t high = stream.word(i), low = stream.word(i + 1);
    Index place = static_cast<Index>((high << 32 | low) % static_cast<std::uint64_t>(all));
    if (!drawn.insert(place).second) continue;
    for (const InputInfo& input : inputs) {
      if (place < product(input.dims)) {
        parameters_.push_back({input.id, place, {}});
        break;
      }
      place -= product(input.dims);
    }
  }
}

void Sample::operator()(const std::string& name, const Dims&, Index first, const Ball* gradient,
                        Index count) {
  for (Parameter& p : parameters_)
    if (std::string("grad.") + name_of(p.id) == name && first <= p.index && p.index < first + count)
      p.gradient = gradient[p.index - first];
}

namespace {

/// What a step along one parameter does: (L(p + h) - L(p - h)) / 2h, and whether an expert bends within it.
struct Difference {
  Ball slope;
  bool bends = false;
};
Difference central_difference(const Config& config, const Inputs& inputs, const Decisions& decisions,
                              Tensor id, Index index, const Ball& step) {
  const auto at = [&](const Ball& h) {
    const auto params = params_of<Ball>(config, inputs, [&](Tensor other, Index i, double value) {
      return other == id && i == index ? Ball(value) + h : Ball(value);
    });
    return layer_forward(config, params, decisions);
  };
  const Trace<Ball> above = at(step), below = at(-step);
  return {(above.loss.total - below.loss.total) / (step + step),
          sides(config, above) != sides(config, below)};
}

bool confirms(const Ball& slope, const Ball& gradient, const Ball& close) {
  const Ball error = slope - gradient, bound = close * (Ball(1) + square(gradient));
  return greater(bound, error) && greater(error, -bound);
}

}  // namespace

std::vector<char> sides(const Config& config, const Trace<Ball>& trace) {
  std::vector<char> above;
  each_bend(config, trace,
            [&](const Ball& z, double bend) { above.push_back(greater(z, Ball(bend)) ? 1 : 0); });
  return above;
}

Index Sample::confirm(const Config& config, const Inputs& inputs, const Decisions& decisions) const {
  // The wide step is cheap, and enough unless the loss bends within it: then a narrow one decides.
  struct Attempt {
    slong bits, step;
  };
  const Ball close = Ball::power_of_two(-120);
  Index confirmed = 0;
  for (const Parameter& p : parameters_) {
    Difference difference;
    bool agrees = false;
    for (const Attempt& attempt : {Attempt{320, -80}, Attempt{1280, -400}}) {
      const Bits bits(attempt.bits);
      difference =
          central_difference(config, inputs, decisions, p.id, p.index, Ball::power_of_two(attempt.step));
      agrees = confirms(difference.slope, p.gradient, close);
      if (agrees) break;
    }
    if (!agrees && !difference.bends)
      throw CertificateBroken(std::string("grad.") + name_of(p.id) + '[' + std::to_string(p.index) +
                              "] = " + print_real(approx(p.gradient)) +
                              " is not the central difference of loss.total");
    confirmed += agrees ? 1 : 0;
  }
  return confirmed;
}

}  // namespace moe
