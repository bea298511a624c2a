#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "support.h"

namespace moe {

/// A text in a picture by gnuplot, and the box that it takes: its letters are taken to be narrower than they are on
/// average, so that texts whose boxes overlap do so for any eye.
struct DrawnText {
  std::string text;
  double x = 0, y = 0, left = 0, right = 0, top = 0, bottom = 0;  // y grows downwards

  bool overlaps(const DrawnText& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

inline std::vector<DrawnText> texts_of(const std::string& svg) {
  const auto behind = [&](const std::string& mark, std::size_t from) {
    return svg.find(mark, from) + mark.size();
  };
  std::vector<DrawnText> all;
  for (std::size_t at = svg.find("<text>"); at != std::string::npos; at = svg.find("<text>", at + 1)) {
    const std::size_t group = svg.rfind("<g transform=", at);
    DrawnText t;
    t.text = svg.substr(at + 6, svg.find("</text>", at) - at - 6);
    std::size_t comma = 0;
    t.x = std::stod(svg.substr(behind("translate(", group), 20), &comma);
    t.y = std::stod(svg.substr(behind("translate(", group) + comma + 1, 20));
    const double size = std::stod(svg.substr(behind("font-size=\"", group), 10));
    const std::string anchor = svg.substr(behind("text-anchor=\"", group), 3);
    const double width =
        0.5 * size * static_cast<double>(std::count_if(t.text.begin(), t.text.end(), [](char c) {
          return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
        }));
    t.left = anchor == "mid" ? t.x - width / 2 : anchor == "end" ? t.x - width : t.x;
    t.right = t.left + width, t.bottom = t.y, t.top = t.y - 0.7 * size;
    if (!t.text.empty() && t.text != " ") all.push_back(t);
  }
  return all;
}

/// The pairs of texts that lie over each other, and those that leave a page of that width, as "one | other" in lines.
inline std::string text_over_text(const std::string& svg) {
  const std::vector<DrawnText> all = texts_of(svg);
  const std::size_t box = svg.find("viewBox=\"0 0 ") + 13;
  const double page = std::stod(svg.substr(box, 10));
  std::string bad;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].left < 0 || all[i].right > page) bad += all[i].text + " | page\n";
    for (std::size_t j = 0; j < i; ++j)
      if (all[i].overlaps(all[j])) bad += all[j].text + " | " + all[i].text + '\n';
  }
  return bad;
}

}  // namespace moe
