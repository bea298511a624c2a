#include "plot_page.h"

#include <algorithm>
#include <cmath>

#include "moe/error.h"
#include "moe/units.h"

namespace moe::plotting {
namespace {

constexpr std::string_view kColours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
                                         "#56B4E9", "#000000", "#8A7F00", "#999999"};
constexpr double kFont = 14;

/// A png has four pixels for three of the svg, and a point of its fonts is as much larger.
std::string terminal_setting(const std::string& terminal, double width, double height) {
  std::ostringstream text;
  if (terminal == "dumb") {
    text << "set terminal dumb nofeed noenhanced mono size " << width << ',' << height;
    return text.str();
  }
  const bool png = terminal == "png";
  const double scale = png ? 4. / 3 : 1;
  text << "set terminal " << (png ? "pngcairo pointscale 1.4" : "svg")
       << " noenhanced rounded background '#FFFFFF' size " << std::round(scale * width) << ','
       << std::round(scale * height) << " font 'DejaVu Sans," << kFont << "' linewidth " << 1.4 * scale;
  return text.str();
}

}  // namespace

std::string_view colour_of(std::size_t number) { return kColours[number % std::size(kColours)]; }

std::string text_colour_on(std::string_view colour) {
  const auto part = [&](std::size_t at) { return std::stoi(std::string(colour.substr(at, 2)), nullptr, 16); };
  const double light = 0.299 * part(1) + 0.587 * part(3) + 0.114 * part(5);  // ITU-R BT.601
  return light < 130 ? "#FFFFFF" : "#000000";
}

double width_of(const std::string& text, double letter) {
  return letter * static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) {
           return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
         }));
}

double Scale::at(double x) const {
  if (logarithmic) return std::log(x / least) / std::log(most / least);
  return (x - least) / (most - least);
}

Scale scale_of(const Axis& axis, const std::vector<double>& numbers, double margin) {
  double least = HUGE_VAL, most = -HUGE_VAL;
  for (const double x : numbers) {
    if (!std::isfinite(x) || (axis.logarithmic && x <= 0)) continue;
    least = std::min(least, axis.logarithmic ? std::log10(x) : x);
    most = std::max(most, axis.logarithmic ? std::log10(x) : x);
  }
  if (least > most) least = 0, most = 1;
  const double more = most > least ? margin * (most - least) : 0.5;
  const bool positive = least >= 0 && !axis.logarithmic;
  least -= more, most += more;
  if (axis.from_zero || (positive && least < 0)) least = 0;
  if (!axis.logarithmic) return {least, most, false};
  return {std::pow(10, least), std::pow(10, most), true};
}

namespace {

/// The number as ticks have it, without its unit.
std::string tick_text(double at, const std::string& unit) {
  std::string text = amount(at, unit);
  text.erase(text.size() - unit.size());
  if (text.back() == ' ') text.pop_back();
  return text;
}

/// `steps` times each power of ten that is a multiple of `stride`.
std::vector<Tick> powers(const Scale& scale, const std::string& unit, const std::vector<double>& steps,
                         int stride) {
  std::vector<Tick> all;
  const int first = static_cast<int>(std::floor(std::log10(scale.least)));
  for (int exponent = first; exponent <= std::log10(scale.most); ++exponent)
    for (const double step : steps) {
      const double at = step * std::pow(10, exponent);
      if (exponent % stride == 0 && at >= scale.least * (1 - 1e-9) && at <= scale.most * (1 + 1e-9))
        all.push_back({at, tick_text(at, unit)});
    }
  return all;
}

/// Even steps of 1, 2 or 5 times a power of ten, as many as there may be.
std::vector<Tick> even_ticks(const Scale& scale, const std::string& unit, double most) {
  const double rough = (scale.most - scale.least) / most, power = std::pow(10, std::floor(std::log10(rough)));
  const double step = power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
  std::vector<Tick> all;
  for (double i = std::ceil(scale.least / step); i * step <= scale.most; ++i)
    all.push_back({i * step, tick_text(i * step, unit)});
  return all;
}

}  // namespace

std::vector<Tick> ticks_of(const Scale& scale, const std::string& unit, double most) {
  const double decades = std::log10(scale.most / scale.least);
  if (decades < 0.7) return even_ticks(scale, unit, std::min(most, 6.));
  std::vector<Tick> all = powers(scale, unit, {1, 2, 5}, 1);
  if (decades < 2.5 && static_cast<double>(all.size()) <= most) return all;
  int stride = 1;
  for (all = powers(scale, unit, {1}, stride); static_cast<double>(all.size()) > most;)
    all = powers(scale, unit, {1}, ++stride);
  if (stride > 1) return all;
  for (const Tick& tick : powers(scale, unit, {2, 3, 4, 5, 6, 7, 8, 9}, 1)) all.push_back({tick.at, ""});
  return all;
}

Script::Script(const Plot& plot, const std::string& terminal) : letters_(terminal == "dumb") {
  const std::size_t n = std::max<std::size_t>(1, plot.panels.size());
  width_ = letters_ ? 79 : 900;
  height_ = letters_ ? 26 * static_cast<double>(n) : n > 1 ? 480 : 600;
  letter_ = letters_ ? 1 : 0.6 * kFont, line_ = letters_ ? 1 : 1.3 * kFont;
  out_ << terminal_setting(terminal, width_, height_)
       << "\nset encoding utf8\nset border 3 lw 0.8\nset tics nomirror out" << (letters_ ? " scale 0" : "")
       << "\nunset key\n"
       << (letters_ ? "" : "set grid lc rgb '#DDDDDD' lw 0.6\n");
  if (n > 1) {
    title_ = 1.7 * line_;
    out_ << "set multiplot\n";
    text(plot.title, width_ / 2, height_ - line_, "center", letters_ ? "" : "font ',16'");
  }
}

Box Script::cell(std::size_t p, std::size_t n) const {
  const auto at = static_cast<double>(p), of = static_cast<double>(n);
  const double bottom = letters_ ? 0 : 0.3 * line_, height = height_ - title_ - bottom;
  if (letters_) return {0, height * (of - 1 - at) / of, width_, height * (of - at) / of};
  return {width_ * at / of, bottom, width_ * (at + 1) / of, bottom + height};
}

std::string Script::place(double x, double y) const {
  return "screen " + number(x / width_) + ",screen " + number(y / height_);
}

void Script::text(const std::string& text, double x, double y, const char* anchor, const std::string& more) {
  out_ << "set label " << quoted(text) << " at " << place(x, y) << ' ' << anchor << " front"
       << (more.empty() ? "" : ' ' + more) << '\n';
}

void Script::line_between(double from_x, double from_y, double to_x, double to_y) {
  out_ << "set arrow from " << place(from_x, from_y) << " to " << place(to_x, to_y)
       << " nohead back lw 0.6 lc rgb '#777777'\n";
}

Box Script::frame(const Box& cell, const std::string& title, const std::string& x_label,
                  const std::string& y_label, const std::vector<std::string>& legend, double tick_letters) {
  double widest = 0;
  for (const std::string& entry : legend) widest = std::max(widest, width_of(entry, letter_) + 6 * letter_);
  const double columns = legend.empty() ? 1 : std::max(1., std::floor(cell.width() / widest));
  const double rows = std::ceil(static_cast<double>(legend.size()) / columns);
  const double below = (letters_ ? 3 : 3.6) * line_ + (letters_ ? 1 : 1.15) * rows * line_;
  const Box area{cell.left + (tick_letters + 2.5) * letter_, cell.bottom + below, cell.right - 3.5 * letter_,
                 cell.top - (title.empty() ? 1.6 : 3.2) * line_};
  if (!title.empty()) text(title, cell.middle(), cell.top - line_, "center", letters_ ? "" : "font ',15'");
  text(y_label, cell.left + letter_, area.top + 0.9 * line_, "left");
  text(x_label, area.middle(), area.bottom - (letters_ ? 2 : 2.6) * line_, "center");
  out_ << "set lmargin at screen " << number(area.left / width_) << "\nset rmargin at screen "
       << number(area.right / width_) << "\nset bmargin at screen " << number(area.bottom / height_)
       << "\nset tmargin at screen " << number(area.top / height_) << '\n';
  if (!legend.empty())
    out_ << "set key at " << place(cell.middle(), cell.bottom + (letters_ ? 0 : 0.2 * line_))
         << " bottom center vertical maxrows " << rows << " Left reverse samplen 2 spacing 1.05\n";
  return area;
}

void Script::ticks(const std::string& axis, const std::vector<Tick>& ticks) {
  out_ << "set " << axis << "tics (";
  for (std::size_t i = 0; i < ticks.size(); ++i)
    out_ << (i > 0 ? ", " : "") << quoted(ticks[i].text) << ' ' << number(ticks[i].at)
         << (ticks[i].text.empty() ? " 1" : "");
  out_ << ")\n";
}

std::string Script::quoted(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) {
    if (c == '\'')
      safe += "\u2019";
    else
      safe += static_cast<unsigned char>(c) < ' ' || c == 127 ? ' ' : c;
  }
  return safe + '\'';
}

std::string Script::number(double x) {
  if (!std::isfinite(x)) return "NaN";
  std::ostringstream text;
  show(text, x);
  return text.str();
}

}  // namespace moe::plotting
