#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "moe/whole.h"

/// How large a whole model is: parameters, FLOPs and bytes as integers that follow from the fields of its architecture.
/// docs/MATH.md, section 17. Nothing here is fitted, and no count is stored: a model is its fields.
namespace moe {

/// Numbers that only one family has: in matrices that every token is multiplied with, the rest of those that every token uses,
/// and those that a token may pass by.
struct Extra {
  Whole matmul, rest, idle;
  friend bool operator==(const Extra&, const Extra&) = default;
};

/// Softmax attention with groups of heads that share keys and values; kv_heads = heads is multi-head attention.
struct Gqa {
  enum class QkNorm { None, PerHead, Full };  // a weight for each number of a head, or of all heads
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  // 0: keys and values are those of an earlier layer
  std::int64_t head_size = 0;
  std::int64_t value_size = 0;  // of a head; 0: head_size
  bool qkv_bias = false, output_bias = false, sinks = false, output_gate = false;
  bool head_gate = false;     // one number for each head scales its output
  bool value_is_key = false;  // no matrix for values
  QkNorm qk_norm = QkNorm::None;
  std::int64_t window = 0;  // how many tokens a cache keeps; 0: all
  Extra extra{};
  friend bool operator==(const Gqa&, const Gqa&) = default;
};

/// DeepSeek's latent attention; with an indexer, its sparse attention.
struct Mla {
  std::int64_t heads = 0;
  std::int64_t q_rank = 0;  // 0: queries are not compressed
  std::int64_t kv_rank = 0, nope_size = 0, rope_size = 0, value_size = 0;
  std::int64_t index_heads = 0, index_size = 0;  // 0: no indexer
  bool bias = false;                             // of compressed queries and keys, and of the output
  bool sinks = false, output_gate = false, head_gate = false;
  std::int64_t window = 0;  // as in Gqa
  Extra extra{};
  friend bool operator==(const Mla&, const Mla&) = default;
};

/// MiniMax's linear attention.
struct Lightning {
  std::int64_t heads = 0, head_size = 0;
  friend bool operator==(const Lightning&, const Lightning&) = default;
};

/// Qwen's gated delta net.
struct DeltaNet {
  std::int64_t key_heads = 0, value_heads = 0, key_size = 0, value_size = 0, convolution = 0;
  friend bool operator==(const DeltaNet&, const DeltaNet&) = default;
};

/// Kimi's delta attention: a decay for each number of a key.
struct KimiDelta {
  std::int64_t heads = 0, head_size = 0, convolution = 0;
  std::int64_t decay_rank = 0, gate_rank = 0;  // 0: one matrix each
  friend bool operator==(const KimiDelta&, const KimiDelta&) = default;
};

struct Mamba1 {
  std::int64_t inner_size = 0, state_size = 0, convolution = 0, step_rank = 0;
  bool convolution_bias = true, projection_bias = false;
  friend bool operator==(const Mamba1&, const Mamba1&) = default;
};

struct Mamba2 {
  std::int64_t heads = 0, head_size = 0, state_size = 0, groups = 0, convolution = 0;
  bool convolution_bias = true, projection_bias = false;
  friend bool operator==(const Mamba2&, const Mamba2&) = default;
};

/// The gated short convolution of LFM2, as wide as the model.
struct ShortConvolution {
  std::int64_t convolution = 0;
  bool bias = false;
  friend bool operator==(const ShortConvolution&, const ShortConvolution&) = default;
};

/// The recurrent layer of Shazeer et al. 2017, as wide as the model.
struct Lstm {
  friend bool operator==(const Lstm&, const Lstm&) = default;
};

/// What mixes tokens with each other.
using Mixer = std::variant<Gqa, Mla, Lightning, DeltaNet, Mamba1, Mamba2, Lstm, KimiDelta, ShortConvolution>;

/// The feed-forward block of E experts, the same in all layers that have one.
struct Mixture {
  std::int64_t num_experts = 0, top_k = 0, ffn_size = 0;  // E, K, F
  bool glu = true;                                        // three matrices an expert, else two
  bool bias = false;                                      // one for each matrix of an expert
  std::int64_t shared_size = 0;      // the hidden width of all shared experts together; 0: none
  bool shared_gate = false;          // a sigmoid of a linear function of the token scales them
  bool router_bias = false;          // a number for each expert, on its logit or in the choice only
  std::int64_t router_matrices = 1;  // 2 where noise has its own
  std::int64_t zero_experts = 0;     // that the router knows and nothing computes
  std::int64_t latent_size = 0;      // the width at which experts work; 0: the model's
  std::int64_t branches = 0;         // gates of the first of two levels; 0: one level
  std::int64_t run_branches = 0;     // by which multiply-adds are counted, where it is another number
  Extra extra{};                     // beside router and experts
};

/// One layer: its mixer, if any, and its feed-forward blocks; with both dense and moe, the two side by side.
struct Layer {
  int mixer = -1;      // an index of Model::mixers; -1: none
  bool cross = false;  // a second attention of the same kind, over the encoder
  bool dense = false, moe = false;
  bool by_table = false;        // a table of token ids chooses the experts: the router has no bias
  std::int64_t dense_size = 0;  // 0: the model's
  Extra extra{};                // what stands between its blocks, norms of the usual kind aside
};

/// The fields of an architecture: all that counts depend on.
struct Model {
  std::string name;
  std::int64_t hidden_size = 0;  // D
  std::int64_t vocabulary = 0;   // 0: embedding and head are not counted
  std::int64_t head_rows = 0;    // of the head; 0: vocabulary
  bool headless = false;         // the model ends with its last norm
  bool tied = false;             // one matrix is both
  std::vector<Mixer> mixers;     // each that occurs, once
  std::vector<Layer> layers;
  std::int64_t encoder_layers = 0;  // how many of them, from the first, are an encoder
  std::int64_t dense_size = 0;      // the hidden width of a dense layer
  bool dense_glu = true, dense_bias = false;
  std::optional<Mixture> moe;
  Extra extra{};           // outside the layers
  std::int64_t norms = 1;  // before each mixer and each feed-forward block; Grok-1 has 2, around them
  bool norm_bias = false;
  std::int64_t relative_buckets = 0;  // of T5's relative positions, one table for encoder and decoder each
  std::string
      caveat;  // what scores and caches leave out, where attention has more than they count; parameters are exact
  std::int64_t mtp_modules = 0;  // that predict further tokens, each built like the last layer
};

/// What a parameter belongs to.
enum class Component { Embedding, Head, Attention, Dense, Router, Shared, Routed, Norms };
inline constexpr std::size_t kComponents = 8;
const char* name_of(Component component);

struct ComponentCount {
  std::int64_t params = 0;
  std::int64_t active = 0;  // that one token uses
  std::int64_t matmul =
      0;  // in matrices that it meets: without biases, norms and input, with T5's tables of positions
};

struct ModelCount {
  std::array<ComponentCount, kComponents> parts;
  ComponentCount mtp;  // not part of the totals; embedding and head are shared
  std::int64_t total = 0;
  struct {
    std::int64_t full = 0;  // (K2) everything that a token uses
    std::int64_t no_embed =
        0;  // (K3) without the input table, which is looked up; a tied one stays, as the head
    std::int64_t no_embed_head = 0;  // without table and head
  } active;
  std::int64_t matmul = 0;
  std::int64_t expert = 0;  // parameters of one routed expert
  std::int64_t moe_layers = 0;

  const ComponentCount& operator[](Component c) const { return parts[static_cast<std::size_t>(c)]; }
};

/// The parameters of a model, exactly: (D1) to (D9), (K1) to (K4).
/// Source: the model classes of huggingface/transformers and the papers of docs/MATH.md, section 17. Throws Error for fields
/// without a meaning, and for counts beyond 2^63.
ModelCount count(const Model& model);

/// Attention scores of a token on average: half of the context (s/2, as Megatron-LM has it; the mean is (s + 1)/2), or all.
enum class Span { Causal, Full };
/// What the backward pass computes again: nothing, the scores and what follows from them, or all of the forward pass.
enum class Recompute { None, Selective, Full };

/// FLOPs of one token at a context length; a multiply-add is two.
struct ModelFlops {
  std::array<std::int64_t, kComponents> forward{};  // of weights, by component
  std::int64_t scores = 0;  // of attention over the context: queries by keys, weights by values
  std::int64_t forward_total = 0;
  std::int64_t training = 0;  // 3 forward: the model's FLOPs, as MFU counts them
  std::int64_t hardware = 0;  // with what is computed again, as HFU counts them
};

/// The FLOPs of one token: (F1) of weights, (F2) of scores, (F3) of training.
/// Source: Kaplan et al., arXiv 2001.08361, sec. 2.1; Korthikanti et al., arXiv 2205.05198, for what is recomputed. Throws Error as
/// count does.
ModelFlops flops(const Model& model, std::int64_t context, Span span = Span::Causal,
                 Recompute recompute = Recompute::None);

/// FLOPs of scores for each token of context: Span::Full at a context of 1.
std::int64_t score_flops_per_context(const Model& model);

/// (K6) numbers cached for each token of context in all layers together; times the bytes of the cache's dtype.
std::int64_t kv_numbers_per_token(const Model& model);
/// The same for so many tokens, where layers whose attention has a window keep no more than that.
std::int64_t kv_numbers_in_windows(const Model& model, std::int64_t context);

/// (K8) bytes of training state for each parameter: adamw16 (bf16 weight and gradient; fp32 weight and two moments) or megatron18 (fp32
/// gradient). Throws Error listing both.
std::int64_t training_bytes_per_param(const std::string& optimizer);

/// (K7) numbers of constant size that layers without growing caches keep for each sequence.
std::int64_t state_numbers(const Model& model);
/// Numbers that the indexers of sparse attention cache for each token.
std::int64_t index_numbers_per_token(const Model& model);

/// A storage format of weights: bits a weight with its scales.
struct WeightFormat {
  std::string_view name;
  double bits;
  bool exact;  // false: what is typical of a format that mixes several
};

/// The format called `name`. Throws Error listing all.
const WeightFormat& weight_format(const std::string& name);

/// (K5) the bytes of so many weights.
double bytes_of(std::int64_t numbers, const WeightFormat& format);

/// How the weights of a file are stored: those of some components in a format, all others in bf16.
struct StoredWeights {
  WeightFormat format;
  std::array<bool, kComponents> quantized{};
};

/// What was published about a model, beside its fields.
struct Published {
  std::string id, family;
  Model model;
  double total = 0;                             // as printed
  std::optional<double> active, multiply_adds;  // multiply-adds a timestep
  std::string config_source, official_source;
  std::string
      convention;  // the vendor's or the closest: full, no_embed, no_embed_head; empty where none is printed
  std::string confidence;
  double bound_total = 0;  // percent: how far the count may be from the printed number
  std::optional<double> bound_active;
  std::string erratum;  // a sentence on what is wrong in what was published; else empty
  std::string note;     // a sentence on what the printed numbers mean; else empty
  bool reproducible = true;
  std::optional<StoredWeights> stored{};  // as published, where weights are quantized
};

/// How far the counts are from the printed numbers, in percent; the active count is that of the vendor's convention.
struct Deviation {
  double total = 0;
  std::optional<double> active;
  bool within = false;  // of the bounds
};
Deviation deviation_of(const Published& published);
/// The active count of a convention: full, no_embed or no_embed_head.
std::int64_t active_of(const ModelCount& count, const std::string& convention);

/// The registry, in a fixed order: data, of which no count is stored.
const std::vector<Published>& published_models();
/// The model called `id`, or null.
const Published* find_published(const std::string& id);

/// Models whose config.json was released and of whose size no number is at hand to compare with: by their names, in order.
const std::vector<std::string>& released_models();

/// A model by name, what was published about it if it is of the registry, and what its file says that was not understood.
struct NamedModel {
  Model model;
  const Published* published = nullptr;
  std::vector<std::string> warnings;
  std::vector<std::string>
      unread{};  // keys that may hold parameters and are not known: the counts are approximate
  std::optional<StoredWeights> stored{};  // by its quantization_config
  std::optional<WeightFormat> expert_format{};
  bool exact() const { return unread.empty(); }
};

/// A model of the registry, a released one, or a preset's single layer by its name, or a Hugging Face config.json by its path (with '/' or ending in
/// ".json"). Throws Error for an unknown name and for a file without a meaning.
NamedModel model_called(const std::string& name);

}  // namespace moe
