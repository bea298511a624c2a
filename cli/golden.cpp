#include "moe/golden.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "moe/config_json.h"
#include "moe/corpus.h"
#include "moe/digests.h"
#include "moe/nearest.h"
#include "moe/presets.h"
#include "verbs.h"

namespace moe::cli {
namespace {

struct GoldenOptions {
  LayerOptions layer;
  std::string target, out;
  std::vector<std::string> budgets;
  bool json = false;
};

bool corpus_is_here() {
  std::error_code failed;
  return std::filesystem::exists("golden/manifest.json", failed);
}

/// Where to write the corpus: --out, or golden/ here if it is one. Never elsewhere. It is made before anything is proven.
std::string folder_to_write(const GoldenOptions& options) {
  if (!options.out.empty()) {
    std::filesystem::create_directories(options.out);
    return options.out;
  }
  if (corpus_is_here()) return "golden";
  throw Error("--out", "--out must name the folder that the corpus goes to");
}

void require_json_name(const std::string& out) {
  if (!out.empty() && !out.ends_with(".json"))
    throw Error("--out", "--out = " + shown(out) + " must end in .json");
}

std::string size_text(std::size_t bytes) {
  char text[40];
  std::snprintf(text, sizeof text, bytes < 100'000 ? "%.1f kB" : "%.0f kB",
                static_cast<double>(bytes) / 1000);
  return text;
}

/// A golden file of one config: the case `run/<name>`.
GoldenFile file_of_config(const GoldenOptions& options) {
  const NamedConfig named = options.layer.load(options.target);
  std::string stem = std::filesystem::path(named.name).stem().string();
  for (char& c : stem)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_' && c != '.') c = '-';
  GoldenCase c;
  c.id = "run/" + stem;
  c.comment = "Written by golden write: " + options.layer.inputs_text() + ".";
  c.flags = {"Written"};
  c.source = named.source.empty() ? named.name : named.source;
  require_memory(named.config, 48, true);
  c.config = config_to_json(named.config);
  c.inputs = options.layer.inputs(named);
  for (const std::string& name : options.budgets) c.budgets.push_back(profile_called(name).name);
  return {options.out.empty() ? stem + ".golden.json" : options.out, {std::move(c)}};
}

void print_proof(const GoldenFile& file, const RenderedFile& rendered, const ProvenCase& proof,
                 double seconds) {
  const Certified& c = *proof.certified;
  const Config config = config_from_json(file.cases.front().config);
  const Index dropped = config.shape.num_tokens * config.shape.top_k - c.decisions.plan.N();
  std::printf("layer     %s  %s\n", printable(file.cases.front().id.substr(4)).c_str(),
              letters_text(config).c_str());
  std::printf("proven    %s of %s real numbers are the correctly rounded true value (%d bits)\n",
              with_commas(rendered.proven).c_str(), with_commas(rendered.numbers).c_str(), c.bits);
  if (!c.margin.empty())
    std::printf(
        "decided   %s choices of experts, smallest margin %s, %zu exact ties; %s assignments dropped\n",
        with_commas(config.shape.num_tokens).c_str(),
        real_text(*std::min_element(c.margin.begin(), c.margin.end())).c_str(), c.ties.size(),
        with_commas(dropped).c_str());
  if (c.gradient)
    std::printf(
        "gradient  reverse mode and dual numbers over balls enclose one directional derivative, %s; %td "
        "central differences agree\n",
        real_text(c.gradient->derivative).c_str(), c.gradient->differences);
  else
    std::printf("gradient  NOT PROVEN: its derivative in a direction cannot be rounded at %d bits\n", c.bits);
  std::printf("wrote     %s%s (%s) in %.2f s\n", printable(file.path).c_str(),
              rendered.sidecar.empty() ? "" : (" and " + printable(sidecar_path(file.path))).c_str(),
              size_text(rendered.text.size()).c_str(), seconds);
}

void print_written(const GoldenFile& file, const RenderedFile& rendered) {
  std::fputs(print_json({{"path", file.path},
                         {"numbers", rendered.numbers},
                         {"proven", rendered.proven},
                         {"refused", rendered.numbers - rendered.proven}})
                 .c_str(),
             stdout);
}

/// 0 if everything is proven, else 1.
int code_of(Index numbers, Index proven) { return numbers == proven ? 0 : 1; }

int write_config(GoldenOptions options) {
  const auto start = std::chrono::steady_clock::now();
  options.layer.open_folders(options.target);
  if (!options.out.empty()) require_not_an_input(options.out, options.layer, options.target);
  const GoldenFile file = file_of_config(options);
  std::vector<ProvenCase> proofs;
  {
    ProgressBar bar;
    proofs.push_back(prove(file.cases.front(), [&](double share) { bar(share); }));
  }
  const RenderedFile rendered = render(file, proofs);
  write_golden(file.path, rendered);
  if (options.json)
    print_written(file, rendered);
  else
    print_proof(file, rendered, proofs.front(), seconds_since(start));
  return proofs.front().certified->gradient ? code_of(rendered.numbers, rendered.proven) : 1;
}

int write_case(GoldenFile file, const GoldenOptions& options) {
  if (!options.out.empty()) file.path = options.out;
  const std::vector<ProvenCase> proofs{prove(file.cases.front())};
  const RenderedFile rendered = render(file, proofs);
  write_golden(file.path, rendered);
  if (options.json)
    print_written(file, rendered);
  else
    std::printf("wrote     %s (%s)\n", printable(file.path).c_str(), size_text(rendered.text.size()).c_str());
  return code_of(rendered.numbers, rendered.proven);
}

/// A file with this case of the corpus alone, or nothing.
std::optional<GoldenFile> file_of_case(const std::string& id) {
  if (const std::optional<Index> n = digest_number(id))
    return GoldenFile{id.substr(id.find('/') + 1) + ".golden.json", {digest_case(*n)}};
  std::optional<GoldenFile> file = file_with_case(id);
  if (!file) return std::nullopt;
  std::erase_if(file->cases, [&](const GoldenCase& c) { return c.id != id; });
  file->path = id.substr(id.find('/') + 1) + ".golden.json";
  return file;
}

void print_totals(const CorpusTotals& totals, const GoldenOptions& options, const char* what,
                  double seconds) {
  if (options.json) {
    std::fputs(print_json({{"cases", totals.cases},
                           {"files", totals.files},
                           {"numbers", totals.numbers},
                           {"proven", totals.proven},
                           {"refused", totals.numbers - totals.proven},
                           {"different", totals.different}})
                   .c_str(),
               stdout);
    return;
  }
  std::printf("%s %s cases in %s files: %s numbers, %s proven, %s refused (%.1f s)\n", what,
              with_commas(totals.cases).c_str(), with_commas(totals.files).c_str(),
              with_commas(totals.numbers).c_str(), with_commas(totals.proven).c_str(),
              with_commas(totals.numbers - totals.proven).c_str(), seconds);
}

int act_on_write(const GoldenOptions& options) {
  std::optional<GoldenFile> file = file_of_case(options.target);
  if (!options.target.empty()) require_json_name(options.out);
  if (!options.target.empty() && !file) return write_config(options);
  if (options.layer.given())
    throw Error("CONFIG", "options that change a layer need a config, not a case or the corpus");
  if (file) return write_case(std::move(*file), options);
  const auto start = std::chrono::steady_clock::now();
  const std::string folder = folder_to_write(options);
  CorpusTotals totals;
  {
    ProgressBar bar;
    totals = write_corpus(folder, corpus(), [&](Index finished, Index all) {
      bar(static_cast<double>(finished) / static_cast<double>(all));
    });
  }
  print_totals(totals, options, ("wrote " + printable(folder) + ":").c_str(), seconds_since(start));
  return code_of(totals.numbers, totals.proven);
}

int act_on_verify(const GoldenOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  CorpusTotals totals;
  {
    ProgressBar bar;
    const auto done = [&](Index finished, Index all) {
      bar(static_cast<double>(finished) / static_cast<double>(all));
    };
    const bool is_file = !options.target.empty() && std::filesystem::is_regular_file(options.target);
    totals = is_file ? verify_file(options.target, done)
                     : verify_corpus(golden_folder(options.out), corpus(), options.target, done);
  }
  for (const std::string& line : totals.differences)
    std::fprintf(stderr, "moe-oracle: %s\n", printable(line).c_str());
  print_totals(totals, options,
               totals.different == 0 ? "verified, byte for byte:" : "FAIL:", seconds_since(start));
  if (!options.json && !totals.built_with.empty())
    std::printf("built with %s\n", printable(totals.built_with).c_str());
  return totals.different == 0 ? code_of(totals.numbers, totals.proven) : 1;
}

int act_on_list(const GoldenOptions& options) {
  Json ids = Json::array();
  for (const GoldenFile& file : corpus())
    for (const GoldenCase& c : file.cases)
      if (c.id.starts_with(options.target)) ids.push_back(c.id);
  if (options.json)
    std::fputs(print_json(ids).c_str(), stdout);
  else
    for (const Json& id : ids) std::printf("%s\n", id.get<std::string>().c_str());
  return 0;
}

void show(const GoldenFile& file, const GoldenCase& c) {
  std::printf("%s\n  %s\n", printable(c.id).c_str(), printable(c.comment).c_str());
  if (!c.catches.empty()) std::printf("  catches: %s\n", printable(c.catches).c_str());
  std::printf("  file: %s\n  flags:", printable(file.path).c_str());
  for (const std::string& flag : c.flags) std::printf(" %s", printable(flag).c_str());
  std::printf("\n  source: %s\n%s", printable(c.source).c_str(), print_json(c.config).c_str());
}

/// A case that stands in no file: all of it, inputs and results.
int show_generated(Index n) {
  const GoldenFile file{"", {digest_case(n)}};
  std::fputs(render(file, {prove(file.cases.front())}).text.c_str(), stdout);
  return 0;
}

int act_on_show(const GoldenOptions& options) {
  if (const std::optional<Index> n = digest_number(options.target)) return show_generated(*n);
  std::vector<GoldenFile> files;
  if (std::filesystem::is_regular_file(options.target))
    files = {read_golden(options.target)};
  else if (const std::optional<GoldenFile> file = file_with_case(options.target))
    files = {*file};
  else
    files = corpus();
  Json found = Json::array();
  std::vector<std::string> ids;
  for (const GoldenFile& file : files)
    for (const GoldenCase& c : file.cases) {
      ids.push_back(c.id);
      if (c.id != options.target && file.path != options.target) continue;
      found.push_back({{"id", c.id},
                       {"comment", c.comment},
                       {"catches", c.catches},
                       {"file", file.path},
                       {"flags", c.flags},
                       {"source", c.source},
                       {"config", c.config}});
      if (!options.json) show(file, c);
    }
  if (found.empty())
    throw Error("ID", "ID = " + shown(options.target) + " must be a case id (golden list) or a golden file" +
                          did_you_mean(options.target, ids));
  if (options.json) std::fputs(print_json(found).c_str(), stdout);
  return 0;
}

}  // namespace

void add_golden(CLI::App& app, Act& act) {
  auto options = std::make_shared<GoldenOptions>();
  CLI::App* golden = app.add_subcommand("golden", "files of inputs and proven results");
  golden->footer("Example: moe-oracle golden write mixtral --out mixtral.json");
  golden->require_subcommand(0, 1);
  golden->callback([golden] {
    if (golden->get_subcommands().empty())
      throw Error("golden", "golden needs one of " + verbs_text(*golden));
  });
  const auto verb = [&](const char* name, const char* what, const char* target, const char* example,
                        int (*on)(const GoldenOptions&)) {
    CLI::App* added = golden->add_subcommand(name, what);
    added->footer(std::string("Example: moe-oracle golden ") + name + ' ' + example);
    added->add_option(target, options->target, "a case id, or what the name says")->check(kNotEmpty);
    added->add_flag("--json", options->json, "print JSON");
    added->callback([options, &act, on] { act = [options, on] { return on(*options); }; });
    return added;
  };
  CLI::App* write = verb("write", "prove one config, one case, or the whole corpus, and write it", "CONFIG",
                         "mixtral --out mixtral.json", act_on_write);
  options->layer.add_to(*write);
  write->add_option("--budgets", options->budgets, "profiles whose budgets a file of one config states")
      ->type_name("PROFILE")
      ->check(kNotEmpty);
  CLI::App* verify = verb("verify", "prove it again and compare every byte", "ID", "", act_on_verify);
  verb("list", "the ids of the corpus, one a line", "PREFIX", "ties/", act_on_list);
  CLI::App* show = verb("show", "what a case is, and what it catches", "ID", "ties/boundary", act_on_show);
  show->get_option("ID")->required();
  for (CLI::App* with_files : {write, verify})
    with_files->add_option("--out", options->out, "the file to write, or the folder of the corpus")
        ->type_name("PATH")
        ->check(kNotEmpty);
}

}  // namespace moe::cli
