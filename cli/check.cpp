#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "moe/backend.h"
#include "moe/digests.h"
#include "moe/program.h"
#include "moe/report.h"
#include "verbs.h"

namespace moe::cli {
namespace {

struct Options {
  std::vector<std::string> cases;
  std::string got, exec, backend, dtype, profile, mode = "auto", random, report, timeout = "60";
  bool allow_flag = false, strict = false, json = false;
};

Mode mode_called(const std::string& name) {
  if (name == "auto") return Mode::Automatic;
  if (name == "end-to-end") return Mode::EndToEnd;
  if (name == "pinned") return Mode::Pinned;
  if (name == "isolated") return Mode::Isolated;
  throw Error("--mode", "--mode = " + shown(name) + " must be one of auto, end-to-end, pinned, isolated");
}

CheckOptions check_options(const Options& options) {
  return {options.profile.empty() ? std::nullopt : std::optional(load_profile(options.profile)),
          mode_called(options.mode)};
}

/// The answer where it is one file that can be read; what is wrong with another is a verdict on its case.
std::optional<Answer> readable_answer(const std::string& got) {
  if (!std::filesystem::is_regular_file(got)) return std::nullopt;
  try {
    return read_answer(got);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Where the answers come from: files, a program, or a backend of ours.
class Candidate {
 public:
  Candidate(const Options& options, std::optional<Answer> file)
      : options_(options), pinned_(options.mode == "pinned"), file_(std::move(file)) {
    if (options.exec.empty()) return;
    program_.emplace(options.exec, static_cast<double>(parse_index("--timeout", options.timeout, 1, 86400)));
    sidecar_ =
        (std::filesystem::temp_directory_path() / ("moe-oracle-" + std::to_string(getpid()) + ".safetensors"))
            .string();
  }
  ~Candidate() {
    std::error_code gone;
    if (!sidecar_.empty()) std::filesystem::remove(sidecar_, gone);
  }
  Candidate(const Candidate&) = delete;
  Candidate& operator=(const Candidate&) = delete;

  /// Nothing where there is no file for the case.
  std::optional<Answer> answer(const CheckCase& c) {
    if (file_) return *std::exchange(file_, std::nullopt);
    if (program_) return program_->ask(request_of(c, pinned_, sidecar_), c.golden.id);
    if (!options_.backend.empty()) return of_backend(c);
    if (!std::filesystem::is_directory(options_.got)) return read_answer(options_.got);
    const std::optional<std::string> file = find_answer(options_.got, c.golden.id);
    return file ? std::optional(read_answer(*file)) : std::nullopt;
  }

 private:
  Answer of_backend(const CheckCase& c) const {
    if (c.golden.invalid) return {{}, "an invalid layer cannot be loaded", {}};
    const Backend& backend = backend_called(options_.backend);
    const Format dtype = options_.dtype.empty() ? backend.dtype : real_format("--dtype", options_.dtype);
    return {evaluate_on(backend, c.config, c.golden.inputs, dtype, !c.golden.results_only), {}, {}};
  }

  const Options& options_;
  bool pinned_;
  std::optional<Answer> file_;  // read before the case, so that only what it has is read of that
  std::optional<Program> program_;
  std::string sidecar_;
};

void require_sound(const Options& options) {
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
  if (!options.dtype.empty() && options.backend.empty())
    throw Error("--dtype", "--dtype has no meaning without --backend: an answer says its own");
  if (!options.dtype.empty()) real_format("--dtype", options.dtype);
}

CaseVerdict not_answered(const CheckCase& c, const std::string& reason, Status status) {
  CaseVerdict verdict;
  verdict.id = c.golden.id, verdict.status = status, verdict.reason = reason;
  return verdict;
}

CaseVerdict verdict_on(const CheckCase& c, Candidate& candidate, const CheckOptions& options) {
  try {
    const std::optional<Answer> answer = candidate.answer(c);
    return answer ? check(c, *answer, options) : not_answered(c, "there is no answer to it", Status::Skipped);
  } catch (const CannotRun& reason) {
    return not_answered(c, reason.what(), Status::Skipped);
  } catch (const Error& error) {
    return not_answered(c, error.what(), Status::Fail);
  }
}

/// 1 where a case failed, or was flagged and that is not allowed; 3 where nothing was judged.
int code_of(const CheckReport& report, const Options& options) {
  const auto counts = counts_of(report);
  const auto any = [&](Status status) { return counts[static_cast<std::size_t>(status)] > 0; };
  if (any(Status::Fail) || (any(Status::Flag) && !options.allow_flag)) return 1;
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
std::string how_as_arguments(const Options& options) {
  std::string text;
  const auto add = [&](const char* name, const std::string& value, const std::string& unless) {
    if (value != unless) text += ' ' + std::string(name) + ' ' + shell_quoted(value);
  };
  add("--got", options.got, ""), add("--exec", options.exec, ""), add("--backend", options.backend, "");
  add("--dtype", options.dtype, "");
  add("--profile", options.profile, ""), add("--mode", options.mode, "auto");
  add("--timeout", options.timeout, "60");
  return text;
}

int act_on(const Options& options) {
  require_sound(options);
  const CheckOptions how = check_options(options);
  std::optional<Answer> file = readable_answer(options.got);
  std::vector<CheckCase> cases;
  for (const std::string& name : options.cases) {
    std::vector<CheckCase> some = cases_of(name, file ? &*file : nullptr);
    std::move(some.begin(), some.end(), std::back_inserter(cases));
  }
  const Index drawn = options.random.empty() ? 0 : parse_index("--random", options.random, 1, 1'000'000);
  if (cases.size() + static_cast<std::size_t>(drawn) > 1 && std::filesystem::is_regular_file(options.got))
    throw Error("--got", "--got = " + shown(options.got) +
                             " must be a folder of answers where there are several cases");

  Candidate candidate(options, std::move(file));
  CheckReport report{{}, options.got + options.exec + options.backend, {}, {}};
  {
    ProgressBar bar;
    const double all = static_cast<double>(cases.size()) + static_cast<double>(drawn);
    for (const CheckCase& c : cases) {
      report.cases.push_back(verdict_on(c, candidate, how));
      bar(static_cast<double>(report.cases.size()) / all);
    }
    for (Index i = 0; i < drawn; ++i) {
      report.cases.push_back(verdict_on(random_case(i), candidate, how));
      bar(static_cast<double>(report.cases.size()) / all);
    }
  }
  std::string all_cases;
  for (const std::string& name : options.cases) all_cases += ' ' + shell_quoted(name);
  const std::string how_text = how_as_arguments(options);
  report.command =
      "moe-oracle check" + all_cases + (drawn > 0 ? " --random " + options.random : "") + how_text;
  // A file with one case of its own is named as it was; all else goes by its id.
  report.rerun =
      "moe-oracle check" + (report.cases.size() == 1 && drawn == 0 ? all_cases : " {id}") + how_text;
  write_report(report, options.report);
  if (options.json)
    std::fputs(print_json(report_json(report)).c_str(), stdout);
  else
    print_report(report);
  return code_of(report, options);
}

}  // namespace

void add_check(CLI::App& app, Act& act) {
  auto options = std::make_shared<Options>();
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
       "what --backend stores numbers as: f64, f32, bf16 or f16; else its own choice", "DTYPE");
  text("--profile", options->profile, "how the candidate computes: a name, or a JSON file; else by its dtype",
       "P");
  text("--mode", options->mode, "auto, end-to-end, pinned or isolated", "MODE");
  text("--random", options->random, "so many random layers, too", "N");
  text("--report", options->report, "write the report, as JSON or as a page", "R.json|R.html");
  text("--timeout", options->timeout, "seconds that --exec may take for an answer", "S");
  check->add_flag("--allow-flag", options->allow_flag, "FLAG is no failure");
  check->add_flag("--strict", options->strict, "LOW-POWER is a failure");
  check->add_flag("--json", options->json, "print JSON");
  check->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
