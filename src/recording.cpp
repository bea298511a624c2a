#include <charconv>
#include <cmath>
#include <sstream>

#include "moe/answer.h"
#include "moe/file.h"
#include "moe/printable.h"
#include "moe/routes.h"

namespace moe {
namespace {

/// The numbers of a text of lines, and how many lists of `width` each line has.
struct Lines {
  std::vector<double> numbers;
  Index tokens = 0, layers = 0;
};

Error wrong_line(const std::string& where, Index count, Index width) {
  return {where, where + ": must hold " + std::to_string(width) + " numbers for each layer, not " +
                     std::to_string(count)};
}

/// Takes the numbers that one line has added.
void end_line(Lines& lines, const std::string& where, std::size_t before, Index width) {
  const auto count = static_cast<Index>(lines.numbers.size() - before);
  if (count == 0 || count % width != 0) throw wrong_line(where, count, width);
  if (lines.tokens > 0 && count / width != lines.layers)
    throw Error(where, where + ": must hold " + std::to_string(lines.layers) +
                           " layers as the lines before, not " + std::to_string(count / width));
  lines.layers = count / width;
  ++lines.tokens;
}

void add_cells(const std::string& line, const std::string& where, std::vector<double>& numbers) {
  std::istringstream cells(line);
  for (std::string cell; std::getline(cells, cell, ',');) {
    const std::size_t first = std::min(cell.find_first_not_of(" \t"), cell.size()),
                      last = cell.find_last_not_of(" \t\r") + 1;
    double value = 0;
    const auto [stop, error] =
        std::from_chars(cell.data() + first, cell.data() + std::max(first, last), value);
    if (error != std::errc() || stop != cell.data() + last)
      throw Error(where, where + ": " + shown(cell) + " must be a number");
    numbers.push_back(value);
  }
}

void add_list(const Json& list, const std::string& where, Index width, std::vector<double>& numbers) {
  if (!list.is_array()) throw Error(where, where + ": " + shown(list) + " must be a list");
  const bool nested = !list.empty() && list[0].is_array();
  if (!nested && static_cast<Index>(list.size()) != width)
    throw wrong_line(where, static_cast<Index>(list.size()), width);
  for (const Json& element : list) {
    if (nested && element.is_array() && (element.empty() || !element[0].is_array())) {
      add_list(element, where, width, numbers);
      continue;
    }
    if (nested || !element.is_number())
      throw Error(where, where + ": " + shown(element) + " must be a number");
    numbers.push_back(element.get<double>());
  }
}

Array read_lines(const std::string& path, Index width) {
  std::istringstream text(read_text(path));
  Lines lines;
  Index number = 0;
  for (std::string line; std::getline(text, line);) {
    const std::string where = path + ':' + std::to_string(++number);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::size_t before = lines.numbers.size();
    if (path.ends_with(".csv"))
      add_cells(line, where, lines.numbers);
    else
      add_list(parse_json(line, where), where, width, lines.numbers);
    end_line(lines, where, before, width);
  }
  if (lines.tokens == 0) throw Error(path, path + ": must have a line for each token");
  return array_of({lines.tokens, lines.layers, width}, lines.numbers.data());
}

}  // namespace

Array read_recording(const std::string& path, const std::string& name, Index width) {
  if (path.ends_with(".csv") || path.ends_with(".jsonl")) return read_lines(path, width);
  Arrays tensors = read_answer(path).tensors;
  std::string names;
  const auto named =
      std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == name; });
  for (const auto& [known, a] : tensors) names += (names.empty() ? "" : ", ") + shown(known);
  if (named == tensors.end() && tensors.size() != 1)
    throw Error(name, path + ": must have a tensor " + name + ", or one alone; it has " +
                          (names.empty() ? "none" : names));
  Array& a = named != tensors.end() ? named->second : tensors.front().second;
  const std::string& called = named != tensors.end() ? name : tensors.front().first;
  if ((a.dims.size() != 2 && a.dims.size() != 3) || a.dims.back() != width)
    throw Error(called, path + ": " + called + ": shape = " + shape_text(a.dims) + " must be [T," +
                            std::to_string(width) + "] or [T,L," + std::to_string(width) + ']');
  if (a.dims.size() == 2) a.dims.insert(a.dims.begin() + 1, 1);
  return std::move(a);
}

}  // namespace moe
