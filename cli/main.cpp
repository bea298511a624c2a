#include <malloc.h>

#include <cstdio>
#include <exception>
#include <new>

#include "moe/certify.h"
#include "moe/version.h"
#include "verbs.h"

namespace {

constexpr const char* kVerbs =
    "info, presets, run, golden, check, diagnose, audit, models, count, flops, memory, law, capacity, "
    "roofline, compare, iso, sweep, explain";

/// An exception as its exit code, and as one line on stderr.
int report(const std::exception& e, int code) {
  std::string line = e.what();
  for (char& c : line)
    if (c == '\n') c = ' ';
  std::fprintf(stderr, "moe-oracle: %s\n", line.c_str());
  return code;
}

int parse_and_act(int argc, char** argv) {
  CLI::App app{"The numerical oracle for Mixture-of-Experts layers.", "moe-oracle"};
  app.set_version_flag("--version", moe::kVersion);
  app.require_subcommand(0, 1);
  moe::cli::Act act;
  moe::cli::add_info(app, act);
  moe::cli::add_presets(app, act);
  moe::cli::add_run(app, act);
  moe::cli::add_golden(app, act);
  moe::cli::add_check(app, act);
  moe::cli::add_diagnose(app, act);
  moe::cli::add_audit(app, act);
  moe::cli::add_models(app, act);
  moe::cli::add_count(app, act);
  moe::cli::add_flops(app, act);
  moe::cli::add_memory(app, act);
  moe::cli::add_law(app, act);
  moe::cli::add_capacity(app, act);
  moe::cli::add_roofline(app, act);
  moe::cli::add_compare(app, act);
  moe::cli::add_iso(app, act);
  moe::cli::add_sweep(app, act);
  moe::cli::add_explain(app, act);
  moe::cli::add_bench(app, act);
  const std::string verb = argc > 1 ? argv[1] : "";
  const auto verbs = app.get_subcommands([](const CLI::App*) { return true; });
  const bool known =
      std::any_of(verbs.begin(), verbs.end(), [&](const CLI::App* v) { return v->get_name() == verb; });
  if (!verb.starts_with('-') && !known)
    throw moe::Error("VERB",
                     "VERB = " + moe::shown(verb) + " must be one of " + kVerbs + " (moe-oracle --help)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& e) {
    return report(e, 2);
  }
  if (!act)
    throw moe::Error("VERB", std::string("VERB must come first: one of ") + kVerbs + " (moe-oracle --help)");
  return act();
}

}  // namespace

/// Exit codes: 0 good, 1 a check failed, 2 bad usage or input, 3 could not run.
int main(int argc, char** argv) {
  // Balls come and go by the million; giving their pages back between costs more than the arithmetic.
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  mallopt(M_MMAP_THRESHOLD, 512 << 20);
  try {
    const int code = parse_and_act(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw moe::CannotRun("stdout cannot be written to its end");
    return code;
  } catch (const moe::Error& e) {
    return report(e, 2);
  } catch (const moe::CannotRun& e) {
    return report(e, 3);
  } catch (const moe::CertificateBroken& e) {
    return report(e, 1);
  } catch (const std::bad_alloc&) {
    return report(moe::CannotRun("not enough memory for this"), 3);
  } catch (const std::length_error&) {
    return report(moe::CannotRun("not enough memory for this"), 3);
  } catch (const std::exception& e) {
    return report(e, 3);
  }
}
