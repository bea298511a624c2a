#pragma once

#include "moe/layer/conventions.h"

/// The activations on rows of floats: a second writing of layer/activation.h that a compiler can vectorise, because it has no
/// branch and no call. Error, but for GELU: 4 units in the last place, and where a sigmoid is subnormal the smallest such
/// number 1 + |z| times; a slope's, of the terms that it is the sum of.
namespace moe::cpu {

/// h_j = act(z_j) u_j, or act(z_j) where u is null; (X2).
void activate(Activation activation, const float* z, const float* u, Index n, float* h);

/// dz_j = dh_j u_j act'(z_j), with u_j = 1 where u is null, and du_j = dh_j act(z_j) where there is a du; (X2').
void activate_back(Activation activation, const float* z, const float* u, const float* dh, Index n, float* dz,
                   float* du);

}  // namespace moe::cpu
