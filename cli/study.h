#pragma once

#include "sizing.h"
#include "table.h"

/// What the experiments with models share.
namespace moe::cli {

/// MODEL, how to read it, and how to answer.
struct StudyOptions : ModelOptions {
  std::string plot;

  void add_to(CLI::App& verb);
  Output output() const { return {json, csv, plot}; }
};

void add_plot_option(CLI::App& verb, std::string& plot);

/// Bytes of a number stored as `dtype`; an Error names the option.
double bytes_per_number(const std::string& option, const std::string& dtype);

/// The whole numbers of a list such as 1,2,4 or 8:512:*2 or 1:4:+1, each in [least, most]; an Error names the option.
std::vector<std::int64_t> parse_list(const std::string& option, const std::string& text, std::int64_t least,
                                     std::int64_t most);

}  // namespace moe::cli
