#pragma once

#include "moe/answer.h"
#include "moe/budget.h"
#include "moe/golden.h"

/// Is what an implementation answered a correct evaluation of a layer in its arithmetic? docs/MATH.md, section 15.
namespace moe {

/// From the best to the worst. LowPower: it would not have shown. Partial: what the case demands was not returned. Flag:
/// within what is possible, but not like rounding.
enum class Status { Pass, LowPower, Skipped, Partial, Flag, Fail };
const char* name_of(Status status);

/// End to end, from the layer's inputs; pinned: with the expected routing given; isolated: each stage from the candidate's
/// own inputs to it, others are skipped; automatic: isolated where those were returned, else end to end.
enum class Mode { Automatic, EndToEnd, Pinned, Isolated };

/// What another rule for ties decides.
struct StatedDecisions {
  IdMatrix expert;            // (T, K)
  Matrix<std::uint8_t> kept;  // (T, K)
};

/// A case with what is expected of it, as far as a golden file says so.
struct CheckCase {
  GoldenCase golden;
  Config config;    // parsed, unless the case is invalid
  Arrays expected;  // correctly rounded; empty: computed here at binary64
  /// Stated budgets, as far as the file has any: by profile and tensor, HARD and SOFT.
  std::map<std::string, std::map<std::string, std::pair<Array, Array>>> budgets;
  std::map<std::string, int> exact;  // reals that must be equal, in formats of at least so many bits
  std::vector<StatedDecisions> alternatives;
};
/// The cases of a golden file; of tensors that `answer`, if there is one, does not have, only the shapes.
std::vector<CheckCase> read_check_cases(const std::string& path, const Answer* answer = nullptr);
/// Number i of the random layers: any preset, any of its choices changed, any small shape; the expected is computed here.
CheckCase random_case(Index i, std::uint64_t seed = kDefaultSeed);
/// The same layer with inputs drawn anew: what is expected stands in no file, so no candidate has read it.
CheckCase fresh_case(const CheckCase& c, std::uint64_t seed);

/// What is needed of an answer to a case: every tensor of its layer, with as many elements as it has there if nothing is
/// dropped, or a few thousand, so that the verdict can say of a wrong shape that it is wrong.
Needs needs_of(const CheckCase& c);

/// A safetensors file for what of a request is too large for a line: in TMPDIR, else in /tmp, and only while it is needed.
class RequestFile {
 public:
  RequestFile();

  const std::string& path() const { return path_; }
  /// In place of what there was. Throws CannotRun where it cannot be written.
  void write(const Arrays& arrays);

 private:
  std::string folder_, path_;
  std::optional<TemporaryFile> file_;
};

/// A case as a line of --exec: {id, config, inputs} and, if `pinned`, the routing; never an expected value. Inputs of more
/// than 65,536 elements go to `file`, but recipes of more than 2^26 stay recipes.
Json request_of(const CheckCase& c, bool pinned, RequestFile& file);

/// Throws Error, in one line, where the answer in `file` says that it was computed from other inputs than those of the case.
void require_same_inputs(const CheckCase& c, const Answer& answer, const std::string& file);

/// log2 buckets of distances in units in the last place: 0, 1, 2 to 3, 4 to 7, ...; the last holds all that is larger.
inline constexpr std::size_t kUlpBuckets = 24;

struct TensorVerdict {
  std::string name;
  Status status = Status::Pass;
  std::string reason;     // of all but Pass
  bool isolated = false;  // judged from the candidate's own inputs
  Format format = Format::F64;
  Dims dims;
  Index numbers = 0, judged = 0, tested = 0;  // judged: of finite HARD; tested: of a SOFT that is not 0
  double hard_ratio = 0;                      // the largest |got - expected| / HARD
  Index worst = -1;                           // where that is, or where it first was not a number
  double got = 0, expected = 0;               // there
  double z_rms = 0, z_max = 0, slope_z = 0, row_rms = 0;
  Index z_worst = -1, row_worst = -1;
  double validated_bits = 0;  // the median of log2(|expected| / (6 sigma)): what the check can see
  double zeros = 0;           // the share of expected numbers that are 0
  std::array<Index, kUlpBuckets> ulps{};
  std::vector<double> row_ratio;  // of each row, the largest |got - expected| / HARD
};

/// Does the candidate choose as it must? A token is certain where the margin of its choice exceeds what the logits may be
/// off, a tie where nothing separates the candidates, and ambiguous between.
enum class Certainty { Certain, Ambiguous, Tie };
struct TokenRouting {
  Certainty certainty = Certainty::Certain;
  bool agrees = true, admissible = true;
  double margin = 0, bound = 0;  // how far apart, and how far off, what decides is
  std::vector<Index> expected, got;
};
struct RoutingVerdict {
  Status status = Status::Pass;
  std::string reason;
  std::vector<TokenRouting> tokens;
};

/// Where an answer lies furthest from what is right, of what is allowed there.
struct Worst {
  std::string tensor, id;  // of which case
  double ratio = 0;
};

struct CaseVerdict {
  std::string id, profile, reason;
  Status status = Status::Pass;
  bool declined = false;             // refused by the candidate, where it need not be
  std::optional<Worst> strictest{};  // on the strictest rung, where the case fails on all
  std::optional<RoutingVerdict> routing;
  std::vector<TensorVerdict> tensors;
  std::vector<std::string> missing, unknown;  // names that were expected or returned in vain
};

struct CheckOptions {
  std::optional<Profile> profile = {};  // else it is found
  Mode mode = Mode::Automatic;
  std::optional<Format> dtype = {};       // that the candidate computes in, by its own word
  std::vector<std::string> require = {};  // what an answer must hold beside what its case demands
};

/// Named mistakes on one case of a run: how many there are, and which would pass in the arithmetic that was found.
struct Unseen {
  std::string id;  // of the case
  Index mistakes = 0;
  std::vector<std::string> passing;
  std::vector<std::string> next;  // tensors that would show the most of these, if they were returned,
  Index seen_by_next = 0;         // and how many
};

/// The arithmetic in which the answers of one working format were judged: the strictest rung at which all hold, or the
/// loosest, where none does.
struct FoundArithmetic {
  bool holds() const { return status < Status::Flag; }

  std::string format, profile, words;  // "bf16", a name of profiles(), and what it says in words
  bool is_ladder = false;              // has the format more than one rung?
  Index cases = 0;
  Status status = Status::Pass;  // PASS, PARTIAL, FLAG or FAIL: of the worst case
  std::string strictest;         // the words of the strictest rung, if it is another
  Index failing = 0;             // cases that do not hold there
  Worst worst{};                 // the worst of them
  std::string hint{};            // what else may explain a failure
  std::optional<Unseen> unseen{};
};

/// A case and what was answered.
struct Answered {
  CheckCase c;
  Answer answer;
};
struct RunVerdict {
  std::vector<CaseVerdict> cases;      // in the order of the answers
  std::vector<FoundArithmetic> found;  // by working format; none where a profile was given
};
/// Judges the answers of one program, which has one arithmetic. Never throws for what they hold. `unseen`: also say which
/// mistakes would pass.
RunVerdict check_all(
    const std::vector<Answered>& answers, const CheckOptions& options, bool unseen = false,
    const Progress& progress = [](double) {});

/// Judges one answer.
CaseVerdict check(const CheckCase& c, const Answer& answer, const CheckOptions& options);

}  // namespace moe
