// mutate mechanical FROM TO FILE...       every comparison, operator, index, constant and answer of each FROM/FILE, one change each
// mutate rules FROM TO FILE...            every refusal (require, throw Error), left out
// mutate named LIST FROM TO FILE...       the changes of LIST: blocks of name:, file:, from:, to:
//
// All changes stand in one instrumented copy TO/FILE, where mutant.h chooses at run time which one is in force, and one
// line each in TO/mutants.txt. This relies on the project's format: a binary operator has white space on both sides, other
// uses of the same characters do not.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path.string() + " must be readable");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Part of a text, [at, at + length), becomes `text`. Edits at one place keep their rank: closing before opening.
struct Edit {
  std::size_t at, length;
  std::string text;
  int rank;
};

class Mutator {
 public:
  /// One file; `ids` counts on over files.
  Mutator(std::string name, std::string code, std::vector<std::string>& table)
      : name_(std::move(name)), code_(std::move(code)), masked_(masked(code_)), table_(table) {}

  void mechanical() {
    each(R"([ ](==|!=|<=|>=|<|>|\+|-|\*|/|%)[ ])", [&](const std::smatch& m) {
      const std::string op = m[1];
      replace(m, 1, op + " ::mutant::by(#) " + op, op + " -> " + instead_of(op));
    });
    each(R"([ ](\+=)[ ])", [&](const std::smatch& m) { replace(m, 1, "+= ::mutant::by(#) +=", "+= -> -="); });
    each(R"((?:[(\[,=+*/] ?|return )(-)[a-zA-Z])",
         [&](const std::smatch& m) { replace(m, 1, "::mutant::minus(#) * ", "- dropped"); });
    each(R"([ (,](!)[a-zA-Z])",
         [&](const std::smatch& m) { replace(m, 1, "::mutant::on(#) != !", "! dropped"); });
    each(R"((\+\+(\w+))\))",
         [&](const std::smatch& m) { replace(m, 1, "::mutant::next(#, " + m[2].str() + ")", "++ twice"); });
    each(R"((?:[^\w.'])(\d[\d']*(?:\.\d+)?(?:e\d+)?)[^\w.'])", [&](const std::smatch& m) {
      replace(m, 1, "::mutant::constant(#, " + m[1].str() + ")", m[1].str() + " -> " + m[1].str() + " + 1");
    });
    each(R"((?:[(\[]|, )([tdfeknij])[,)\]])", [&](const std::smatch& m) {
      replace(m, 1, "::mutant::index(#, " + m[1].str() + ")", m[1].str() + " -> " + m[1].str() + " - 1");
    });
    each(R"([{ ](true|false)[,}])", [&](const std::smatch& m) {
      const std::string other = m[1] == "true" ? "false" : "true";
      replace(m, 1, "::mutant::on(#) != " + m[1].str(), m[1].str() + " -> " + other);
    });
    each(R"([ ](&&|\|\|)[ ])",
         [&](const std::smatch& m) { flip(static_cast<std::size_t>(m.position(1)) + offset_, m[1]); });
  }

  void rules() {
    each(R"(\b(require\w*\(|throw Error\())", [&](const std::smatch& m) {
      insert(static_cast<std::size_t>(m.position(1)) + offset_, "if (!::mutant::on(#)) ", "left out", 1);
    });
  }

  /// Several changes may be of one place: the first that is on is in force. A statement ends in a semicolon.
  void named(const std::string& from, const std::vector<std::pair<std::string, std::string>>& changes) {
    const std::size_t at = code_.find(from);
    if (at == std::string::npos || code_.find(from, at + 1) != std::string::npos)
      throw std::runtime_error(name_ + " must hold once: " + from);
    const bool statement = from.back() == ';';
    std::string text = statement ? "{ " : "(";
    for (const auto& [name, to] : changes) {
      const std::string on = "::mutant::on(" + std::to_string(add(name)) + ")";
      text += statement ? "if (" + on + ") { " + to + " } else " : on + " ? (" + to + ") : ";
    }
    edits_.push_back({at, from.size(), text + (statement ? "{ " + from + " } }" : "(" + from + "))"), 2});
  }

  std::string instrumented(bool own_namespace) {
    std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) {
      return a.at != b.at ? a.at < b.at : a.rank < b.rank;
    });
    std::string out;
    std::size_t from = 0;
    for (const Edit& edit : edits_) {
      out += code_.substr(from, edit.at - from) + edit.text;
      from = edit.at + edit.length;
    }
    out += code_.substr(from);
    // Other functions than those of the library, so other names for the linker.
    if (own_namespace) {
      out = std::regex_replace(out, std::regex("\nnamespace moe \\{\n"),
                               "\nnamespace moe {\ninline namespace mutated {\n");
      out = std::regex_replace(out, std::regex("\n\\}  // namespace moe\n"), "\n}\n}  // namespace moe\n");
    }
    return "#include \"mutant.h\"\n" + out;
  }

 private:
  /// The code with comments, strings, directives, template heads and line ends as blanks, so that nothing is found there; and
  /// what cover() is given: only the budgets of `check` look there, not what runs here at double.
  static std::string masked(const std::string& code) {
    static const std::regex hidden(R"(//[^\n]*|"[^"\n]*"|\n#[^\n]*|template <[^\n]*|__extension__[^\n]*)");
    std::string blank = code;
    for (std::sregex_iterator m(code.begin(), code.end(), hidden), end; m != end; ++m)
      std::fill_n(blank.begin() + m->position(), m->length(), ' ');
    std::replace(blank.begin(), blank.end(), '\n', ' ');
    for (std::size_t at = blank.find(" cover("); at != std::string::npos; at = blank.find(" cover(", at)) {
      at = blank.find('(', at);
      for (int depth = 0; at < blank.size(); ++at) {
        depth += blank[at] == '(' ? 1 : blank[at] == ')' ? -1 : 0;
        if (depth == 0) break;
        blank[at] = ' ';
      }
    }
    return blank;
  }
  static std::string instead_of(const std::string& op) {
    if (op == "%") return "/";
    const std::vector<std::pair<std::string, std::string>> pairs{
        {"+", "-"}, {"*", "/"}, {"<", "<="}, {">", ">="}, {"==", "!="}};
    for (const auto& [a, b] : pairs) {
      if (op == a) return b;
      if (op == b) return a;
    }
    return op;
  }

  template <typename Found>
  void each(const char* pattern, Found found) {
    const std::regex regex(pattern);
    std::smatch m;
    for (offset_ = 0; std::regex_search(masked_.cbegin() + static_cast<std::ptrdiff_t>(offset_),
                                        masked_.cend(), m, regex);) {
      const std::size_t next = offset_ + static_cast<std::size_t>(m.position(1) + m.length(1));
      found(m);
      offset_ = next;
    }
  }
  void replace(const std::smatch& m, std::size_t group, const std::string& text, const std::string& change) {
    const std::size_t at = static_cast<std::size_t>(m.position(group)) + offset_;
    const int id = add(described(at, change));
    edits_.push_back({at, static_cast<std::size_t>(m.length(group)), numbered(text, id), 2});
  }
  void insert(std::size_t at, const std::string& text, const std::string& change, int rank) {
    edits_.push_back({at, 0, numbered(text, add(described(at, change))), rank});
  }

  /// a && b as not(not a && not b), which is a || b, where the mutant is on; likewise ||.
  void flip(std::size_t at, const std::string& op) {
    const std::string on = "(::mutant::on(" +
                           std::to_string(add(described(at, op + (op == "&&" ? " -> ||" : " -> &&")))) +
                           ") != ";
    edits_.push_back({operand_begin(at, op), 0, on + "(" + on + "(", 1});
    edits_.push_back({at, 2, ")) " + op + " " + on + "(", 2});
    edits_.push_back({operand_end(at + 2, op), 0, "))))", 0});
  }
  bool word_at(std::size_t at, const char* word) const {
    return masked_.compare(at, std::string(word).size(), word) == 0;
  }
  std::size_t operand_begin(std::size_t at, const std::string& op) const {
    int depth = 0;
    for (std::size_t i = at - 1; i > 0; --i) {
      const char c = masked_[i];
      if (c == ')' || c == ']' || c == '}') ++depth;
      if ((c == '(' || c == '[' || c == '{') && depth-- == 0) return i + 1;
      if (depth > 0) continue;
      if (c == ';' || c == ',') return i + 1;
      if (word_at(i - 1, " = ") || word_at(i, "? ") || (op == "&&" && word_at(i, "||"))) return i + 2;
      if (i > 6 && word_at(i - 6, "return ")) return i + 1;
    }
    throw std::runtime_error("an operand must begin somewhere");
  }
  std::size_t operand_end(std::size_t at, const std::string& op) const {
    int depth = 0;
    for (std::size_t i = at; i < masked_.size(); ++i) {
      const char c = masked_[i];
      if (c == '(' || c == '[' || c == '{') ++depth;
      if ((c == ')' || c == ']' || c == '}') && depth-- == 0) return i;
      if (depth > 0) continue;
      if (c == ';' || c == ',' || word_at(i, "||") || (op == "&&" && word_at(i, "&&")) || word_at(i, "? "))
        return i;
    }
    throw std::runtime_error("an operand must end somewhere");
  }

  /// "route.h | the line | the change", with a count where one line has the same change twice.
  std::string described(std::size_t at, const std::string& change) {
    const std::size_t begin = code_.rfind('\n', at) + 1, end = code_.find('\n', at);
    std::string line = code_.substr(begin, end - begin);
    line = line.substr(line.find_first_not_of(' '));
    const std::string base = std::filesystem::path(name_).filename().string() + " | " +
                             line.substr(0, line.find("  //")) + " | " + change;
    for (int count = 1;; ++count) {
      std::string text = count == 1 ? base : base + " (" + std::to_string(count) + ")";
      if (std::find(table_.begin(), table_.end(), text) == table_.end()) return text;
    }
  }
  int add(std::string description) {
    table_.push_back(std::move(description));
    return static_cast<int>(table_.size());
  }
  static std::string numbered(const std::string& text, int id) {
    return std::regex_replace(text, std::regex("#"), std::to_string(id));
  }

  std::string name_, code_, masked_;
  std::vector<std::string>& table_;
  std::size_t offset_ = 0;
  std::vector<Edit> edits_;
};

struct Named {
  std::string name, file, from, to;
};

std::vector<Named> read_list(const std::string& path) {
  std::vector<Named> list;
  std::istringstream text(read(path));
  for (std::string line; std::getline(text, line);) {
    const auto value = [&](const char* key) {
      return line.starts_with(key) ? line.substr(std::string(key).size()) : "";
    };
    if (line.starts_with("name: ")) list.push_back({value("name: "), "", "", ""});
    if (line.starts_with("file: ")) list.back().file = value("file: ");
    if (line.starts_with("from: ")) list.back().from = value("from: ");
    if (line.starts_with("to: ")) list.back().to = value("to: ");
  }
  return list;
}

int mutate(std::vector<std::string> arguments) {
  const std::string mode = arguments.at(0);
  std::vector<Named> list;
  if (mode == "named") {
    list = read_list(arguments.at(1));
    arguments.erase(arguments.begin() + 1);
  }
  const std::filesystem::path from = arguments.at(1), to = arguments.at(2);
  std::vector<std::string> table;
  for (std::size_t i = 3; i < arguments.size(); ++i) {
    Mutator mutator(arguments[i], read(from / arguments[i]), table);
    if (mode == "mechanical") mutator.mechanical();
    if (mode == "rules") mutator.rules();
    std::map<std::string, std::vector<std::pair<std::string, std::string>>> changes;
    for (const Named& n : list)
      if (n.file == arguments[i]) changes[n.from].emplace_back(n.name, n.to);
    for (const auto& [place, alternatives] : changes) mutator.named(place, alternatives);
    std::filesystem::create_directories((to / arguments[i]).parent_path());
    std::ofstream(to / arguments[i]) << mutator.instrumented(mode != "rules");
  }
  std::ofstream lines(to / "mutants.txt");
  for (const std::string& line : table) lines << line << '\n';
  std::cout << table.size() << " " << mode << " mutants\n";
  return mode == "named" && table.size() != list.size() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) try {
  return mutate({argv + 1, argv + argc});
} catch (const std::exception& e) {
  std::cerr << "mutate: " << e.what() << '\n';
  return 2;
}
