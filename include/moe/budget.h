#pragma once

#include "moe/evaluate.h"
#include "moe/json.h"
#include "moe/scalar/profile.h"

/// How far an implementation of a profile may be from the true value, number by number: docs/MATH.md, sections 13 and 14.
namespace moe {

/// The profiles that have a name. Throws Error for another name.
const std::vector<Profile>& profiles();
const Profile& profile_called(const std::string& name);
/// How a program may compute whose numbers are stored in a format, the strictest first: four rungs for bf16 and f16, of
/// which each has the roundings of the one before and more; one alone for f32 and f64.
const std::vector<Profile>& ladder(Format format);
/// The first of them.
const Profile& profile_for(Format format);
/// The profile of that name or, for a name that ends in .json, of that file.
Profile load_profile(const std::string& name);
/// A profile as JSON, and back; throws Error for an unknown field or value.
Json profile_to_json(const Profile& profile);
Profile profile_from_json(const Json& json, const std::string& document);

/// The rounding of one of our formats.
Precision precision_of(Format format);

/// One tensor: what binary64 gives, what every correct implementation is within (HARD), and the standard deviation of a
/// typical one (SOFT). An infinite `hard` says nothing.
struct Budget {
  Dims dims;
  std::vector<double> value, hard, sigma;
};
using Budgets = std::map<std::string, Budget>;

/// What a candidate holds, by tensor: where it is known, later stages are judged from it and not from the inputs alone.
using HeldTensors = std::map<Tensor, Held>;

/// The budgets of every real tensor, loss and gradient of a layer for given decisions. `left_range`: does a number leave
/// the range of what it is kept in, or may it?
Budgets budgets_of(const Config& config, const Inputs& inputs, const Decisions& decisions,
                   const Profile& profile, bool backward, const HeldTensors& held = {},
                   bool* left_range = nullptr);

}  // namespace moe
