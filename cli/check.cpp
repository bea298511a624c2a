#include <cstdio>
#include <filesystem>
#include <random>

#include "moe/backend.h"
#include "moe/digests.h"
#include "moe/nearest.h"
#include "moe/program.h"
#include "moe/report.h"
#include "verbs.h"

namespace moe::cli {
namespace {

struct CheckArguments {
  std::vector<std::string> cases;
  std::string got, exec, backend, dtype, profile, mode = "auto", random, seed, require, report,
                                                  timeout = "60";
  bool fresh = false, allow_flag = false, strict = false, json = false;
};

Mode mode_called(const std::string& name) {
  if (name == "auto") return Mode::Automatic;
  if (name == "end-to-end") return Mode::EndToEnd;
  if (name == "pinned") return Mode::Pinned;
  if (name == "isolated") return Mode::Isolated;
  throw Error("--mode", "--mode = " + shown(name) + " must be one of auto, end-to-end, pinned, isolated");
}

/// A name that a tensor of an answer may have.
std::string tensor_name(const std::string& option, const std::string& name) {
  std::vector<std::string> names;
  for (const TensorInfo& info : kTensors) names.emplace_back(info.name);
  if (std::find(names.begin(), names.end(), name) != names.end() || name.starts_with("loss.")) return name;
  throw Error(option, option + " = " + shown(name) + " must be names of tensors" + did_you_mean(name, names));
}

/// Another one each time.
std::string drawn_seed() {
  std::random_device source;
  const std::uint64_t seed = std::uint64_t{source()} << 32 | source();
  std::ostringstream text;
  text << "0x" << std::hex << seed;
  return text.str();
}

CheckOptions check_options(const CheckArguments& options) {
  CheckOptions how{.mode = mode_called(options.mode)};
  if (!options.profile.empty()) how.profile = load_profile(options.profile);
  if (!options.dtype.empty()) how.dtype = real_format("--dtype", options.dtype);
  std::istringstream names(options.require);
  for (std::string name; std::getline(names, name, ',');)
    how.require.push_back(tensor_name("--require", name));
  return how;
}

/// What --profile may be, in words.
int list_profiles() {
  for (const Profile& profile : profiles())
    std::printf("%-23s %s\n", profile.name.c_str(), profile.words.c_str());
  std::puts("FILE.json               one of yours: docs/MATH.md, section 13");
  return 0;
}

/// The names of the answer's tensors where it is one file that can be read; what is wrong with another is a verdict on its
/// case.
std::optional<Answer> outline_of_answer(const std::string& got) {
  if (!std::filesystem::is_regular_file(got)) return std::nullopt;
  try {
    return read_answer(got, [](const std::string&) { return std::optional<Index>(); });
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Where the answers come from: files, a program, or a backend of ours.
class Candidate {
 public:
  explicit Candidate(const CheckArguments& options) : options_(options), pinned_(options.mode == "pinned") {
    if (options.exec.empty()) return;
    program_.emplace(options.exec, static_cast<double>(parse_index("--timeout", options.timeout, 1, 86400)));
  }

  /// Nothing where there is no file for the case.
  std::optional<Answer> answer(const CheckCase& c) {
    if (program_) {
      if (std::string why = program_->given_up(); !why.empty()) return Answer{.unasked = std::move(why)};
      return program_->ask(request_of(c, pinned_, large_), c.golden.id);
    }
    if (!options_.backend.empty()) return of_backend(c);
    if (!std::filesystem::is_directory(options_.got)) return read_answer(options_.got, needs_of(c));
    const std::optional<std::string> file = find_answer(options_.got, c.golden.id);
    return file ? std::optional(read_answer(*file, needs_of(c))) : std::nullopt;
  }

 private:
  Answer of_backend(const CheckCase& c) const {
    if (c.golden.invalid) return {{}, "an invalid layer cannot be loaded", {}};
    const Backend& backend = backend_called(options_.backend);
    const Format dtype = options_.dtype.empty() ? backend.dtype : real_format("--dtype", options_.dtype);
    try {
      return {evaluate_on(backend, c.config, c.golden.inputs, dtype, !c.golden.results_only), {}, {}};
    } catch (const CannotRun& reason) {
      return {{}, reason.what(), {}};
    }
  }

  const CheckArguments& options_;
  bool pinned_;
  std::optional<Program> program_;
  RequestFile large_;
};

void require_sound(const CheckArguments& options) {
  const int sources =
      (options.got.empty() ? 0 : 1) + (options.exec.empty() ? 0 : 1) + (options.backend.empty() ? 0 : 1);
  if (sources != 1) throw Error("--got", "check needs one of --got, --exec, --backend");
  if (options.cases.empty() && options.random.empty())
    throw Error("CASE", "check needs a CASE, or --random N");
  if (!options.got.empty() && !std::filesystem::exists(options.got))
    throw Error("--got", "--got = " + shown(options.got) + " must be a file or a folder that exists");
  if (!options.random.empty() && !options.got.empty())
    throw Error("--random", "--random has no meaning with --got: random layers have no files");
  if (!options.report.empty() && !options.report.ends_with(".json") && !options.report.ends_with(".html"))
    throw Error("--report", "--report = " + shown(options.report) + " must end in .json or .html");
  if (!options.backend.empty()) backend_called(options.backend);
  if (!options.seed.empty() && options.random.empty() && !options.fresh)
    throw Error("--seed",
                "--seed has no meaning without --random or --fresh: golden inputs are what they are");
  if (options.fresh && !options.got.empty())
    throw Error("--fresh",
                "--fresh has no meaning with --got: there are no answers to inputs that are drawn now");
}

/// Nothing where there is no answer; what is wrong with one is a verdict on its case.
std::optional<Answer> answer_of(const CheckCase& c, Candidate& candidate) {
  try {
    return candidate.answer(c);
  } catch (const Error& error) {
    return Answer{{}, {}, error.what()};
  }
}

CaseVerdict not_answered(const std::string& id) {
  CaseVerdict verdict;
  verdict.id = id, verdict.status = Status::Skipped, verdict.reason = "there is no answer to it";
  return verdict;
}

/// 1 where a case failed or is partial, or was flagged and that is not allowed; 3 where nothing was judged.
int code_of(const CheckReport& report, const CheckArguments& options) {
  const auto counts = counts_of(report);
  const auto any = [&](Status status) { return counts[static_cast<std::size_t>(status)] > 0; };
  if (any(Status::Fail) || any(Status::Partial) || (any(Status::Flag) && !options.allow_flag)) return 1;
  if (any(Status::LowPower) && options.strict) return 1;
  return any(Status::Pass) || any(Status::LowPower) || any(Status::Flag) ? 0 : 3;
}

void write_report(const CheckReport& report, const std::string& path) {
  if (path.empty()) return;
  OutputFile file(path);
  file.write(path.ends_with(".html") ? report_html(report) : print_json(report_json(report)));
  file.commit();
}

/// The options that decide what is judged and how, as they were given.
std::string how_as_arguments(const CheckArguments& options) {
  std::string text;
  const auto add = [&](const char* name, const std::string& value, const std::string& unless) {
    if (value != unless) text += ' ' + std::string(name) + ' ' + shell_quoted(value);
  };
  add("--got", options.got, ""), add("--exec", options.exec, ""), add("--backend", options.backend, "");
  add("--dtype", options.dtype, "");
  add("--profile", options.profile, ""), add("--mode", options.mode, "auto");
  add("--require", options.require, "");
  if (options.fresh) text += " --fresh";
  add("--seed", options.seed, "");
  add("--timeout", options.timeout, "60");
  return text;
}

/// The cases that were named, and after them the random ones. Of a golden file only what the answer holds is read, if that
/// is one file.
std::vector<CheckCase> cases_asked_for(const CheckArguments& options, const Answer* file) {
  const std::uint64_t seed = options.seed.empty() ? kDefaultSeed : parse_seed("--seed", options.seed);
  std::vector<CheckCase> cases;
  for (const std::string& name : options.cases) {
    std::vector<CheckCase> some = cases_of(name, file, seed);
    std::move(some.begin(), some.end(), std::back_inserter(cases));
  }
  if (options.fresh)
    for (CheckCase& c : cases)
      if (!c.golden.id.starts_with("random/")) c = fresh_case(c, seed);
  const Index drawn = options.random.empty() ? 0 : parse_index("--random", options.random, 1, 1'000'000);
  for (Index i = 0; i < drawn; ++i) cases.push_back(random_case(i, seed));
  if (std::filesystem::is_directory(options.got))
    for (const CheckCase& c : cases) require_stays_inside(c.golden.id);
  if (cases.size() > 1 && std::filesystem::is_regular_file(options.got))
    throw Error("--got", "--got = " + shown(options.got) +
                             " must be a folder of answers where there are several cases");
  return cases;
}

/// The verdicts in the order of the cases: those without an answer are skipped.
std::vector<CaseVerdict> in_order(const std::vector<std::string>& ids, std::vector<CaseVerdict> judged,
                                  const std::vector<std::size_t>& places) {
  std::vector<CaseVerdict> all;
  for (const std::string& id : ids) all.push_back(not_answered(id));
  for (std::size_t i = 0; i < judged.size(); ++i) all[places[i]] = std::move(judged[i]);
  return all;
}

int act_on(CheckArguments options) {
  if (options.profile == "list") return list_profiles();
  require_sound(options);
  const CheckOptions how = check_options(options);
  if (options.fresh && options.seed.empty()) options.seed = drawn_seed();
  const std::optional<Answer> outline = outline_of_answer(options.got);
  std::vector<CheckCase> cases = cases_asked_for(options, outline ? &*outline : nullptr);

  CheckReport report{{}, options.got + options.exec + options.backend, {}};
  {
    ProgressBar bar;
    std::vector<Answered> answers;
    std::vector<std::string> ids;
    std::vector<std::size_t> places;
    {
      Candidate candidate(options);
      for (CheckCase& c : cases) {
        ids.push_back(c.golden.id);
        std::optional<Answer> answer = answer_of(c, candidate);
        if (!answer) continue;
        require_same_inputs(c, *answer, options.got.empty() ? "<exec>" : options.got);
        places.push_back(ids.size() - 1);
        answers.push_back({std::move(c), std::move(*answer)});
        bar(static_cast<double>(ids.size()) / static_cast<double>(2 * cases.size()));
      }
    }
    RunVerdict run = check_all(answers, how, true, [&](double share) { bar(0.5 + share / 2); });
    report.cases = in_order(ids, std::move(run.cases), places);
    report.found = std::move(run.found);
  }
  std::string all_cases;
  for (const std::string& name : options.cases) all_cases += ' ' + shell_quoted(name);
  const std::string how_text = how_as_arguments(options),
                    random = options.random.empty() ? "" : " --random " + options.random;
  report.command = "moe-oracle check" + all_cases + random + how_text;
  // A file with one case of its own is named as it was; all else goes by its id.
  report.rerun =
      "moe-oracle check" + (report.cases.size() == 1 && random.empty() ? all_cases : " {id}") + how_text;
  write_report(report, options.report);
  if (options.json)
    std::fputs(print_json(report_json(report)).c_str(), stdout);
  else
    print_report(report);
  if (options.fresh && !options.json) std::printf("inputs of --seed %s\n", options.seed.c_str());
  return code_of(report, options);
}

}  // namespace

void add_check(CLI::App& app, Act& act) {
  auto options = std::make_shared<CheckArguments>();
  CLI::App* check = app.add_subcommand("check", "judge what another implementation computed");
  check->footer(
      "Example: moe-oracle check golden/presets/mixtral.json --exec 'python3 golden/consumers/mixtral.py'");
  check->add_option("CASE", options->cases, "case ids, golden files, or folders of them")->check(kNotEmpty);
  const auto text = [&](const char* name, std::string& value, const char* what, const char* type) {
    check->add_option(name, value, what)->type_name(type)->check(kNotEmpty);
  };
  text("--got", options->got, "the answer (.json, .safetensors, .npz), or a folder of <id>.json and so on",
       "PATH");
  text("--exec", options->exec, "a command that answers cases, a line of JSON each", "CMD");
  text("--backend", options->backend, "one of ours: reference, cpu, cuda", "NAME");
  text("--dtype", options->dtype,
       "what the candidate computes in, where its answers come in a wider format: f64, f32, bf16 or f16",
       "DTYPE");
  text("--profile", options->profile,
       "how the candidate computes: a name, a JSON file, or list; else it is found", "P");
  text("--mode", options->mode, "auto, end-to-end, pinned or isolated", "MODE");
  text("--random", options->random, "so many random layers, too", "N");
  check->add_flag("--fresh", options->fresh,
                  "draw the inputs of every case anew, so that no answer can have been read");
  text("--seed", options->seed, "of --fresh and --random, decimal or 0x hexadecimal", "N");
  text("--require", options->require, "tensors that every answer must hold beside y, with commas between",
       "NAMES");
  text("--report", options->report, "write the report, as JSON or as a page", "R.json|R.html");
  text("--timeout", options->timeout, "seconds that --exec may take for an answer", "S");
  check->add_flag("--allow-flag", options->allow_flag, "FLAG is no failure");
  check->add_flag("--strict", options->strict, "LOW-POWER is a failure");
  check->add_flag("--json", options->json, "print JSON");
  check->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
