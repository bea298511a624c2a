// matrix GOLDEN EQUIVALENT OUT KILLS...: the verdict over the kill matrices of kill, refuse and bugs.
//
// Fails for a mutant that survives and has no reason in EQUIVALENT, for a reason whose mutant does not survive (or does
// not exist), for a golden case that kills nothing, and for one that shows nothing which no earlier case shows and has no
// reason to stay. Cases worked by hand and whole presets, which are there for readers, and crossed conventions, which are
// there for mistakes that nobody has thought of, come last.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

#include "moe/file.h"
#include "moe/json.h"

namespace {

struct Mutant {
  std::string name;
  std::set<std::string> killers;
};

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == by)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

std::vector<Mutant> read_kills(const std::string& path) {
  std::vector<Mutant> mutants;
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " must be readable");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = split(line, '\t');
    mutants.push_back({parts[0], {parts.begin() + 1, parts.end()}});
  }
  return mutants;
}

struct Case {
  std::string id;
  bool for_readers;
};

std::vector<Case> cases_of(const std::string& folder) {
  std::vector<Case> cases;
  const moe::Json manifest = moe::parse_json(moe::read_text(folder + "/manifest.json"), "manifest.json");
  for (const moe::Json& file : manifest["files"]) {
    const moe::Json json =
        moe::parse_json(moe::read_text(folder + '/' + file["path"].get<std::string>()), file["path"]);
    for (const moe::Json& group : json["groups"])
      for (const moe::Json& c : group["cases"])
        if (!c.contains("extent"))
          cases.push_back(
              {c["id"], std::any_of(c["flags"].begin(), c["flags"].end(), [](const moe::Json& flag) {
                 return flag == "HandCheckable" || flag == "Preset" || flag == "Crossed";
               })});
  }
  return cases;
}

/// Lines "mutant => reason".
std::map<std::string, std::string> read_reasons(const std::string& path) {
  std::map<std::string, std::string> reasons;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (const std::size_t arrow = line.find(" => "); arrow != std::string::npos && line.find(" | ") < arrow)
      reasons[line.substr(0, arrow)] = line.substr(arrow + 4);
  return reasons;
}

/// What the whole of the kill matrices says of each case: how many mutants it kills, and which it is the first to kill.
class Verdict {
 public:
  Verdict(std::vector<Case> cases, std::map<std::string, std::string> reasons)
      : cases_(std::move(cases)), reasons_(std::move(reasons)) {}

  void add(const std::vector<Mutant>& mutants) {
    for (const Mutant& m : mutants)
      for (const std::string& killer : m.killers) ++kills_[killer];
    mutants_.insert(mutants_.end(), mutants.begin(), mutants.end());
  }
  int print(const std::string& matrix) {
    std::ofstream out(matrix);
    int killed = 0, excused = 0;
    for (const Mutant& m : mutants_) {
      out << m.name << (m.killers.empty() ? "\n    survives\n" : "\n");
      for (const std::string& killer : m.killers) out << "    " << killer << '\n';
      if (!m.killers.empty())
        ++killed, credit(m);
      else if (reasons_.erase(m.name) > 0)
        ++excused;
      else
        fails("SURVIVES", m.name);
    }
    std::printf("\n%-40s %8s %8s  for example\n", "case", "kills", "first");
    for (const Case& c : cases_) print(c);
    for (const auto& [name, reason] : reasons_) fails("A REASON FOR NOTHING", name);
    std::printf(
        "\n%zu mutants and bugs: %d killed, %d equivalent with a reason, %d failures; the whole matrix is in "
        "%s\n",
        mutants_.size(), killed, excused, failures_, matrix.c_str());
    return failures_ == 0 ? 0 : 1;
  }

 private:
  void fails(const char* how, const std::string& what) {
    ++failures_;
    std::printf("%s  %s\n", how, what.c_str());
  }
  void credit(const Mutant& m) {
    for (const bool for_readers : {false, true})
      for (const Case& c : cases_)
        if (c.for_readers == for_readers && m.killers.count(c.id) > 0)
          return shows_first_[c.id].push_back(m.name);
  }
  void print(const Case& c) {
    const std::vector<std::string>& first = shows_first_[c.id];
    std::string example = "(for readers)";
    if (kills_[c.id] == 0)
      example = "KILLS NOTHING", ++failures_;
    else if (!first.empty())
      example = first.back().substr(0, 110);
    else if (reasons_.erase("case | " + c.id) > 0)
      example = "(with a reason)";
    else if (!c.for_readers)
      example = "NOTHING NEW", ++failures_;
    std::printf("%-40s %8d %8zu  %s\n", c.id.c_str(), kills_[c.id], first.size(), example.c_str());
  }

  std::vector<Case> cases_;
  std::map<std::string, std::string> reasons_;
  std::vector<Mutant> mutants_;
  std::map<std::string, int> kills_;
  std::map<std::string, std::vector<std::string>> shows_first_;
  int failures_ = 0;
};

int judge(const std::vector<std::string>& arguments) {
  Verdict verdict(cases_of(arguments.at(0)), read_reasons(arguments.at(1)));
  for (std::size_t i = 3; i < arguments.size(); ++i) verdict.add(read_kills(arguments[i]));
  return verdict.print(arguments.at(2));
}

}  // namespace

int main(int argc, char** argv) try {
  return judge({argv + 1, argv + argc});
} catch (const std::exception& e) {
  std::fprintf(stderr, "matrix: %s\n", e.what());
  return 2;
}
