// matrix GOLDEN EQUIVALENT OUT KILLS...: the verdict over the kill matrices of kill, refuse and bugs.
//
// Fails for a mutant that survives and has no reason in EQUIVALENT, for a reason whose mutant does not survive (or does
// not exist), and for a golden case that shows nothing which no earlier case shows, unless it is worked by hand.
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
  bool worked;
};

std::vector<Case> cases_of(const std::string& folder) {
  std::vector<Case> cases;
  const moe::Json manifest = moe::parse_json(moe::read_text(folder + "/manifest.json"), "manifest.json");
  for (const moe::Json& file : manifest["files"]) {
    const moe::Json json =
        moe::parse_json(moe::read_text(folder + '/' + file["path"].get<std::string>()), file["path"]);
    for (const moe::Json& group : json["groups"])
      for (const moe::Json& c : group["cases"])
        cases.push_back({c["id"], std::count(c["flags"].begin(), c["flags"].end(), "HandCheckable") > 0});
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

int judge(const std::vector<std::string>& arguments) {
  const std::vector<Case> cases = cases_of(arguments.at(0));
  std::map<std::string, std::string> reasons = read_reasons(arguments.at(1));
  std::ofstream out(arguments.at(2));
  int failures = 0, mutants = 0, killed = 0, excused = 0;
  std::map<std::string, std::vector<std::string>> shows_first, shows;
  for (std::size_t i = 3; i < arguments.size(); ++i)
    for (const Mutant& m : read_kills(arguments[i])) {
      ++mutants;
      out << m.name << (m.killers.empty() ? "\n    survives\n" : "\n");
      for (const std::string& killer : m.killers) out << "    " << killer << '\n';
      const auto first =
          std::find_if(cases.begin(), cases.end(), [&](const Case& c) { return m.killers.count(c.id) > 0; });
      if (first != cases.end()) shows_first[first->id].push_back(m.name);
      for (const std::string& killer : m.killers) shows[killer].push_back(m.name);
      if (!m.killers.empty()) {
        ++killed;
      } else if (reasons.erase(m.name) > 0) {
        ++excused;
      } else {
        ++failures;
        std::printf("SURVIVES  %s\n", m.name.c_str());
      }
    }
  for (const auto& [mutant, reason] : reasons) {
    ++failures;
    std::printf("NO LONGER EQUIVALENT, or gone  %s\n", mutant.c_str());
  }
  std::printf("\n%-40s %8s %8s  for example\n", "case", "kills", "first");
  for (const Case& c : cases) {
    const std::vector<std::string>& first = shows_first[c.id];
    std::printf("%-40s %8zu %8zu  %s\n", c.id.c_str(), shows[c.id].size(), first.size(),
                first.empty() ? (c.worked ? "(worked by hand)" : "NOTHING NEW")
                              : first.back().substr(0, 110).c_str());
    if (first.empty() && !c.worked) ++failures;
  }
  std::printf(
      "\n%d mutants and bugs: %d killed, %d equivalent with a reason, %d failures; the whole matrix is in "
      "%s\n",
      mutants, killed, excused, failures, arguments.at(2).c_str());
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  return judge({argv + 1, argv + argc});
} catch (const std::exception& e) {
  std::fprintf(stderr, "matrix: %s\n", e.what());
  return 2;
}
