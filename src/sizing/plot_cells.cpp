#include <algorithm>
#include <cmath>

#include "plot_page.h"

namespace moe::plotting {
namespace {

// Viridis: even steps to the eye, in grey as well.
constexpr std::string_view kViridis[] = {"#440154", "#46327E", "#365C8D", "#277F8E",
                                         "#1FA187", "#4AC16D", "#A0DA39", "#FDE725"};

std::string palette() {
  std::string text = "set palette defined (";
  for (std::size_t i = 0; i < std::size(kViridis); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(i) + " '" + std::string(kViridis[i]) + '\'';
  return text + ")\n";
}

std::string_view viridis(double share) {
  const auto i = static_cast<std::size_t>(std::clamp(std::round(7 * share), 0., 7.));
  return kViridis[i];
}

std::vector<Tick> numbered(const std::vector<std::string>& words) {
  std::vector<Tick> all;
  for (std::size_t i = 0; i < words.size(); ++i) all.push_back({static_cast<double>(i), words[i]});
  return all;
}

double longest(const std::vector<std::string>& words) {
  double letters = 0;
  for (const std::string& word : words) letters = std::max(letters, width_of(word, 1));
  return letters;
}

/// The texts of the cells on a terminal: the marked one in brackets, or, where they do not fit, shades.
std::string in_letters(const HeatMap& map, std::size_t r, std::size_t c, bool fits, double share) {
  const std::string text = fits ? map.texts[r][c] : std::string(1, ".:-=+*#%@"[std::lround(8 * share)]);
  return map.marked == std::pair(r, c) ? '[' + text + ']' : text;
}

void add_cell_texts(Script& script, const HeatMap& map, const Scale& scale, const Box& area, bool fits) {
  const double width = area.width() / static_cast<double>(map.columns.size()),
               height = area.height() / static_cast<double>(map.rows.size());
  for (std::size_t r = 0; r < map.rows.size(); ++r)
    for (std::size_t c = 0; c < map.columns.size(); ++c) {
      const double share = scale.at(map.values[r][c]);
      if (!std::isfinite(share)) continue;
      const double x = area.left + (static_cast<double>(c) + 0.5) * width,
                   y = area.bottom + (static_cast<double>(r) + 0.5) * height;
      if (script.letters())
        script.text(in_letters(map, r, c, fits, share), x, y, "center");
      else if (fits)
        script.text(map.texts[r][c], x, y, "center",
                    "textcolor rgb '" + text_colour_on(viridis(share)) + '\'');
    }
}

}  // namespace

void add_map(Script& script, const HeatMap& map, const std::string& title) {
  std::vector<double> all;
  double widest = 0;
  for (const auto& row : map.values) all.insert(all.end(), row.begin(), row.end());
  for (const auto& row : map.texts) widest = std::max(widest, longest(row) + 2);
  const Scale scale = scale_of(map.value, all, 0);
  Box cell = script.cell(0, 1);
  const double columns = static_cast<double>(map.columns.size()), rows = static_cast<double>(map.rows.size());
  const double tick_letters = longest(map.rows);
  const auto fits_in = [&](const Box& area) {
    return !map.texts.empty() && widest * script.letter() <= area.width() / columns &&
           1.2 * script.line() <= area.height() / rows;
  };
  const bool fits = fits_in({cell.left + (tick_letters + 5) * script.letter(),
                             cell.bottom + 3 * script.line(), cell.right, cell.top - 3 * script.line()});
  if (!fits && !script.letters()) cell.right -= 10 * script.letter();  // for the scale of colours
  const std::string marked = !map.marked        ? ""
                             : script.letters() ? "; [ ]: the model itself"
                                                : "; framed: the model itself";
  const Box area =
      script.frame(cell, title + ": " + map.value.label, map.x_label + marked, map.y_label, {}, tick_letters);
  std::ostringstream& out = script.out();
  out << "$map << EOD\n";
  for (const auto& row : map.values) {
    for (const double value : row) out << Script::number(value) << ' ';
    out << '\n';
  }
  out << "EOD\nset tics scale 0\nunset grid\nset xrange [-0.5:" << columns
      << "-0.5]\nset yrange [-0.5:" << rows << "-0.5]\nset cbrange [" << Script::number(scale.least) << ':'
      << Script::number(scale.most) << "]\n"
      << palette();
  script.ticks("x", numbered(map.columns));
  script.ticks("y", numbered(map.rows));
  if (map.value.logarithmic) out << "set logscale cb\n";
  add_cell_texts(script, map, scale, area, fits);
  if (script.letters()) {
    out << "plot NaN notitle\n";
    return;
  }
  if (fits)
    out << "unset colorbox\n";
  else if (map.value.logarithmic)
    script.ticks("cb", ticks_of(scale, map.value.unit, 12));
  if (map.marked)
    out << "set object rectangle from first " << map.marked->second << "-0.5,first " << map.marked->first
        << "-0.5 to first " << map.marked->second << "+0.5,first " << map.marked->first
        << "+0.5 front fillstyle empty border lc rgb '#D55E00' lw 4\n";
  out << "plot $map matrix using 1:2:(0.5):(0.5):3 with boxxyerror fillcolor palette fillstyle solid "
         "noborder "
         "notitle\n";
}

void add_bars(Script& script, const Bars& bars, const std::string& title) {
  const std::size_t n = bars.columns.size();
  std::vector<double> sums(n);
  for (const auto& part : bars.values)
    for (std::size_t c = 0; c < n; ++c) sums[c] += part[c];
  const double top = bars.top > 0 ? bars.top : 1.05 * *std::max_element(sums.begin(), sums.end());
  const Box area = script.frame(script.cell(0, 1), title, "", bars.y_label,
                                script.letters() ? std::vector<std::string>() : bars.parts, 5);
  std::ostringstream& out = script.out();
  out << "$bars << EOD\n";
  for (std::size_t c = 0; c < n; ++c) {
    out << c;
    for (const auto& part : bars.values) out << ' ' << Script::number(part[c]);
    out << '\n';
  }
  out << "EOD\nset style data histograms\nset style histogram rowstacked\nset style fill solid 0.9 border "
         "-1\n"
      << "set boxwidth 0.7\nset xrange [-0.5:" << n << "-0.5]\nset yrange [0:" << Script::number(top)
      << "]\n";
  script.ticks("x", numbered(bars.columns));
  std::vector<double> below(n);
  for (std::size_t p = 0; p < bars.parts.size(); ++p)
    for (std::size_t c = 0; c < n; ++c) {
      const double width = 0.7 * area.width() / static_cast<double>(n), value = bars.values[p][c];
      const double middle = below[c] + value / 2;
      below[c] += value;
      if (value / top * area.height() < (script.letters() ? 1.9 : 1.1) * script.line() ||
          width_of(bars.parts[p], script.letter()) > width)
        continue;
      script.text(bars.parts[p],
                  area.left + (static_cast<double>(c) + 0.5) * area.width() / static_cast<double>(n),
                  area.bottom + middle / top * area.height(), "center",
                  script.letters() ? "" : "textcolor rgb '" + text_colour_on(colour_of(p)) + '\'');
    }
  out << "plot ";
  for (std::size_t p = 0; p < bars.parts.size(); ++p)
    out << (p > 0 ? ", \\\n  " : "") << "$bars using " << p + 2 << " lc rgb '" << colour_of(p) << "' title "
        << Script::quoted(bars.parts[p]);
  out << '\n';
}

}  // namespace moe::plotting
