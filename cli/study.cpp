#include "study.h"

namespace moe::cli {

void add_plot_option(CLI::App& verb, std::string& plot) {
  verb.add_option("--plot", plot, "draw it: FILE.svg, FILE.png, or - for the terminal (needs gnuplot)")
      ->type_name("FILE")
      ->check(kNotEmpty);
}

void StudyOptions::add_to(CLI::App& verb) {
  ModelOptions::add_to(verb);
  add_plot_option(verb, plot);
}

std::vector<std::int64_t> parse_list(const std::string& option, const std::string& text, std::int64_t least,
                                     std::int64_t most) {
  const auto part = [&](const std::string& digits) { return parse_index(option, digits, least, most); };
  const std::size_t to = text.find(':'), step = to == std::string::npos ? to : text.find(':', to + 1);
  std::vector<std::int64_t> all;
  if (to == std::string::npos) {
    for (std::size_t at = 0, comma = 0; comma != std::string::npos; at = comma + 1) {
      comma = text.find(',', at);
      all.push_back(part(text.substr(at, comma == std::string::npos ? comma : comma - at)));
    }
    return all;
  }
  const std::string by = step == std::string::npos ? "" : text.substr(step + 1);
  if (by.size() < 2 || (by[0] != '*' && by[0] != '+'))
    throw Error(option, option + " = " + shown(text) +
                            " must be a list such as 1,2,4 or a range such as 8:512:*2 or 1:4:+1");
  const std::int64_t first = part(text.substr(0, to)), last = part(text.substr(to + 1, step - to - 1));
  const std::int64_t n = parse_index(option, by.substr(1), by[0] == '*' ? 2 : 1, most);
  for (Int128 x = first; x <= last; x = by[0] == '*' ? x * n : x + n) {
    if (all.size() == 100'000)
      throw Error(option, option + " = " + shown(text) + " must not have over 100,000 numbers");
    all.push_back(static_cast<std::int64_t>(x));
  }
  if (all.empty()) throw Error(option, option + " = " + shown(text) + " must not be empty");
  return all;
}

}  // namespace moe::cli
