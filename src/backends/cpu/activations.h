#pragma once

#include "moe/layer/conventions.h"

/// The activations on rows of floats: a second writing of layer/activation.h that a compiler can vectorise, because it has no
/// branch and no call. Error, but for GELU: 4 units in the last place, for quick GELU 4 + |alpha z|, and where a sigmoid is subnormal the smallest such
/// number 1 + |z| times; a slope's, of the terms that it is the sum of.
namespace moe::cpu {

/// h_j = act(z~_j) u~_j, or act(z_j) where u is null; (X2).
void activate(const Experts& experts, const float* z, const float* u, Index n, float* h);

/// dz_j = dh_j u~_j act'(z~_j), or dh_j act'(z_j) where u is null, and du_j = dh_j act(z~_j) where there is a du, both 0 at
/// their limits and beyond; (X2').
void activate_back(const Experts& experts, const float* z, const float* u, const float* dh, Index n,
                   float* dz, float* du);

}  // namespace moe::cpu
