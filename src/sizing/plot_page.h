#pragma once

#include <sstream>
#include <string_view>

#include "moe/plot.h"

/// Where things are on the page of a plot. Lengths are pixels, or letters of a terminal; y grows upwards.
namespace moe::plotting {

struct Box {
  double left = 0, bottom = 0, right = 0, top = 0;

  double width() const { return right - left; }
  double height() const { return top - bottom; }
  double middle() const { return (left + right) / 2; }
};

/// Okabe and Ito, Color Universal Design, 2008, with a darker yellow, and a grey: the colour of that number.
std::string_view colour_of(std::size_t number);
/// Black or white: what can be read on that colour, #RRGGBB.
std::string text_colour_on(std::string_view colour);

/// The columns or pixels that a text takes, by its code points, each `letter` wide.
double width_of(const std::string& text, double letter);

/// From numbers to [0, 1] along an axis.
struct Scale {
  double least = 0, most = 1;
  bool logarithmic = false;

  double at(double x) const;
};
/// From the least to the most of the numbers that an axis can show, and `margin` of that on both sides.
Scale scale_of(const Axis& axis, const std::vector<double>& numbers, double margin);

/// A tick of a logarithmic axis; one without text is short.
struct Tick {
  double at = 0;
  std::string text;
};
/// Powers of ten, or 1, 2 and 5 of each or even steps where they are few, and at most `most` with a text.
std::vector<Tick> ticks_of(const Scale& scale, const std::string& unit, double most);

/// A text that wants a place: the point it belongs to, its size, and where a place was found.
struct Placed {
  double x = 0, y = 0, width = 0, height = 0;
  Beside side = Beside::Any;
  Box box = {};
  bool is_far = false;  // so that a line has to lead to it
  int right = 0;        // 1 if it is to the right of its point, -1 if to the left
};
/// What is in the way of texts: the least it costs to cover it.
struct Obstacle {
  Box box;
  double cost = 1;
};
/// Finds a place beside its point for each text in turn, inside `area`, that covers least of the obstacles and of those
/// before it; `gap` is how far from the point, and up to `rings` times as far where there is no room.
void place_texts(std::vector<Placed>& texts, std::vector<Obstacle> obstacles, const Box& area, double gap,
                 int rings);

/// The script as it grows, and the page that it draws.
class Script {
 public:
  Script(const Plot& plot, const std::string& terminal);

  bool letters() const { return letters_; }
  double letter() const { return letter_; }  // the width of one
  double line() const { return line_; }      // the height of one
  /// The place of panel p of n.
  Box cell(std::size_t p, std::size_t n) const;

  std::ostringstream& out() { return out_; }
  /// A text at a place; `more` are further words of gnuplot's label.
  void text(const std::string& text, double x, double y, const char* anchor, const std::string& more = "");
  /// A thin line.
  void line_between(double from_x, double from_y, double to_x, double to_y);
  /// Title, the two labels, and the legend of these titles, around what is left for the drawing, which is returned: its
  /// left margin has room for ticks of that many letters.
  Box frame(const Box& cell, const std::string& title, const std::string& x_label, const std::string& y_label,
            const std::vector<std::string>& legend, double tick_letters);
  /// Words at numbers of an axis: x, y, or cb for the scale of colours.
  void ticks(const std::string& axis, const std::vector<Tick>& ticks);

  /// Text between single quotes, in which gnuplot reads nothing but their end: another quote becomes an apostrophe, and
  /// what moves a cursor a space.
  static std::string quoted(const std::string& text);
  static std::string number(double x);

 private:
  std::string place(double x, double y) const;

  bool letters_;
  double width_, height_, letter_, line_, title_ = 0;
  std::ostringstream out_;
};

void add_map(Script& script, const HeatMap& map, const std::string& title);
void add_bars(Script& script, const Bars& bars, const std::string& title);

}  // namespace moe::plotting
