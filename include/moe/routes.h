#pragma once

#include "moe/budget.h"

/// Recorded routes: which experts the tokens of a run went to, as engines write it down, and which of these are wrong.
namespace moe {

/// The numbers of a recording, (T, L, width): tokens, layers, and K experts or E logits. From a .csv, a line a token; from a .jsonl,
/// a line a token with a list, or a list for each layer; from the tensor `name`, or the only one, of a .npz, .safetensors or .json.
/// There and in each line one layer may be without an axis of its own. Throws Error naming the file and the line or the tensor.
Array read_recording(const std::string& path, const std::string& name, Index width);

/// A choice that no rounding explains.
struct WrongRoute {
  Index token = 0;
  std::vector<Index> chosen, right;
  bool are_experts = true;  // that were chosen: K of E
  double margin = 0,
         bound = 0;  // how far apart what it should and what it did choose are at most, and how far off
};
/// Every token of one layer is in one of the first five. Flips: of those that are tied or ambiguous, others than those that rank best.
struct RoutesVerdict {
  Index certain = 0, ambiguous = 0, tied = 0, skipped = 0;
  std::vector<WrongRoute> wrong;
  Index flips = 0;

  Index judged() const { return certain + ambiguous + tied + static_cast<Index>(wrong.size()); }
};

/// Judges the choices of one layer by the logits that were recorded with them, which are what they are: scores of them, with a bias
/// or of groups, are as far off as `profile` lets them be.   ids (T, K), all -1 where a token was skipped; z (T, E); b (1, E) or
/// empty. Throws Error naming the field of a config that chooses by more than that.
RoutesVerdict judge_routes(const Config& config, const Matrix<Index>& ids, const Matrix<double>& z,
                           const Matrix<double>& b, const Profile& profile);
/// The same by the layer's inputs and router, whose logits are as far off as `profile` lets them be.
RoutesVerdict judge_routes(const Config& config, const Matrix<Index>& ids, const Inputs& inputs,
                           const Profile& profile);

}  // namespace moe
