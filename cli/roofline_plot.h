#pragma once

#include "moe/plot.h"
#include "moe/roofline.h"

namespace moe::cli {

/// The experts of a model and a dense block on the roofline of a machine, each at batches 1, 4, 16, ..., and beside it
/// the tokens/s of decoding over the batch, of the model and of its dense twin.
Plot roofline_plot(const Model& model, const Machine& machine, const DecodeSetting& setting);

}  // namespace moe::cli
