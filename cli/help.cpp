#include <cstdio>

#include "moe/nearest.h"
#include "verbs.h"

namespace moe::cli {
namespace {

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  return names;
}

/// Every long name of an option of the verb.
std::vector<std::string> options_of(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// Prints the help of the verb that `names` lead to, of all where there are none, as its --help does.
int print_help(const CLI::App& app, const std::vector<std::string>& names) {
  const CLI::App* verb = &app;
  std::string called = app.get_name();
  for (const std::string& name : names) {
    verb = &verb_called(*verb, name);
    called += ' ' + name;
  }
  std::fputs(verb->get_formatter()->make_help(verb, called, CLI::AppFormatMode::Normal).c_str(), stdout);
  return 0;
}

}  // namespace

std::string verbs_text(const CLI::App& app) { return enumerated(verbs_of(app)); }

const CLI::App& verb_called(const CLI::App& app, const std::string& name) {
  const std::vector<const CLI::App*> all = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* verb : all)
    if (verb->get_name() == name) return *verb;
  const bool nested = app.get_parent() != nullptr;
  if (all.empty()) throw Error("VERB", app.get_name() + " has no verb " + shown(name));
  throw Error("VERB", (nested ? app.get_name() + ": " : "") + "VERB = " + shown(name) + " must be one of " +
                          verbs_text(app) + (nested ? "" : " (moe-oracle --help)") +
                          did_you_mean(name, verbs_of(app)));
}

void require_known_words(const CLI::App& app) {
  const CLI::App* verb = &app;
  std::string called;
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().back();
    called += (called.empty() ? "" : " ") + verb->get_name();
  }
  std::vector<std::string> others;
  for (const std::string& word : app.remaining(true)) {
    const std::string name = word.substr(0, word.find('='));
    if (!word.starts_with('-'))
      others.push_back(word);
    else if (word != "--")
      throw Error(name, (called.empty() ? "moe-oracle" : called) + " has no option " + name +
                            did_you_mean(name, options_of(*verb)));
  }
  if (others.empty()) return;
  if (!verbs_of(*verb).empty()) verb_called(*verb, others.front());
  throw Error(others.front(), called + " takes no further argument " + shown(others.front()));
}

void add_help(CLI::App& app, Act& act) {
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* verb = app.add_subcommand("help", "what a verb does, and its options");
  verb->footer("Example: moe-oracle help golden write");
  verb->add_option("VERB", *names, "of this verb; of all, if not given");
  verb->callback([names, &app, &act] { act = [names, &app] { return print_help(app, *names); }; });
}

}  // namespace moe::cli
