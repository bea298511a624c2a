#pragma once

#include "mixers.h"

/// The parts of a model that are not mixers. All throw Error where a count does not fit 64 bits.
namespace moe {

/// A feed-forward block of `glu` or plain form, with or without biases, between widths `outer` and `inner`; (D8).
BlockCount count_ffn(Whole outer, Whole inner, bool glu, bool bias);
BlockCount count_dense(const Model& model, const Layer& layer);
BlockCount count_shared(const Mixture& moe, Whole D);
/// One routed expert, and what leads to and from the width at which experts work; (D8).
BlockCount count_expert(const Mixture& moe, Whole D);
BlockCount count_latent(const Mixture& moe, Whole D);
/// The router, (D9). Of one with two levels a token meets the gates of the first, and those of the branches that it takes.
BlockCount count_router(const Mixture& moe, Whole D);
/// Two tables of T5's relative positions; tensors of two dimensions, but looked up.
Whole position_tables(const Model& model);

/// Throws Error where a field of the model has no meaning.
void validate(const Model& model);

}  // namespace moe
