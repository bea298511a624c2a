// story PROGRAM ROWS [PAGE [ID]]: docs/STORY.md, made of the rows and of what PROGRAM prints for them. With PAGE, it must be that page,
// or have that section of it; else the page is printed. In any case every value that a row states must be what PROGRAM says with
// --json. The exit code is 1 where something differs.
#include <sys/wait.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "moe/file.h"
#include "moe/json.h"

namespace {

using moe::Json;

const std::map<std::string, std::string> kKinds{
    {"exact", "follows from the fields, to the last digit"},
    {"model", "follows under an assumption that its sentence names"},
    {"measured", "computed here on seeded numbers, and comes out the same every time"},
    {"false as printed", "is not so"},
    {"later", "has no experiment here yet"}};

std::string text_of(const Json& row, const char* key) { return row.at(key).get<std::string>(); }

/// What the program prints; it must succeed.
std::string printed(const std::string& program, const std::string& arguments) {
  const std::string command = "'" + program + "' " + arguments + " </dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error(command + " could not be started");
  std::string text;
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  if (const int status = pclose(pipe); !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error(command + " must succeed");
  return text;
}

/// The lines that a row shows: for each part of `show` the next line with it, or with {next} the next line.
std::string shown_lines(const Json& row, const std::string& output) {
  std::istringstream lines(output);
  std::string all;
  for (const Json& entry : row.at("show")) {
    const std::string part = entry.get<std::string>();
    std::string line;
    bool found = false;
    while (!found && std::getline(lines, line))
      found = part == "{next}" || line.find(part) != std::string::npos;
    if (!found) throw std::runtime_error(text_of(row, "id") + ": no line with \"" + part + '"');
    all += line + '\n';
  }
  return all;
}

/// The value of the first step of that name, of the model's lines before those of stories.
double step_called(const Json& answer, const std::string& what) {
  std::vector<Json> lists;
  if (answer.contains("steps")) lists.push_back(answer["steps"]);
  for (const Json& story : answer.at("stories")) lists.push_back(story.at("steps"));
  for (const Json& list : lists)
    for (const Json& step : list)
      if (step.at("what") == what) return step.at("value").get<double>();
  throw std::runtime_error("no step \"" + what + '"');
}

/// Is each value of the row what the program says, but for the rounding of two operations?
void require_values(const Json& row, const std::string& program) {
  const Json answer = moe::parse_json(printed(program, text_of(row, "command") + " --json"), "stdout");
  if (row.at("values").empty()) throw std::runtime_error(text_of(row, "id") + " must state a value");
  for (const Json& value : row.at("values")) {
    const Json& is = value.at("is");
    const double want = is.is_array() ? is[0].get<double>() / is[1].get<double>() : is.get<double>();
    const std::string where = text_of(value, value.contains("at") ? "at" : "step");
    const double got = value.contains("at") ? answer.at(Json::json_pointer(where)).get<double>()
                                            : step_called(answer, where);
    if (!(std::abs(got - want) <= std::ldexp(std::abs(want), -51)))
      throw std::runtime_error(text_of(row, "id") + ": \"" + where + "\" is " + moe::print_real(got) +
                               " and must be " + moe::print_real(want));
  }
}

/// What the page says of a row. Its values are checked on the way.
std::string section(const Json& row, const std::string& program) {
  const std::string kind = text_of(row, "kind");
  if (kKinds.count(kind) == 0)
    throw std::runtime_error("kind \"" + kind + "\" must be one of those that are named");
  std::string text = "## " + text_of(row, "id") + "\n\n> " + text_of(row, "told") + "\n\n";
  if (kind != "later") {
    const std::string command = text_of(row, "command");
    require_values(row, program);
    text += "```\n./oracle " + command + "\n```\n\n```text\n" + shown_lines(row, printed(program, command)) +
            "```\n\n";
  } else if (row.contains("command")) {
    throw std::runtime_error(text_of(row, "id") + " must have no command, as it comes later");
  }
  return text + "**" + static_cast<char>(std::toupper(kind[0])) + kind.substr(1) + ".** " +
         text_of(row, "says") + '\n';
}

std::string page(const Json& rows, const std::string& program) {
  std::string text =
      "# What is told of dense and sparse arithmetic, line by line\n\n"
      "Each row is a statement as public texts have it, in our words; the command that shows what there is "
      "to it; the lines of\n"
      "its output that matter; and a verdict. The page is made by `tests/story/story.cpp` from "
      "`tests/story/rows.json` and the output of\n"
      "the program, and `ctest -R story` compares it with both, row by row.\n\n";
  for (const auto* kind : {"exact", "model", "measured", "false as printed", "later"})
    text += std::string("- **") + kind + "**: " + kKinds.at(kind) + ".\n";
  text += "\n| row | what is told | verdict |\n|---|---|---|\n";
  std::string sections, last;
  for (const Json& row : rows) {
    const std::string id = text_of(row, "id");
    if (id <= last) throw std::runtime_error(id + " must come before " + last);
    last = id;
    std::string anchor = id;
    anchor[0] = 's';
    text +=
        "| [" + id + "](#" + anchor + ") | " + text_of(row, "told") + " | " + text_of(row, "kind") + " |\n";
    sections += '\n' + section(row, program);
  }
  return text + sections;
}

/// Throws where the texts differ, with the first line that does.
void require_same(const std::string& got, const std::string& want) {
  std::istringstream mine(got), theirs(want);
  std::string a, b;
  for (int line = 1;; ++line) {
    const bool more = static_cast<bool>(std::getline(mine, a)),
               expected = static_cast<bool>(std::getline(theirs, b));
    if (!more && !expected) break;
    if (more != expected || a != b)
      throw std::runtime_error("line " + std::to_string(line) + " is\n  " + (expected ? b : "(the end)") +
                               "\nand must be\n  " + (more ? a : "(the end)"));
  }
  if (got != want) throw std::runtime_error("only the last line feed differs");
}

int act(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2 || arguments.size() > 4)
    throw std::runtime_error("usage: story PROGRAM ROWS [PAGE [ID]]");
  const Json rows = moe::parse_json(moe::read_text(arguments[1]), arguments[1]);
  if (arguments.size() == 2) {
    std::fputs(page(rows, arguments[0]).c_str(), stdout);
    return 0;
  }
  const std::string written = moe::read_text(arguments[2]);
  if (arguments.size() == 3) {
    require_same(page(rows, arguments[0]), written);
    return 0;
  }
  for (const Json& row : rows) {
    if (row.at("id") != arguments[3]) continue;
    const std::string all = '\n' + written + "\n## ";
    const std::size_t from = all.find("\n## " + arguments[3] + '\n');
    if (from == std::string::npos) throw std::runtime_error(arguments[2] + " has no section " + arguments[3]);
    require_same(section(row, arguments[0]) + '\n', all.substr(from + 1, all.find("\n## ", from + 1) - from));
    return 0;
  }
  throw std::runtime_error(arguments[1] + " has no row " + arguments[3]);
}

}  // namespace

int main(int argc, char** argv) try { return act({argv + 1, argv + argc}); } catch (const std::exception& e) {
  std::fprintf(stderr, "story: %s\n", e.what());
  return 1;
}
