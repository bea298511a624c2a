#pragma once

#include <string>
#include <vector>

#include "moe/tensors.h"

/// Under which names, and how, checkpoints keep the tensors of a layer.
namespace moe {

/// Which rows of each matrix are the tensor's: gate and up may be one, as two halves or in turns.
enum class Half { Both, First, Second };
/// What a file's tensor is of ours: all of it; of the experts that every token chooses, which have tensors of their own; one number
/// for all experts; or all of it, less 1.
enum class Portion { Whole, OfSinks, OneForAll, LessOne };
/// Are matrices (out, in), as ours are, or (in, out)? As their shape says, and if it does not the one or the other; or always so.
enum class Lies { OutInUnlessShaped, InOutUnlessShaped, InOut };

/// One way to keep a tensor of a layer: its name, with {e} where each expert has its own.
struct NamedPart {
  std::string name;
  Tensor id = Tensor::router_weight;
  Half half = Half::Both;
  Lies lies = Lies::OutInUnlessShaped;
  Portion portion = Portion::Whole;
  bool in_turns = false;  // rows of gate and up
};

/// Where the layers of a model of huggingface/transformers are, and where the block is in a layer.
const std::vector<std::string>& known_layers();
const std::vector<std::string>& known_blocks();
/// The names within a block.
const std::vector<NamedPart>& known_parts();

/// A table of the user's, by our names: {"router.weight": "layers.{l}.gate", "experts.gate": {"name": "layers.{l}.w13.{e}", "half":
/// "first", "in_turns": true}, "experts.down": {"name": "layers.{l}.w2", "in_out": true}}, with {l} for the layer and {e} for the expert.
/// Throws Error for what it does not understand.
std::vector<NamedPart> parts_in(const std::string& table);

}  // namespace moe
