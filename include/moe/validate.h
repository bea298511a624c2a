#pragma once

#include <cmath>
#include <set>

#include "moe/config.h"
#include "moe/error.h"
#include "moe/layer/capacity.h"

/// Which configs have a meaning. Each rule is one require, with the field that breaks it; golden/invalid has a case each.
namespace moe {

inline constexpr Index kMaxSize = (Index{1} << 31) - 1;  // of one axis
inline constexpr Index kMaxElements = Index{1} << 50;    // of one tensor

inline void validate(const Shape& s) {
  const auto size = [](const char* field, Index value, Index least) {
    require(value >= least && value <= kMaxSize, field, value, "must lie in [", least, ", ", kMaxSize, "]");
  };
  size("shape.num_tokens", s.num_tokens, 0);
  size("shape.hidden_size", s.hidden_size, 1);
  size("shape.ffn_size", s.ffn_size, 1);
  size("shape.num_experts", s.num_experts, 1);
  size("shape.top_k", s.top_k, 1);
  require(s.top_k <= s.num_experts, "shape.top_k", s.top_k,
          "must not exceed shape.num_experts = ", s.num_experts);
  const auto elements = [](const char* field, Index rows, Index cols, Index times) {
    Index n = 0;
    const bool fits = !__builtin_mul_overflow(rows, cols, &n) && !__builtin_mul_overflow(n, times, &n);
    require(fits && n <= kMaxElements, field, rows, "makes a tensor of more than 2^50 elements");
  };
  elements("shape.num_experts", s.num_experts, s.ffn_size, s.hidden_size);
  elements("shape.num_tokens", s.num_tokens, std::max(s.hidden_size, s.num_experts), 1);
  elements("shape.num_tokens", s.num_tokens, s.top_k, std::max(s.hidden_size, s.ffn_size));
}

inline void validate(const Capacity& c, const Shape& shape, const Router& router) {
  if (c.mode == CapacityMode::None) return;
  const auto count = [](const char* field, Index value, Index least) {
    require(value >= least && value <= kMaxSize, field, value, "must lie in [", least, ", ", kMaxSize, "]");
  };
  if (c.mode == CapacityMode::Fixed) count("capacity.fixed", c.fixed, 0);
  if (c.mode == CapacityMode::Factor) {
    require(c.factor > 0 && c.factor <= 1e6, "capacity.factor", c.factor, "must lie in (0, 1e6]");
    decimal_of(c.factor);
    require(c.outer_round != Rounding::None, "capacity.outer_round", "none",
            "must be floor, ceil or half_even");
    count("capacity.min_capacity", c.min_capacity, 0);
    count("capacity.multiple_of", c.multiple_of, 1);
  }
  if (c.dropped_output != DroppedOutput::ScaledIdentity) return;
  require(shape.top_k == 1, "capacity.dropped_output", "scaled_identity", "needs shape.top_k = 1, not ",
          shape.top_k);
  require(router.renorm == Renorm::None || router.renorm_stage == RenormStage::BeforeDrop,
          "capacity.dropped_output", "scaled_identity",
          "needs a weight for dropped choices, so router.renorm_stage = before_drop");
}

inline void validate(const std::vector<Aux>& aux) {
  std::set<std::string> names{"task", "total"};
  for (const Aux& a : aux) {
    require(!a.name.empty() &&
                a.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos,
            "aux.name", a.name, "must consist of a-z, 0-9 and _");
    require(names.insert(a.name).second, "aux.name", a.name, "must be unique, and not task or total");
    require(std::isfinite(a.coefficient), "aux.coefficient", a.coefficient, "must be finite");
  }
}

/// Throws Error for the first rule that `config` breaks.
inline void validate(const Config& config) {
  validate(config.shape);
  if (!has_router(config)) {
    require(config.shape.num_experts == 1, "shape.num_experts", config.shape.num_experts,
            "must be 1 without a router (router.score_function = none)");
    require(config.capacity.mode == CapacityMode::None, "capacity.mode", "factor or fixed",
            "needs a router (router.score_function = none)");
    require(config.aux.empty(), "aux", config.aux.size(),
            "losses need a router (router.score_function = none)");
  }
  validate(config.capacity, config.shape, config.router);
  validate(config.aux);
}

}  // namespace moe
