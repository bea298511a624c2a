#include "moe/report.h"
#include "support.h"

using namespace moe;

namespace {

constexpr const char* kMarkup = "<script>alert('&\"')</script>";

TensorVerdict tensor(const std::string& name, const Dims& dims, const std::vector<double>& row_ratio = {}) {
  TensorVerdict v;
  v.name = name, v.dims = dims, v.format = Format::BF16;
  v.numbers = v.judged = product(dims);
  v.row_ratio = row_ratio;
  v.worst = 0, v.got = 0.25, v.expected = 0.25;
  v.ulps[0] = v.numbers;
  return v;
}

void fail(TensorVerdict& v, Index worst, double ratio) {
  v.status = Status::Fail, v.worst = worst, v.hard_ratio = ratio;
  v.got = 1.5, v.expected = 0.25, v.ulps[7] = 3, v.reason = "is wrong";
}

/// Three tokens, four experts, two slots: token t chooses t and t + 1.
CaseVerdict routed(const std::string& id) {
  CaseVerdict c;
  c.id = id, c.profile = "bf16_store_fp32_acc", c.routing.emplace();
  for (Index t = 0; t < 3; ++t)
    c.routing->tokens.push_back({Certainty::Certain, true, true, 0.5, 0.125, {t, t + 1}, {t, t + 1}});
  return c;
}

/// One case of each status; the one that fails has all that can be wrong.
CheckReport example() {
  CheckReport report{
      "moe-oracle check a b --exec ./mine", "./mine", {}, {}, "moe-oracle check {id} --exec ./mine"};
  CaseVerdict pass = routed("a/pass");
  pass.tensors = {tensor("y", {3, 2}, {0.5, 0.25, 0.125})};
  pass.tensors[0].hard_ratio = 0.5;
  pass.missing = {"grad.x", "grad.router.weight", "loss.task"};
  CaseVerdict bad = routed("b/fail");
  bad.status = Status::Fail, bad.reason = "y is wrong";
  bad.tensors = {tensor("y", {3, 2}, {0.5, 12, HUGE_VAL}), tensor("expert.out", {6, 2}, {0, 0, 0, 7, 0, 0}),
                 tensor(kMarkup, {2})};
  fail(bad.tensors[0], 5, 12), bad.tensors[0].got = NAN;
  fail(bad.tensors[1], 7, 7);
  bad.routing->tokens[1] = {Certainty::Ambiguous, false, true, 0.0625, 0.125, {1, 2}, {3, 1}};
  bad.routing->reason = "1 of 3 tokens choose other experts";
  bad.missing = {"grad.x"}, bad.unknown = {kMarkup, "logits\x1b[31m\n\xff"};
  report.cases = {pass, bad};
  for (const Status s : {Status::LowPower, Status::Skipped, Status::Partial, Status::Flag}) {
    CaseVerdict c;
    c.id = "c/other", c.status = s, c.reason = "says why";
    report.cases.push_back(c);
  }
  return report;
}

/// "" where every tag is closed in its turn, every attribute has its quotes, and no entity is open; else what is wrong.
std::string fault_in(const std::string& html) {
  std::vector<std::string> open;
  std::size_t i = html.find('\n');  // after the doctype
  for (i = html.find('<', i); i != std::string::npos; i = html.find('<', i + 1)) {
    std::size_t end = i;
    for (bool quoted = false; end < html.size() && (quoted || html[end] != '>'); ++end)
      quoted = quoted != (html[end] == '"');
    if (end == html.size()) return "a tag without an end";
    const std::string tag = html.substr(i + 1, end - i - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "unexpected <" + tag + ">";
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    i = end;
    if (name != "style" && name != "script") continue;
    i = html.find("</" + name, i) - 1;
  }
  return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t i = text.find(part); i != std::string::npos; i = text.find(part, i + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("report: one failure decides, and a case that passes outweighs what could not be judged") {
  CheckReport report;
  CHECK(status_of(report) == Status::Skipped);
  CHECK(totals_text(report) == "0 cases");
  for (const Status s : {Status::Skipped, Status::LowPower, Status::Pass, Status::Flag, Status::Fail}) {
    CaseVerdict c;
    c.status = s;
    report.cases.push_back(c);
    CHECK(status_of(report) == s);
  }
  report.cases.push_back(report.cases.back());
  CHECK(totals_text(report) == "6 cases: 1 PASS, 1 FLAG, 2 FAIL, 1 LOW-POWER, 1 SKIPPED");
}

TEST_CASE("report: the worst case comes first, and no number is better than any") {
  CheckReport report = example();
  CaseVerdict flagged = routed("flagged"), worse = flagged;
  flagged.status = worse.status = Status::Flag;
  flagged.tensors = worse.tensors = {tensor("y", {3, 2})};
  worse.id = "worse", worse.tensors[0].hard_ratio = 0.75;
  report.cases.push_back(flagged), report.cases.push_back(worse);
  std::string order;
  for (const CaseVerdict* c : worst_first(report)) order += c->id + ' ';
  CHECK(order == "b/fail worse flagged c/other c/other c/other c/other a/pass ");
  CHECK(*worst_ratio(report.cases[0]) == 0.5);
  CHECK(std::isinf(*worst_ratio(report.cases[1])));  // not a number
  CHECK_FALSE(worst_ratio(report.cases[2]));
  TensorVerdict ids = tensor("router.topk_ids", {3, 2});
  ids.format = Format::I32;
  CHECK_FALSE(worst_ratio(ids));
}

TEST_CASE("report: a place says whose number it is, as far as the verdict tells") {
  CaseVerdict c = routed("a");
  const auto found = [&](const std::string& name, const Dims& dims, Index i) {
    const Place place = Places(c).of(tensor(name, dims), i);
    return place.index + ' ' + std::to_string(place.token) + ' ' + std::to_string(place.expert);
  };
  CHECK(found("y", {3, 2}, 5) == "[2,1] 2 -1");
  CHECK(found("router.logits", {3, 4}, 6) == "[1,2] 1 2");
  CHECK(found("router.topk_weights", {3, 2}, 3) == "[1,1] 1 2");
  CHECK(found("grad.experts.up", {4, 5, 2}, 21) == "[2,0,1] -1 2");
  CHECK(found("grad.router.weight", {2, 4}, 3) == "[0,3] -1 0");
  CHECK(found("loss.total", {}, 0) == "[] -1 -1");
  CHECK(found("y", {6}, 5) == "[5] -1 -1");  // not its shape
  // The rows by expert, then token: 0 of 0, 1 of 0, 1 of 1, 2 of 1, 2 of 2, 3 of 2.
  CHECK(found("expert.out", {6, 2}, 7) == "[3,1] 1 2");
  CHECK(found("expert.out", {5, 2}, 7) == "[3,1] -1 -1");  // an assignment was dropped
  c.routing->tokens[0] = {Certainty::Tie, false, true, 0, 0, {0, 1}, {3, 0}};
  CHECK(found("expert.out", {6, 2}, 9) == "[4,1] 0 3");  // of the candidate's own experts
  c.routing->status = Status::Fail;                      // then of those that are expected
  CHECK(found("expert.out", {6, 2}, 9) == "[4,1] 2 2");
  c = routed("a"), c.routing->reason = "y fits other experts";
  CHECK(found("expert.out", {6, 2}, 7) == "[3,1] -1 -1");
  std::string rows;
  for (const Place& place : Places(routed("a")).of_rows(tensor("router.logits", {3, 4}, {0, 0, 0})))
    rows += std::to_string(place.token) + '/' + std::to_string(place.expert) + ' ';
  CHECK(rows == "0/-1 1/-1 2/-1 ");
}

TEST_CASE("report: what is missing is said once for a whole group, and by name for a part of one") {
  CheckReport report = example();
  CHECK(missing_lines(report) ==
        std::vector<std::string>{"grad.* (2 tensors) in 2 cases", "loss.task in 1 case"});
  report.cases[0].tensors.push_back(tensor("grad.experts.up", {4, 5, 2}));
  report.cases[0].missing.insert(report.cases[0].missing.end(), {"grad.a", "grad.b", "grad.c"});
  CHECK(missing_lines(report)[0] == "grad.a, grad.b, grad.c and 2 more of grad.* in 2 cases");
  report.cases[0].unknown = {kMarkup};
  CHECK(unknown_lines(report)[0] == std::string(kMarkup) + " in 2 cases");
  CHECK(unknown_lines(report).size() == 2);
}

TEST_CASE("report: the certificate holds what the verdicts hold, and reads back") {
  const Json json = report_json(example());
  CHECK(json.dump(-1, ' ', false, Json::error_handler_t::strict).find("null") == std::string::npos);
  const Json read = parse_json(print_json(json), "report.json");
  CHECK(read["format"] == "moe-check");
  CHECK(read["formatVersion"] == "1.0.0");
  CHECK(read["status"] == "FAIL");
  CHECK(read["counts"] ==
        Json({{"PASS", 1}, {"LOW-POWER", 1}, {"SKIPPED", 1}, {"PARTIAL", 1}, {"FLAG", 1}, {"FAIL", 1}}));
  CHECK(read["profiles"] == Json({{"bf16_store_fp32_acc", 2}}));
  CHECK(read["ulpBuckets"].size() == kUlpBuckets);
  CHECK(read["ulpBuckets"][3] == 4);
  CHECK(read["cases"].size() == 6);
  const Json &c = read["cases"][1], &y = c["tensors"][0], &out = c["tensors"][1];
  CHECK(c["id"] == "b/fail");
  CHECK(c["unknown"] == Json({kMarkup, "logits\x1b[31m\n\xEF\xBF\xBD"}));
  CHECK(c["routing"]["certain"] == 2);
  CHECK(c["routing"]["ambiguous"] == 1);
  CHECK(c["routing"]["tie"] == 0);
  CHECK(c["routing"]["disagreeing"] == Json::parse(R"([{"token":1,"certainty":"ambiguous","admissible":true,
    "margin":0.0625,"bound":0.125,"expected":[1,2],"got":[3,1]}])"));
  CHECK(y["worst"] == Json({2, 1}));
  CHECK(y["token"] == 2);
  CHECK_FALSE(y.contains("expert"));
  CHECK(y["got"] == "NaN");
  CHECK(y["rowRatio"] == Json({0.5, 12.0, "Infinity"}));
  CHECK(y["ulps"].size() == kUlpBuckets);
  CHECK(y["ulps"][7] == 3);
  CHECK(out["hardRatio"] == 7.0);
  CHECK(out["shape"] == Json({6, 2}));
  CHECK(out["status"] == "FAIL");
}

TEST_CASE("report: the page stands alone, is well-formed and shows names as text") {
  const std::string page = report_html(example());
  CHECK(fault_in(page) == "");
  for (const char* outside : {"http", "url(", "@import", " src=", "xlink", "<link"}) {
    CAPTURE(outside);
    CHECK_FALSE(has(page, outside));
  }
  CHECK(count(page, "<script>") == 1);
  CHECK(has(page, "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"));
  CHECK_FALSE(has(page, "\x1b"));
  for (std::size_t s = 0; s < kStatuses; ++s)
    CHECK(has(page, std::string("\">") + name_of(static_cast<Status>(s)) + "</span>"));
  CHECK(has(page, "Error over budget by token"));
  CHECK(has(page, "Error over budget by expert"));
  CHECK(has(page, "<span class=\"num over\">7</span>"));
  CHECK(has(page, "<span class=\"num over\">∞</span>"));
  CHECK(has(page, "3 off by 64 to 127"));  // bucket 7
  CHECK(has(page, "<b class=\"odd\">3</b>"));
}

TEST_CASE("report: whatever is named by markup, none of it becomes markup") {
  CaseVerdict c = routed(kMarkup);
  c.profile = kMarkup, c.reason = kMarkup, c.status = Status::Fail;
  c.routing->reason = "other", c.routing->reason += kMarkup;
  c.tensors = {tensor(kMarkup, {3, 2}, {0.5, 0.25, 0.125})};
  fail(c.tensors[0], 0, 2), c.tensors[0].reason = kMarkup;
  c.missing = c.unknown = {kMarkup};
  const std::string page = report_html({kMarkup, kMarkup, {c}, {}, std::string("{id}") + kMarkup});
  CHECK(fault_in(page) == "");
  CHECK(count(page, "<script>") == 1);
  CHECK(count(page, "alert(&#39;") == 19);  // 8 above the cases, 4 in the line of this one, 7 below it
}

TEST_CASE("report: the checks of the page can fail") {
  const std::string page = report_html(example());
  for (const char* tag : {"</td>", "</details>", "<tbody>", "</svg>", "</main>"}) {
    std::string broken = page;
    CHECK(fault_in(broken.erase(broken.find(tag), std::string(tag).size())) != "");
  }
}

TEST_CASE("report: a page of a thousand cases says which of them do not unfold") {
  CheckReport report;
  for (int i = 0; i < 1000; ++i) {
    report.cases.push_back(i % 4 == 0 ? example().cases[1] : example().cases[0]);
    report.cases.back().id += std::to_string(i);
  }
  const std::string page = report_html(report);
  CHECK(fault_in(page) == "");
  CHECK(count(page, "class=\"case\"") == 1000);
  CHECK(count(page, "<details class=\"case\"") == 200);
  CHECK(has(page, "The first 50 cases that pass and 150 others unfold; 800 more are listed alone."));
  CHECK(page.size() < 4'000'000);
}

TEST_CASE("report: a long row of the heat map is drawn in parts, and keeps its worst number") {
  CheckReport report;
  CaseVerdict c;
  std::vector<double> rows(512, 0.0);
  rows[300] = 2000;
  c.tensors = {tensor("y", {512, 2}, rows)};
  report.cases = {c};
  const std::string page = report_html(report);
  CHECK(has(page, "each cell the worst of 4"));
  CHECK(has(page, "2e+03 at 300"));
  CHECK(has(page, "<path class=\"h7\" d=\"M75 0h1v1h-1z\"/>"));  // 300 / 4, in the colour of more than 1000
}

TEST_CASE("report: the lines for a terminal") {
  const std::string text = report_text(example());
  CHECK(has(text, "PASS       a/pass                              bf16_store_fp32_acc       0.5\n"));
  CHECK(has(text,
            "FAIL       b/fail                              bf16_store_fp32_acc       inf\n"
            "           y is wrong\n"
            "           1 of 3 tokens choose other experts\n"));
  CHECK(has(text,
            "  y                      [2,1]           2      -        nan       0.25      inf\n"
            "  expert.out             [3,1]           2      2        1.5       0.25        7\n"));
  CHECK(has(text, "not returned: grad.* (2 tensors) in 2 cases\n"));
  CHECK(has(text, "unknown name: logits\\x1b[31m\\x0a\\xff in 1 case\n"));
  CHECK(text.ends_with("6 cases: 1 PASS, 1 FLAG, 1 FAIL, 1 PARTIAL, 1 LOW-POWER, 1 SKIPPED\n"));
  CheckReport talkative = example();
  for (int i = 0; i < 99; ++i) talkative.cases[1].reason += " and so on";
  std::istringstream lines(report_text(talkative));
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 80);
  for (const char c : text) CHECK((c == '\n' || (c >= ' ' && c <= '~')));
}

TEST_CASE("report: the command for the worst case quotes its id, and needs a case that is wrong") {
  CheckReport report = example();
  report.cases[1].id = "it's; b";
  CHECK(rerun_of(report) == "moe-oracle check 'it'\\''s; b' --exec ./mine");
  report.rerun = "";
  CHECK(rerun_of(report) == "");
  report = example();
  report.cases.resize(1);
  CHECK(rerun_of(report) == "");
  CHECK(report_text(report).ends_with("1 case: 1 PASS\n"));
}
