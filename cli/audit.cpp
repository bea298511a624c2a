#include "moe/audit.h"

#include <charconv>
#include <cstdio>

#include "verbs.h"

namespace moe::cli {
namespace {

struct AuditOptions {
  std::string name, rtol, atol, match = "1";
  std::vector<std::string> tensors;
  bool json = false;
};

double parse_real(const std::string& option, const std::string& text, double most) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (stop != text.data() + text.size() || error != std::errc() || !(value >= 0 && value <= most))
    throw Error(option, option + " = " + shown(text) + " must be a number in [0, " + real_text(most) + ']');
  return value;
}

/// Is a mistake caught that check says this of?
bool caught(Status status) { return status >= Status::Flag; }

Index accepted_by(const Audit& audit, std::size_t tolerance) {
  return std::count_if(audit.bugs.begin(), audit.bugs.end(),
                       [&](const AuditedBug& bug) { return bug.compared && bug.accepted[tolerance]; });
}
Index missed(const Audit& audit, Status AuditedBug::*status) {
  return std::count_if(audit.bugs.begin(), audit.bugs.end(),
                       [&](const AuditedBug& bug) { return !caught(bug.*status); });
}

Json finite(double x) { return std::isfinite(x) ? Json(x) : Json("Infinity"); }

void print_json_of(const std::string& id, const std::vector<Tolerance>& tolerances, const Audit& audit) {
  Json bugs = Json::array(), totals = Json::array();
  for (const AuditedBug& bug : audit.bugs) {
    Json accepted = Json::object();
    for (std::size_t i = 0; i < tolerances.size(); ++i)
      accepted[tolerances[i].name] = static_cast<bool>(bug.accepted[i]);
    bugs.push_back({{"name", bug.name},
                    {"accepted", accepted},
                    {"compared", bug.compared},
                    {"f32", name_of(bug.f32)},
                    {"bf16", name_of(bug.bf16)},
                    {"ratio", bug.ratio ? finite(*bug.ratio) : Json()}});
  }
  for (std::size_t i = 0; i < tolerances.size(); ++i)
    totals.push_back({{"name", tolerances[i].name},
                      {"source", tolerances[i].source},
                      {"accepted", accepted_by(audit, i)}});
  std::fputs(print_json({{"case", id},
                         {"bugs", bugs},
                         {"tolerances", totals},
                         {"missed_f32", missed(audit, &AuditedBug::f32)},
                         {"missed_bf16", missed(audit, &AuditedBug::bf16)},
                         {"least_ratio", finite(audit.detection.least_ratio)},
                         {"hardest", audit.detection.hardest}})
                 .c_str(),
             stdout);
}

void print(const CheckCase& c, const std::vector<Tolerance>& tolerances, const Audit& audit) {
  std::printf("case      %s  %s\n", printable(c.golden.id).c_str(), letters_text(c.config).c_str());
  std::printf("%-16s %-10s %-10s %-9s %s\n", "yours", "check f32", "bf16", "x HARD", "mistake");
  for (const AuditedBug& bug : audit.bugs)
    std::printf("%-16s %-10s %-10s %-9s %s\n",
                !bug.accepted[0] ? "caught"
                : bug.compared   ? "LET THROUGH"
                                 : "not compared",
                name_of(bug.f32), name_of(bug.bf16), bug.ratio ? short_text(*bug.ratio).c_str() : "-",
                bug.name.c_str());
  const Index compared =
      std::count_if(audit.bugs.begin(), audit.bugs.end(), [](const AuditedBug& bug) { return bug.compared; });
  std::printf(
      "%zu mistakes change something here, %td of them what is compared; of these are let through by\n",
      audit.bugs.size(), compared);
  for (std::size_t i = 0; i < tolerances.size(); ++i)
    std::printf("%6td  %-20s %s\n", accepted_by(audit, i), tolerances[i].name.c_str(),
                tolerances[i].source.c_str());
  std::printf("of all, by\n%6td  check, fp32\n%6td  check, bf16\n", missed(audit, &AuditedBug::f32),
              missed(audit, &AuditedBug::bf16));
  if (const Detection& all = audit.detection; all.mistakes > 0)
    std::printf("smallest detection ratio in fp32: %s, of \"%s\"\n", short_text(all.least_ratio).c_str(),
                all.hardest.c_str());
}

int act_on(const AuditOptions& options) {
  std::vector<Tolerance> tolerances{
      {.name = "yours",
       .source = "--rtol " + options.rtol + " --atol " + options.atol + " --match " + options.match,
       .rtol = parse_real("--rtol", options.rtol, 1e6),
       .atol = parse_real("--atol", options.atol, 1e300),
       .match = parse_real("--match", options.match, 1)}};
  for (const Tolerance& known : public_tolerances()) tolerances.push_back(known);
  const CheckCase c = case_of(options.name);
  Audit result;
  {
    ProgressBar bar;
    result = audit(c, tolerances, options.tensors.empty() ? std::vector<std::string>{"y"} : options.tensors,
                   [&](double share) { bar(share); });
  }
  if (options.json)
    print_json_of(c.golden.id, tolerances, result);
  else
    print(c, tolerances, result);
  return 0;
}

}  // namespace

void add_audit(CLI::App& app, Act& act) {
  auto options = std::make_shared<AuditOptions>();
  CLI::App* verb = app.add_subcommand("audit", "which mistakes a tolerance would let through");
  verb->footer("Example: moe-oracle audit presets/mixtral --rtol 1.6e-2 --atol 1e-5");
  verb->add_option("CASE", options->name, "a case id (golden list) or a golden file")->required();
  verb->add_option("--rtol", options->rtol, "the relative part of the tolerance")->type_name("R")->required();
  verb->add_option("--atol", options->atol, "the absolute part")->type_name("A")->required();
  verb->add_option("--match", options->match, "the share of numbers that must be within it")->type_name("F");
  verb->add_option("--tensor", options->tensors, "what is compared, in place of y; or all")
      ->type_name("NAME")
      ->allow_extra_args(false);
  verb->add_flag("--json", options->json, "print JSON");
  for (const char* name : {"CASE", "--rtol", "--atol", "--match", "--tensor"})
    verb->get_option(name)->check(kNotEmpty);
  verb->callback([options, &act] { act = [options] { return act_on(*options); }; });
}

}  // namespace moe::cli
