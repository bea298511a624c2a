#pragma once

#include "moe/golden.h"

/// The families of the corpus, one function each, and the builder that they share.
namespace moe {

std::vector<GoldenFile> presets_family();
std::vector<GoldenFile> worked_family();
std::vector<GoldenFile> load_family();
std::vector<GoldenFile> ties_family();
std::vector<GoldenFile> shapes_family();
std::vector<GoldenFile> experts_family();
std::vector<GoldenFile> blocks_family();
std::vector<GoldenFile> router_family();
std::vector<GoldenFile> output_family();
std::vector<GoldenFile> sinks_family();
std::vector<GoldenFile> norms_family();
std::vector<GoldenFile> models_family();
std::vector<GoldenFile> spread_family();
std::vector<GoldenFile> draws_family();
std::vector<GoldenFile> counts_family();
std::vector<GoldenFile> remaining_family();
std::vector<GoldenFile> crossed_family();
std::vector<GoldenFile> capacity_family();
std::vector<GoldenFile> losses_family();
std::vector<GoldenFile> range_family();
std::vector<GoldenFile> groups_family();
std::vector<GoldenFile> noise_family();
std::vector<GoldenFile> exact_family();
std::vector<GoldenFile> invalid_family();
std::vector<GoldenFile> full_family();

using Rows = std::vector<std::vector<double>>;

/// Builds one case. Inputs are seeded from the case's id; what a method sets is explicit.
class CaseBuilder {
 public:
  /// A preset, tiny (D 4, F 4, E 4) unless set otherwise.
  CaseBuilder(const char* preset, const char* id, const char* comment);

  CaseBuilder& catches(const char* what);
  CaseBuilder& flag(const char* name);
  CaseBuilder& set(const char* assignment);  // as --set
  CaseBuilder& tokens(Index T);
  /// Seeds the n-th inputs of this id, in place of the first: where those hide what the case is there to show.
  CaseBuilder& draw(std::uint32_t n);

  /// Gives the router these logits exactly (T rows of E): x starts with a one-hot block, router.weight holds the logits.
  CaseBuilder& logits(const Rows& rows);
  /// Logits that send token t to the experts ids[t], best first, by a margin of 1.
  CaseBuilder& routes(const std::vector<std::vector<Index>>& ids);
  /// ... and after logits(): exactly these raw scales and this noise.
  CaseBuilder& noise(const Rows& raw, const Rows& noise);
  CaseBuilder& noise(const Rows& noise);  // of a fixed scale
  CaseBuilder& tensor(Tensor id, const std::vector<double>& values);
  /// A tensor of any shape and values, to be refused.
  CaseBuilder& raw(Tensor id, const Dims& dims, const std::vector<double>& values);
  CaseBuilder& integers(Tensor id, const Dims& dims, const std::vector<std::int32_t>& values);
  CaseBuilder& without(Tensor id);
  /// All inputs as odd integers up to `most`, and experts chosen by codes in x: see grid.h.
  CaseBuilder& grid(Index most);
  CaseBuilder& codes(const std::vector<std::vector<Index>>& chosen);
  /// Expert `to` gets the weights of expert `from`.
  CaseBuilder& copy_expert(Index from, Index to);

  /// States neither gradients nor rows of experts.
  CaseBuilder& results_only();
  /// The experts of each token, where they are an input.
  CaseBuilder& given(const std::vector<std::vector<std::int32_t>>& ids);
  /// As it is, to be refused: the config is not checked here.
  GoldenCase invalid();
  operator GoldenCase() const;

 private:
  Inputs& inputs();

  GoldenCase case_;
  bool seeded_ = false;
  std::uint32_t draw_ = 0;
};

}  // namespace moe
