#include "moe/diagnose.h"

#include <cstdio>
#include <map>

#include "verbs.h"

namespace moe::cli {
namespace {

struct DiagnoseArguments {
  std::string name, got, profile;
  bool json = false;
};

std::string gotcha_text(int number) {
  char text[16];
  std::snprintf(text, sizeof text, "G-%02d", number);
  return number == 0 ? "" : text;
}

void print_json_of(const std::string& id, const std::vector<Diagnosis>& list) {
  Json all = Json::array();
  for (const Diagnosis& d : list)
    all.push_back({{"name", d.name},
                   {"sentence", d.sentence},
                   {"gotcha", d.gotcha == 0 ? Json() : Json(gotcha_text(d.gotcha))},
                   {"residual", d.residual},
                   {"ratio", d.ratio},
                   {"explains", d.explains},
                   {"notExplained", d.not_explained},
                   {"alike", d.alike}});
  std::fputs(print_json({{"case", id}, {"agrees", list.empty()}, {"diagnoses", all}}).c_str(), stdout);
}

/// "grad.*, loss.total": groups of names that begin with one word, where there are several.
std::string groups_text(const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::string>> groups;
  for (const std::string& name : names) groups[name.substr(0, name.find('.'))].push_back(name);
  std::string text;
  for (const auto& [word, of_word] : groups)
    text += (text.empty() ? "" : ", ") + (of_word.size() > 1 ? word + ".*" : of_word.front());
  return text;
}

void print_explanation(const Diagnosis& d) {
  const std::string gotcha = gotcha_text(d.gotcha);
  std::printf("explained %s%s\n          %s\n", d.name.c_str(),
              gotcha.empty() ? "" : ("  (" + gotcha + ")").c_str(), d.sentence.c_str());
  if (!d.not_explained.empty())
    std::printf("          it explains y, not %s\n", groups_text(d.not_explained).c_str());
  std::printf("          residual %s of what rounding does, %s of the residual as specified\n",
              short_text(d.residual).c_str(), short_text(d.ratio).c_str());
  for (const std::string& name : d.alike) std::printf("          or, the same here: %s\n", name.c_str());
}

void print(const CheckCase& c, const std::vector<Diagnosis>& list) {
  std::printf("case      %s  %s\n", printable(c.golden.id).c_str(), letters_text(c.config).c_str());
  if (list.empty())
    return void(std::printf("agrees    the answer is what the case says: nothing to diagnose\n"));
  std::size_t next = 0;
  if (list.front().explains)
    print_explanation(list[next++]);
  else
    std::printf("unknown   no single mistake that is known here, and no pair that was tried, explains it\n");
  for (; next < list.size(); ++next)
    std::printf("%-9s %s  (residual %s, %s of that as specified)\n", list[next].explains ? "also" : "not",
                list[next].name.c_str(), short_text(list[next].residual).c_str(),
                short_text(list[next].ratio).c_str());
}

int act_on(const DiagnoseArguments& options) {
  const CheckCase c = case_of(options.name);
  CheckOptions how;
  if (!options.profile.empty()) how.profile = load_profile(options.profile);
  const Answer answer = read_answer(options.got, needs_of(c));
  require_same_inputs(c, answer, options.got);
  const std::vector<Diagnosis> list = diagnose(c, answer, how);
  if (options.json)
    print_json_of(c.golden.id, list);
  else
    print(c, list);
  return list.empty() ? 0 : 1;
}

}  // namespace

void add_diagnose(CLI::App& app, Act& act) {
  auto options = std::make_shared<DiagnoseArguments>();
  CLI::App* verb = app.add_subcommand("diagnose", "which convention, or mistake, an answer follows");
  verb->footer("Example: moe-oracle diagnose presets/mixtral --got answer.safetensors");
  verb->add_option("CASE", options->name, "a case id (golden list) or a golden file")
      ->required()
      ->check(kNotEmpty);
  verb->add_option("--got", options->got, "the answer: .json, .safetensors or .npz")
      ->type_name("FILE")
      ->required()
      ->check(kNotEmpty);
  verb->add_option("--profile", options->profile, "the arithmetic of the candidate: a name or a JSON file")
      ->type_name("P")
      ->check(kNotEmpty);
  verb->add_flag("--json", options->json, "print JSON");
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
