#pragma once

#include "families.h"
#include "keys.h"

/// The parts of model_from_huggingface. All throw Error naming a key.
namespace moe {

inline constexpr std::int64_t kMostLayers = 1000;

/// Switch Transformer and NLLB: layers of an encoder and of a decoder, under names of their own. Fills all but names and sizes.
bool is_encoder_decoder(Keys& keys);
void read_encoder_decoder(Keys& keys, Model& model);

/// Fills mixers, and the mixer of each layer. Layers must be there.
void read_mixers(Keys& keys, const Family& family, Model& model);

/// Fills moe, dense_size, and what each layer has beside its mixer. Layers must be there.
void read_blocks(Keys& keys, const Family& family, Model& model);

/// Mamba's layers, experts, dense blocks and attention in one string, as Nemotron has them.
bool has_hybrid_pattern(Keys& keys);

}  // namespace moe
