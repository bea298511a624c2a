#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

/// Scaling laws: what others have fitted to the losses of models that they trained. A law is data, its formula one
/// function. Loss is in nats per token; parameters are counted without embeddings. In the formulas the letters are those
/// of the papers: N parameters, D training tokens, C training FLOPs.
namespace moe {

inline constexpr double kNotGiven = std::numeric_limits<double>::quiet_NaN();

/// What a law is asked about.
struct LawPoint {
  double active = kNotGiven;  // parameters that one token uses: N of (Y1), (Y3) and (Y5)
  double total = kNotGiven;   // all parameters: N of (Y4) and (Y6)
  double tokens = kNotGiven;  // D
  double experts = 1;         // E
  double top_k = 1;           // K
  double granularity =
      kNotGiven;             // G: how many of its experts have the parameters of one dense feed-forward block
  double flops = kNotGiven;  // C
};

enum class LawArgument { Active, Total, Tokens, Experts, Sparsity, Granularity, Flops };
const char* name_of(LawArgument argument);
/// Sparsity is S = (E - K) / E.
double value_of(LawArgument argument, const LawPoint& at);

/// An argument, and between which values of it the models were that a law was fitted to.
struct LawRange {
  LawArgument argument = LawArgument::Active;
  double least = 0, most = 0;
  bool needed = true;  // false: the law has no such argument, but its models had
};

enum class LawAnswer { Loss, Leverage, Parameters };

struct LawConstant {
  std::string name;
  double value;
};

struct Law {
  std::string name, formula, source, fitted_on, caution;
  LawAnswer answer = LawAnswer::Loss;
  std::vector<LawConstant> constants;
  std::vector<LawRange> ranges;
  std::function<double(const LawPoint&)> value{};
  /// The loss of a dense model of N parameters after D tokens, by the same law; empty where it has none.
  std::function<double(double N, double D)> dense{};
  bool has_optimum = false;  // it is a function of N active, D and E, so that (Y9b) has a meaning
};

/// Is it about models of one expert only?
bool is_dense(const Law& law);

/// The laws, in the order in which they were published.
const std::vector<Law>& laws();
/// The law of that name; throws Error for others.
const Law& law_called(const std::string& name);

/// The arguments that the law needs and that are not there.
std::vector<LawArgument> missing_arguments(const Law& law, const LawPoint& at);
/// A sentence for each argument outside the range that the law was fitted on; none where it interpolates.
std::vector<std::string> extrapolations(const Law& law, const LawPoint& at);

/// The law at a point. Throws Error where an argument is missing or has no meaning.
double evaluate_law(const Law& law, const LawPoint& at);

/// The size of the dense model that the law expects to reach the same loss on the same tokens.
///   (Y9)  N' with L(N', D) = L(N, D, E, ...), where the left side is the law's own for dense models
/// NaN where no dense model reaches it, or where the law has none. Source: Clark et al., arXiv 2202.01169
/// (the effective parameter count), there in closed form. Throws as evaluate_law does.
double dense_equivalent(const Law& law, const LawPoint& at);

struct LawOptimum {
  double experts, active, tokens, loss;
};

/// The best use of a compute budget.
///   (Y9b)  the N that minimises L(N, C / (6 N), E)
/// Source: Hoffmann et al., arXiv 2203.15556, where it has a closed form. Throws Error where has_optimum is false.
LawOptimum best_size(const Law& law, double flops, double experts);

/// All parameters of a model whose feed-forward blocks, 2/3 of a dense model's parameters (4 D^2 of attention, 8 D^2 of
/// feed-forward), have become E experts of which one token uses one: N (1 + 2 E) / 3.
double total_of_top1(double active, double experts);

}  // namespace moe
