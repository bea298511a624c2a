#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "moe/check.h"
#include "moe/json.h"
#include "moe/load.h"
#include "moe/printable.h"
#include "moe/report.h"
#include "moe/stats.h"

/// What the verbs share. Each verb adds itself to the command line, and sets `act` to what it will do.
namespace moe::cli {

using Act = std::function<int()>;

void add_info(CLI::App& app, Act& act);
void add_presets(CLI::App& app, Act& act);
void add_run(CLI::App& app, Act& act);
void add_golden(CLI::App& app, Act& act);
void add_check(CLI::App& app, Act& act);
void add_diagnose(CLI::App& app, Act& act);
void add_audit(CLI::App& app, Act& act);
void add_routes(CLI::App& app, Act& act);
void add_models(CLI::App& app, Act& act);
void add_count(CLI::App& app, Act& act);
void add_flops(CLI::App& app, Act& act);
void add_memory(CLI::App& app, Act& act);
void add_law(CLI::App& app, Act& act);
void add_capacity(CLI::App& app, Act& act);
void add_roofline(CLI::App& app, Act& act);
void add_compare(CLI::App& app, Act& act);
void add_sweep(CLI::App& app, Act& act);
void add_iso(CLI::App& app, Act& act);
void add_explain(CLI::App& app, Act& act);
void add_bench(CLI::App& app, Act& act);
void add_help(CLI::App& app, Act& act);

/// The names of the verbs of `app`, or of the verbs of a verb, with commas between.
std::string verbs_text(const CLI::App& app);
/// The verb of that name, or an Error that lists them all and names the nearest.
const CLI::App& verb_called(const CLI::App& app, const std::string& name);
/// Throws Error for a word of the command line that its verb does not know, with the nearest that it does.
void require_known_words(const CLI::App& app);

/// The corpus: `out`, else MOE_GOLDEN_DIR, else golden/ here, the installed one, or the sources' own; CannotRun where there is none.
std::string golden_folder(const std::string& out);
/// The cases that a name stands for: a case id, random/N of that seed, a golden file, or a folder of them. Of a file, only
/// what `answer` has.
std::vector<CheckCase> cases_of(const std::string& name, const Answer* answer = nullptr,
                                std::uint64_t seed = kDefaultSeed);
/// The same where it must be one.
CheckCase case_of(const std::string& name);

/// The options that name a layer and its numbers, as `run` and `golden write` take them.
struct LayerOptions {
  std::vector<std::string> sets;
  std::string tokens, seed, input, weights, names, layer, dtype;

  void add_to(CLI::App& verb);
  /// Was any of them given?
  bool given() const;
  /// Puts files in the place of folders: the config.json of CONFIG, and the checkpoint of --weights, or beside that config.json.
  void open_folders(std::string& config);
  NamedConfig load(const std::string& config) const;
  /// What numbers are rounded to: f64, unless --dtype was given.
  Format format() const;
  Inputs inputs(const NamedConfig& named) const;
  std::string inputs_text() const;
};

/// A whole number in [least, most], as in 4096 or 4k, or an Error that names the option: CLI11 2.1 clamps what overflows.
Index parse_index(const std::string& option, const std::string& text, Index least, Index most);

/// A seed, decimal or 0x hexadecimal, or an Error that names the option.
std::uint64_t parse_seed(const std::string& option, const std::string& text);

/// The format of real numbers called `name`, or an Error that names the option.
Format real_format(const std::string& option, const std::string& name);

/// For options whose value must not be empty, as it is where a shell variable is not set.
extern const CLI::Validator kNotEmpty;

/// Throws Error where writing `out`, or the sidecar beside it, would replace what the layer is read from.
void require_not_an_input(const std::string& out, const LayerOptions& layer, const std::string& config);

/// Throws CannotRun where a layer at `per_number` bytes each would not fit this machine's memory, roughly.
void require_memory(const Config& config, double per_number, bool backward);

/// A bar on the terminal once the work has taken a second; nothing elsewhere.
class ProgressBar {
 public:
  ~ProgressBar();
  void operator()(double share);

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int shown_ = -1;
};

/// The statistics of a routing as a document, and as a table with a bar for each of up to 32 experts.
Json stats_json(const RoutingStats& stats);
void print_stats(const RoutingStats& stats);
/// Does the file `input` hold a router's logits in place of x? And the statistics of routing those.
bool holds_logits(const std::string& input);
RoutingStats stats_of_logits(const Config& config, const std::string& input);

/// What `check` found, in 80 columns.
void print_report(const CheckReport& report);

/// 1234567 as 1,234,567.
std::string with_commas(Index n);
/// A real number as people read it: the shortest digits that read back, nan, inf.
std::string real_text(double x);
/// The numbers of a table: four digits are enough to look at.
std::string short_text(double x);
std::string letters_text(const Config& config);
double seconds_since(std::chrono::steady_clock::time_point start);

}  // namespace moe::cli
