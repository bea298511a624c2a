// mistakes [--write FOLDER]    which named mistakes are called wrong, by what is returned of them and in which arithmetic
//
// A program with one mistake, and else with the arithmetic of the strictest rung of its format, answers the cases below. It is
// caught if any of them is called wrong. What the program prints stands in docs/CALIBRATION.md. --write keeps the answers, as
// FOLDER/<format>.<0 to 2: returned>/<number of the mistake>/<case>.safetensors, for another checker to judge.
#include <cstdio>
#include <filesystem>

#include "data.h"
#include "moe/bugs.h"
#include "moe/config_json.h"
#include "moe/corpus.h"
#include "moe/detection.h"
#include "moe/safetensors.h"

using namespace moe;
using namespace moe::calibration;

namespace {

constexpr std::array kCases{"presets/mixtral",       "presets/switch",        "presets/deepseek_v3",
                            "presets/gshard",        "presets/dense",         "presets/shazeer2017",
                            "capacity/token-major",  "capacity/bpr",          "capacity/ceil",
                            "capacity/half-even-up", "capacity/by-weight",    "capacity/identity",
                            "capacity/k-inside",     "capacity/renorm-after", "groups/best-two-of-four",
                            "noise/flips-choice",    "losses/top1-of-two",    "shared/gated",
                            "second/queue",          "experts/gelu-tanh",     "experts/gelu-erf",
                            "shapes/experts-257"};
struct Returned {
  const char* name;
  Seen seen;
};
constexpr std::array kReturned{Returned{"all", Seen::All}, Returned{"y and gradients", Seen::Gradients},
                               Returned{"y", Seen::Y}};

std::vector<CheckCase> cases_of(Format format) {
  std::vector<CheckCase> all;
  for (const GoldenFile& file : corpus())
    for (const GoldenCase& golden : file.cases) {
      if (std::ranges::count(kCases, golden.id) == 0) continue;
      CheckCase c;
      c.golden = golden, c.config = config_from_json(golden.config);
      const bool held = std::ranges::all_of(golden.inputs, [&](const auto& input) {
        for (Index i = 0; i < input.second.size(); ++i)
          if (is_real(input.second.format) &&
              precision_of(format).round(input.second.real(i)) != input.second.real(i))
            return false;
        return true;
      });
      if (held) all.push_back(std::move(c));
    }
  return all;
}

Answer answer_of(const Arrays& arrays, const Inputs& inputs, const Profile& profile, Seen seen) {
  Answer answer;
  for (const auto& [name, a] : arrays)
    if (is_seen(name, seen, inputs))
      answer.tensors.emplace_back(name, is_real(a.format) ? calibration::returned(name, a, profile) : a);
  return answer;
}

/// What became of one mistake with one amount returned: by dtype, then with each rung pinned.
using Caught = std::vector<bool>;

Caught caught_of(const std::vector<Answered>& answers, Format format) {
  const auto is_wrong = [&](const CheckOptions& options) {
    const RunVerdict run = check_all(answers, options);
    return std::ranges::any_of(run.cases, [](const CaseVerdict& v) { return v.status >= Status::Flag; });
  };
  Caught caught{is_wrong({})};
  for (const Profile& rung : ladder(format)) caught.push_back(is_wrong({.profile = rung}));
  return caught;
}

bool differs(const Arrays& a, const Arrays& b) {
  if (a.size() != b.size()) return true;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].first != b[i].first || a[i].second.dims != b[i].second.dims ||
        a[i].second.bytes != b[i].second.bytes)
      return true;
  return false;
}

/// FOLDER/<case>.safetensors
void write(const std::vector<Answered>& answers, const std::string& folder) {
  for (const Answered& a : answers) {
    const std::filesystem::path path = folder + '/' + a.c.golden.id + ".safetensors";
    std::filesystem::create_directories(path.parent_path());
    write_safetensors(path.string(), a.answer.tensors);
  }
}

void judge_format(Format format, const std::string& folder) {
  const Profile& strictest = ladder(format).front();
  const std::vector<CheckCase> cases = cases_of(format);
  const std::size_t columns = 1 + ladder(format).size();
  std::vector<std::vector<Caught>> caught(bugs().size(), std::vector<Caught>(kReturned.size()));
  std::vector<char> shows(bugs().size(), 0);
#pragma omp parallel for schedule(dynamic)
  for (std::size_t b = 0; b < bugs().size(); ++b) {
    std::vector<std::vector<Answered>> answers(kReturned.size());
    for (const CheckCase& c : cases) {
      Arrays wrong, right;
      try {
        wrong = evaluate_with(bugs()[b], c.config, c.golden.inputs, &strictest);
        right = evaluate_with({}, c.config, c.golden.inputs, &strictest);
      } catch (const Error&) {  // it has no meaning here
        continue;
      }
      if (!differs(wrong, right)) continue;
      try {
        for (std::size_t r = 0; r < kReturned.size(); ++r)
          answers[r].push_back({c, answer_of(wrong, c.golden.inputs, strictest, kReturned.at(r).seen)});
      } catch (const Error&) {  // out of range: the last may lack it
        for (auto& list : answers)
          std::erase_if(list, [&](const Answered& a) { return a.c.golden.id == c.golden.id; });
      }
    }
    if (answers[0].empty()) continue;
    shows[b] = 1;
    for (std::size_t r = 0; r < kReturned.size(); ++r) {
      caught[b][r] = caught_of(answers[r], format);
      if (!folder.empty())
        write(answers[r],
              folder + '/' + info_of(format).name + '.' + std::to_string(r) + '/' + std::to_string(b));
    }
  }
  const auto all = std::ranges::count(shows, 1);
  std::printf("\n%s: %ld mistakes that change something in %zu cases\n%-18s %9s", info_of(format).name,
              static_cast<long>(all), cases.size(), "caught by", "by dtype");
  for (std::size_t i = 1; i < columns; ++i) std::printf(" %8s%zu", columns == 2 ? "pinned " : "R", i - 1);
  for (std::size_t r = 0; r < kReturned.size(); ++r) {
    std::printf("\n%-18s", kReturned.at(r).name);
    for (std::size_t i = 0; i < columns; ++i)
      std::printf(" %9ld", static_cast<long>(std::ranges::count_if(
                               caught, [&](const auto& of) { return !of[r].empty() && of[r][i]; })));
  }
  std::printf("\n\nnot caught by dtype, and the strictest rung that lets it through:\n");
  for (std::size_t b = 0; b < bugs().size(); ++b)
    for (std::size_t r = 0; r < kReturned.size() && shows[b] != 0; ++r) {
      const Caught& of = caught[b][r];
      if (of[0]) continue;
      const auto rung = std::find(of.begin() + 1, of.end(), false) - of.begin() - 1;
      std::printf("  %-16s R%ld  %s\n", kReturned.at(r).name, static_cast<long>(rung),
                  bugs()[b].name.c_str());
    }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argc == 3 && std::string(argv[1]) == "--write" ? argv[2] : "";
  for (const Format format : {Format::F32, Format::BF16, Format::F16}) judge_format(format, folder);
  return 0;
}
