#include "moe/plot.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "moe/error.h"

namespace moe {
namespace {

// Okabe and Ito, Color Universal Design, 2008, with a darker yellow, and a grey.
constexpr std::string_view kColours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
                                         "#56B4E9", "#000000", "#8A7F00", "#999999"};

/// Text between single quotes, in which gnuplot reads nothing but their end: another quote becomes an apostrophe, and what
/// moves a cursor a space.
std::string quoted(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) {
    if (c == '\'')
      safe += "\u2019";
    else
      safe += static_cast<unsigned char>(c) < ' ' || c == 127 ? ' ' : c;
  }
  return safe + '\'';
}

std::string number(double x) {
  if (!std::isfinite(x)) return "NaN";
  std::ostringstream text;
  show(text, x);
  return text.str();
}

std::string terminal_setting(const std::string& terminal, bool wide) {
  const std::string font = "'DejaVu Sans,";
  if (terminal == "dumb") return "set terminal dumb noenhanced mono size 79,30";
  if (terminal == "png")
    return std::string("set terminal pngcairo noenhanced rounded background '#FFFFFF' size ") +
           (wide ? "1500,700" : "1000,700") + " font " + font + "13' linewidth 1.6";
  return std::string("set terminal svg noenhanced rounded background '#FFFFFF' size ") +
         (wide ? "1200,560" : "800,560") + " font " + font + "12' linewidth 1.4";
}

void data_block(std::ostringstream& script, const std::string& name, const std::vector<double>& x,
                const std::vector<double>& y) {
  script << '$' << name << " << EOD\n";
  for (std::size_t i = 0; i < x.size(); ++i) script << number(x[i]) << ' ' << number(y[i]) << '\n';
  script << "EOD\n";
}

std::string style_of(const Curve& curve) {
  const std::string colour =
      std::string(" lc rgb '") +
      std::string(kColours[static_cast<std::size_t>(curve.colour) % std::size(kColours)]) + '\'';
  switch (curve.mark) {
    case Mark::Line:
      return "lines lw 2" + colour;
    case Mark::Dashes:
      return "lines lw 1.5 dt 2" + colour;
    case Mark::Dots:
      return "points pt 7 ps 0.9" + colour;
    case Mark::LineAndDots:
      return "linespoints lw 2 pt 7 ps 0.7" + colour;
  }
  return "";
}

void set_axis(std::ostringstream& script, char axis, const Axis& a) {
  script << "set " << axis << "label " << quoted(a.label) << '\n';
  script << (a.logarithmic ? "set logscale " : "unset logscale ") << axis << '\n';
  script << "set format " << axis
         << (a.logarithmic ? " '%.0s%c'\n"
             : a.from_zero ? " '%.1s%c'\n"
                           : " '%g'\n");
  script << "set " << axis << (a.from_zero ? "range [0:*]\n" : "range [*:*]\n");
}

void add_panel(std::ostringstream& script, const Panel& panel, std::size_t p, bool letters) {
  std::string plots;
  for (std::size_t c = 0; c < panel.curves.size(); ++c) {
    const Curve& curve = panel.curves[c];
    const std::string name = "p" + std::to_string(p) + "c" + std::to_string(c);
    data_block(script, name, curve.x, curve.y);
    plots += (c == 0 ? "plot $" : ", \\\n  $") + name + " using 1:2 with " + style_of(curve) +
             (curve.title.empty() ? " notitle" : " title " + quoted(curve.title));
  }
  script << "set title " << quoted(panel.title) << '\n';
  set_axis(script, 'x', panel.x);
  set_axis(script, 'y', panel.y);
  const bool dots = std::any_of(panel.curves.begin(), panel.curves.end(),
                                [](const Curve& curve) { return curve.mark == Mark::Dots; });
  script << (panel.x.from_zero ? "" : dots ? "set autoscale x\n" : "set autoscale xfix\n") << "unset label\n";
  for (const PointLabel& label : panel.labels)
    script << "set label " << quoted(label.text) << " at " << number(label.x) << ',' << number(label.y)
           << (letters ? " offset 1,0\n" : " offset 0.8,0.5 font ',10'\n");
  script << plots << '\n';
}

/// 1, 2 and 5 times powers of ten, as far as numbers reach.
std::string decades(const std::vector<std::vector<double>>& values) {
  double least = HUGE_VAL, most = 0;
  for (const auto& row : values)
    for (const double value : row)
      if (value > 0 && std::isfinite(value)) least = std::min(least, value), most = std::max(most, value);
  std::string ticks;
  if (least > most) return ticks;  // no positive number
  const auto exponent_of = [](double x) { return static_cast<int>(std::floor(std::log10(x))); };
  for (int exponent = exponent_of(least); exponent <= exponent_of(most); ++exponent)
    for (const int step : {1, 2, 5}) {
      const double tick = step * std::pow(10, exponent);
      if (tick >= least && tick <= most) ticks += (ticks.empty() ? "" : ", ") + number(tick);
    }
  return ticks;
}

void add_map(std::ostringstream& script, const HeatMap& map) {
  script << "$map << EOD\n";
  for (const auto& row : map.values) {
    for (const double value : row) script << number(value) << ' ';
    script << '\n';
  }
  script << "EOD\n";
  const auto ticks = [&](char axis, const std::vector<std::string>& words) {
    script << "set " << axis << "tics (";
    for (std::size_t i = 0; i < words.size(); ++i)
      script << (i > 0 ? ", " : "") << quoted(words[i]) << ' ' << i;
    script << ") scale 0\n";
    script << "set " << axis << "range [-0.5:" << words.size() << "-0.5]\n";
  };
  ticks('x', map.columns);
  ticks('y', map.rows);
  script
      << "set xlabel " << quoted(map.x_label) << "\nset ylabel " << quoted(map.y_label) << "\nset cblabel "
      << quoted(map.value_label) << '\n'
      << (map.logarithmic
              ? "set logscale cb\nset format cb '%.0s%c'\nset cbtics (" + decades(map.values) + ")\n"
              : "")
      // Viridis: even steps to the eye, in grey as well.
      << "set palette defined (0 '#440154', 1 '#46327E', 2 '#365C8D', 3 '#277F8E', 4 '#1FA187', 5 '#4AC16D', "
         "6 '#A0DA39', 7 '#FDE725')\n"
      << "unset key\nunset grid\nplot $map matrix with image\n";
}

void add_bars(std::ostringstream& script, const Bars& bars) {
  script << "$bars << EOD\n";
  for (std::size_t c = 0; c < bars.columns.size(); ++c) {
    script << c;
    for (const auto& part : bars.values) script << ' ' << number(part[c]);
    script << '\n';
  }
  script << "EOD\nset style data histograms\nset style histogram rowstacked\nset style fill solid 0.9 border "
            "-1\n"
         << "set boxwidth 0.7\nset ylabel " << quoted(bars.y_label)
         << "\nset yrange [0:" << (bars.top > 0 ? number(bars.top) : "*") << "]\nset xtics (";
  for (std::size_t c = 0; c < bars.columns.size(); ++c)
    script << (c > 0 ? ", " : "") << quoted(bars.columns[c]) << ' ' << c;
  script << ") scale 0\nset key outside right center reverse Left\nplot ";
  for (std::size_t p = 0; p < bars.parts.size(); ++p)
    script << (p > 0 ? ", \\\n  " : "") << "$bars using " << p + 2 << " lc rgb '"
           << kColours[p % std::size(kColours)] << "' title " << quoted(bars.parts[p]);
  script << '\n';
}

}  // namespace

std::string gnuplot_script(const Plot& plot, const std::string& terminal) {
  const bool wide = plot.panels.size() > 1;
  std::ostringstream script;
  script << terminal_setting(terminal, wide)
         << "\nset encoding utf8\nset border 3 lw 0.8\nset tics nomirror out\n"
         << (terminal == "dumb" ? "set key top right\n"
             : wide             ? "set key below samplen 1.5 width -1\nset bmargin 6\n"
                                : "set key outside right top Left reverse samplen 2 spacing 1.2\n")
         << (terminal == "dumb" ? "" : "set grid lc rgb '#DDDDDD' lw 0.6\n");
  if (wide)
    script << "set multiplot layout 1," << plot.panels.size() << " title " << quoted(plot.title) << '\n';
  else
    script << "set title " << quoted(plot.title) << '\n';
  for (std::size_t p = 0; p < plot.panels.size(); ++p) {
    Panel panel = plot.panels[p];
    if (!wide) panel.title = plot.title;
    add_panel(script, panel, p, terminal == "dumb");
  }
  if (plot.panels.empty() && !plot.map.values.empty()) add_map(script, plot.map);
  if (plot.panels.empty() && !plot.bars.values.empty()) add_bars(script, plot.bars);
  if (wide) script << "unset multiplot\n";
  return script.str();
}

}  // namespace moe
