#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <new>
#include <system_error>

#include "moe/certify.h"
#include "moe/parallel.h"
#include "moe/temporary.h"
#include "moe/version.h"
#include "verbs.h"
#include "warnings.h"

namespace {

/// An error as its exit code, and as one line on stderr; of a very long one, the middle is left out.
int report(const std::string& message, int code) {
  constexpr std::size_t kMost = 1600, kEnd = 400;
  std::string line = moe::printable(message);
  if (line.size() > kMost) {
    std::size_t end = line.size() - kEnd;
    while ((static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) ++end;
    line = moe::beginning(line, kMost - kEnd) + " ... " + line.substr(end);
  }
  std::fprintf(stderr, "moe-oracle: %s\n", line.c_str());
  return code;
}

int report(const std::filesystem::filesystem_error& e) {
  const std::error_code why = e.code();
  const bool full =
      why == std::errc::no_space_on_device || why == std::errc::file_too_large || why == std::errc::io_error;
  return report(e.path1().string() + ": must be a path that can be used: " + why.message(), full ? 3 : 2);
}

/// Standard streams that are closed would be the next files that are opened, and would get what is printed.
void fill_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != stream)
      throw moe::CannotRun("/dev/null cannot be opened in place of a closed stream");
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
  moe::cli::add_routes(app, act);
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
  moe::cli::add_help(app, act);
  const std::string verb = argc > 1 ? argv[1] : "--help";
  if (!verb.starts_with('-')) moe::cli::verb_called(app, verb);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& e) {
    moe::cli::require_known_words(app);
    throw moe::Error("usage", e.what());
  }
  if (!act) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  }
  const int code = act();
  moe::cli::print_warnings();
  return code;
}

}  // namespace

/// Exit codes: 0 good, 1 a check failed, 2 bad usage or input, 3 could not run.
int main(int argc, char** argv) {
  // Balls come and go by the million; giving their pages back between costs more than the arithmetic.
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  mallopt(M_MMAP_THRESHOLD, 512 << 20);
  try {
    fill_closed_streams();
    moe::remove_temporaries_on_signals();
    moe::limit_threads();
    const int code = parse_and_act(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw moe::CannotRun("stdout cannot be written to its end");
    return code;
  } catch (const moe::Error& e) {
    return report(e.what(), 2);
  } catch (const moe::CannotRun& e) {
    return report(e.what(), 3);
  } catch (const moe::CertificateBroken& e) {
    return report(e.what(), 1);
  } catch (const std::filesystem::filesystem_error& e) {
    return report(e);
  } catch (const std::system_error& e) {
    return report("the system refused: " + e.code().message(), 3);
  } catch (const moe::Json::exception&) {
    return report("a document of JSON has another type somewhere than it must have", 2);
  } catch (const std::bad_alloc&) {
    return report("not enough memory for this", 3);
  } catch (const std::length_error&) {
    return report("not enough memory for this", 3);
  } catch (const std::runtime_error& e) {
    return report(e.what(), 3);
  } catch (const std::exception&) {
    return report("this is a mistake of moe-oracle itself: please report the command", 3);
  }
}
