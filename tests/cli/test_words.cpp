#include <unistd.h>

#include "moe/json.h"
#include "moe/printable.h"
#include "run.h"

// What the command line says of what is wrong: one line, in words of ours, that a terminal shows and does not obey.

using namespace moe;

namespace {

/// The words that libraries put into their errors.
bool speaks_as_a_library(const std::string& text) {
  for (const char* word : {"json.exception", "parse error", "filesystem error", "map::at", "_M_range_check",
                           "basic_string", "bad_alloc", "std::", "stoi", "terminate called"})
    if (has(text, word)) return true;
  return false;
}

struct Refusal {
  std::string arguments;
  int code;
  std::string says;
};

void check_all(const Scratch& folder, const std::vector<Refusal>& refusals) {
  for (const Refusal& r : refusals) {
    CAPTURE(r.arguments);
    const Done done = run(folder, r.arguments);
    CAPTURE(done.err);
    CHECK(done.code == r.code);
    CHECK(done.out.empty());
    CHECK(is_one_line(done.err));
    CHECK(printable_lines(done.err) == done.err);
    CHECK_FALSE(speaks_as_a_library(done.err));
    CHECK(has(done.err, r.says));
  }
}

}  // namespace

TEST_CASE("words: what is misspelt is answered with the nearest names") {
  const Scratch folder;
  check_all(folder,
            {{"chek", 2, "did you mean check?"},
             {"bensh", 2, ", explain, bench, help (moe-oracle --help); did you mean bench?"},
             {"CHECK", 2, "did you mean check?"},
             {"''", 2, "VERB = \"\" must be one of info, presets, run, "},
             {"golden wirte", 2,
              "golden: VERB = \"wirte\" must be one of write, verify, list, show; did you mean write?\n"},
             {"golden lits", 2, "did you mean list?"},
             {"help chek", 2, "did you mean check?"},
             {"help golden shw", 2, "did you mean show?"},
             {"help run twice", 2, "run has no verb \"twice\""},
             {"run mixtrl", 2, "did you mean mixtral?"},
             {"presets Switsh", 2, "did you mean switch?"},
             {"check ties/boundry --backend cpu", 2, "did you mean ties/boundary?"},
             {"run --case ties/boundry", 2, "did you mean ties/boundary?"},
             {"golden show ties/boundry", 2, "did you mean ties/boundary?"},
             {"golden verify ties/boundry", 2, "did you mean ties/boundary?"},
             {"models deepsek-v3", 2, "did you mean deepseek-v3?"},
             {"count Mixtral-8x7", 2, "did you mean mixtral-8x7b?"},
             {"count deepseek", 2, "did you mean deepseek"},
             {"run mixtral --set router.scores_function=sigmoid", 2, "did you mean score_function?"},
             {"run mixtral --set routr.renorm=sum", 2, "did you mean router?"},
             {"run mixtral --set top_k=1", 2, "did you mean shape.top_k?"},
             {"run mixtral --set router.score_function=sigmoit", 2, "did you mean sigmoid?"},
             {"run mixtral --tokns 3", 2, "run has no option --tokns; did you mean --tokens?"},
             {"run mixtral --tokns=3", 2, "run has no option --tokns; did you mean --tokens?"},
             {"audit ties/boundary --rtl 1", 2, "audit has no option --rtl; did you mean --rtol?"},
             {"golden list --jsn", 2, "golden list has no option --jsn; did you mean --json?"},
             {"--versoin", 2, "moe-oracle has no option --versoin; did you mean --version?"},
             {"run mixtral extra", 2, "run takes no further argument \"extra\""},
             {"law krajewsky", 2, "did you mean krajewski?"},
             {"check presets/mixtral --backend cpu --profile bf16_store_fp32_ac", 2,
              "did you mean bf16_store_fp32_acc?"}});
}

TEST_CASE("words: hardware in any case of letters, and without what follows a dash") {
  const Scratch folder;
  const auto machine = [&](const std::string& name) {
    return parse_json(run(folder, "roofline mixtral-8x7b --json --hw " + name).out, name)["machine"]["name"];
  };
  CHECK(machine("H100") == "h100");
  CHECK(machine("TPU-v5e") == "tpu-v5e");
  CHECK(machine("TPU") == "tpu-v5e");
  check_all(folder,
            {{"roofline mixtral-8x7b --hw H10", 2, "did you mean h100?"},
             {"roofline mixtral-8x7b --hw h", 2, "did you mean h100 or h200?"},
             {"roofline mixtral-8x7b --hw H300", 2, "did you mean h100 or h200?"},
             {"roofline mixtral-8x7b --hw abacus", 2, "must be one of h100, h200, a100, tpu-v5e, cpu"}});
}

TEST_CASE("words: help is the help of a verb") {
  const Scratch folder;
  const auto help = [&](const std::string& arguments) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(done.code == 0);
    CHECK(done.err.empty());
    return done.out;
  };
  CHECK(has(help(""), "Usage: moe-oracle "));
  CHECK(help("") == help("--help"));
  CHECK(help("help") == help("--help"));
  CHECK(help("help check") == help("check --help"));
  CHECK(help("help golden write") == help("golden write --help"));
}

TEST_CASE("words: JSON that is none is described with line and column, in words of ours") {
  const Scratch folder;
  write(folder / "brace.json", "{\n");
  write(folder / "word.json", "{\"a\": 1,\n \"b\": nonsense}");
  write(folder / "empty.json", "");
  write(folder / "latin.json", "{\"a\": \"\xe9\"}");
  write(folder / "large.json", "[1e999]");
  write(folder / "long.json", '"' + std::string(100'000, 'x'));
  write(folder / "codes.json", "{\"\x1b[31m\": 1}");
  write(folder / "list.json", "[1]");
  check_all(folder, {{"run ./brace.json", 2,
                      "./brace.json: must be JSON: line 2, column 1: unexpected end of input; expected"},
                     {"count ./word.json", 2, "line 2, column 8: invalid literal; last read: '\"b\": no'"},
                     {"run ./empty.json", 2, "line 1, column 1: unexpected end of input"},
                     {"run ./latin.json", 2, "line 1, column 9: invalid string: "},
                     {"run ./large.json", 2, "number overflow parsing '1e999'"},
                     {"run ./long.json", 2, "...xxxxx"},
                     {"run ./codes.json", 2, "line 1, column 3: invalid string: control character"},
                     {"run ./list.json", 2, "config = [1] must be an object"},
                     {"golden verify brace.json", 2, "brace.json: must be JSON: line 2"},
                     {"diagnose presets/mixtral --got brace.json", 2, "brace.json: must be JSON: line 2"},
                     {"check brace.json --backend cpu", 2, "brace.json: must be JSON: line 2"},
                     {"run mixtral --set shape=-1", 2, "shape = -1 must be an object"},
                     {"run mixtral --set shape=-1 --tokens 3", 2, "shape = -1 must be an object"},
                     {"run mixtral --set shape.top_k=[]", 2, "shape.top_k = [] must be an integer"},
                     {"run mixtral --set router=null", 2, "router = null must be an object"},
                     {"run mixtral --set aux={}", 2, "aux = {} must be an array"},
                     {"run mixtral --set $(printf 'source=\\377')", 2, "must be UTF-8"}});
  const Done done = run(folder, "check presets/mixtral --got brace.json");
  CHECK(done.code == 1);
  CHECK(has(done.out, "must be JSON: line 2, column 1: unexpected end"));
  CHECK_FALSE(speaks_as_a_library(done.out));
}

TEST_CASE("words: paths that cannot be used") {
  const Scratch folder;
  const std::string far = std::string(5000, 'x');
  std::filesystem::create_directory(folder / "folder.json");
  std::filesystem::create_symlink("loop.json", folder / "loop.json");
  std::filesystem::create_directory_symlink("around", folder / "around");
  check_all(folder,
            {{"run ./" + far + ".json", 2, "File name too long"},
             {"check " + far + " --backend cpu", 2, "File name too long"},
             {"check presets/mixtral --got " + far, 2, "File name too long"},
             {"golden verify --out " + far, 2, "must be the folder of a corpus"},
             {"golden show " + far, 2, "File name too long"},
             {"run mixtral --tokens 2 --out " + far + ".json", 2, "File name too long"},
             {"run ./loop.json", 2, "Too many levels of symbolic links"},
             {"check loop.json --backend cpu", 2, "Too many levels of symbolic links"},
             {"check around/x --backend cpu", 2, "Too many levels of symbolic links"},
             {"check presets/mixtral --got loop.json", 2, "Too many levels of symbolic links"},
             {"check folder.json --backend cpu", 2, "folder.json"},
             {"run ./folder.json", 2, "not a regular file"},
             {"run mixtral --input folder.json", 2, "not a regular file"},
             {"run mixtral --tokens 2 --out /dev/null/x.json", 2, "Not a directory"},
             {"golden write --out /dev/null/x", 2, "must be a path that can be used: Not a directory"}});
}

TEST_CASE("words: what may not be read is refused by its name") {
  const Scratch folder;
  // The superuser may read all, and so asks as somebody else.
  const std::string as = ::geteuid() == 0 ? "setpriv --reuid=65534 --clear-groups " : "";
  std::filesystem::permissions(folder / "", std::filesystem::perms::all);
  if (std::system(
          ("cd / && " + as + "'" MOE_ORACLE "' --version >'" + (folder / "version") + "' 2>&1").c_str()) !=
      0) {
    MESSAGE("SKIPPED: no other user can run the program here");
    return;
  }
  write(folder / "file.json", "{}");
  std::filesystem::permissions(folder / "file.json", std::filesystem::perms::none);
  std::filesystem::create_directory(folder / "closed");
  std::filesystem::permissions(folder / "closed", std::filesystem::perms::none);
  for (const std::string arguments :
       {"run ./file.json", "run ./closed/x.json", "check closed --backend cpu",
        "check closed/x.json --backend cpu", "check presets/mixtral --got closed/x",
        "run mixtral --tokens 2 --out closed/x.json"}) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments, as);
    CAPTURE(done.err);
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
    CHECK(has(done.err, "Permission denied"));
    CHECK_FALSE(speaks_as_a_library(done.err));
  }
  std::filesystem::permissions(folder / "closed", std::filesystem::perms::all);
}

TEST_CASE("words: a stream that is closed is no file's") {
  const Scratch folder;
  for (const std::string closed : {" >&-", " <&- >&-", " > /dev/full"}) {
    CAPTURE(closed);
    const Done done = run(folder, "run mixtral --tokens 2 --out t.json" + closed);
    CHECK(done.code == 3);
    CHECK(done.err == "moe-oracle: stdout cannot be written to its end\n");
    CHECK(parse_json(read_text(folder / "t.json"), "t.json")["id"] == "mixtral");
  }
  CHECK(run(folder, "run mixtral --tokens 2 --out t.json 2>&-").code == 0);
  const Done piped = run(folder, "golden list | head -n 1");
  CHECK(piped.code == 0);
  CHECK(piped.err.empty());
}

TEST_CASE("words: escape codes of files and arguments do not reach a terminal") {
  const Scratch folder;
  const std::string codes = "\x1b[31m\x7f\xc2\x9b", escaped = "\\x1b[31m\\x7f\\xc2\\x9b";
  const auto shown_in = [&](const std::string& arguments, bool out) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(printable_lines(done.out) == done.out);
    CHECK(printable_lines(done.err) == done.err);
    CHECK(has(out ? done.out : done.err, escaped));
    return done;
  };
  const std::string config = run(folder, "presets mixtral").out;
  write(folder / (codes + ".json"), config);
  const std::string path = " './" + codes + ".json'";
  CHECK(shown_in("run" + path, true).code == 0);
  CHECK(shown_in("run mixtral --tokens 2 --out '" + codes + "-out.json'", true).code == 0);
  CHECK(shown_in("count" + path, true).code == 0);
  CHECK(shown_in("explain" + path, true).code == 0);
  CHECK(shown_in("compare mixtral" + path, true).code == 0);
  CHECK(shown_in("compare --csv mixtral" + path, true).code == 0);
  CHECK(shown_in("run" + path + " --set shape.top_k=99", false).code == 2);
  CHECK(shown_in("run '" + codes + "/nothing.json'", false).code == 2);
  CHECK(shown_in("run mixtral '--" + codes + "'", false).code == 2);

  write(folder / "answer.json",
        R"({"tensors": {"\u001b[31m\u007f\u009b": {"dtype": "f32", "shape": [1], "data": [0]},
    "y": {"dtype": "\u001b[31m\u007f\u009b", "shape": [1], "data": [0]}}})");
  CHECK(shown_in("check presets/mixtral --got answer.json", true).code == 1);
  CHECK(shown_in("diagnose presets/mixtral --got answer.json", false).code == 2);
  run(folder, "check presets/mixtral --got answer.json --report r.html");
  const std::string page = read_text(folder / "r.html");
  CHECK(has(page, escaped));
  CHECK(printable_lines(page) == page);
  const std::string json = run(folder, "run" + path + " --json").out;
  CHECK(printable_lines(json) == json);
  CHECK(parse_json(json, "out")["id"] == "./" + codes + ".json");
}

TEST_CASE("words: names that are not UTF-8 are no reason to stop") {
  const Scratch folder;
  write(folder / "\xff.json", run(folder, "presets mixtral").out);
  for (const std::string arguments :
       {"run ./\xff.json", "run ./\xff.json --json", "run ./\xff.json --tokens 2 --out '\xfe.json'",
        "count ./\xff.json --json", "compare --json mixtral ./\xff.json", "explain ./\xff.json"}) {
    CAPTURE(printable(arguments));
    const Done done = run(folder, arguments);
    CHECK(done.code == 0);
    CHECK(done.err.empty());
    CHECK(is_utf8(done.out));
  }
}

TEST_CASE("words: amounts are written alike in every verb, and whole ones must be whole") {
  CHECK(json_of("flops mixtral-8x7b --tokens 32k")["tokens"] == 32000.0);
  CHECK(json_of("flops mixtral-8x7b --tokens 32K")["tokens"] == 32000.0);
  CHECK(json_of("flops mixtral-8x7b --tokens 14.8T")["tokens"] == 14.8e12);
  CHECK(json_of("memory mixtral-8x7b --ctx 4k")["cache_bytes"]["context"] == 4000);
  CHECK(json_of("memory mixtral-8x7b --ctx 131.072K")["cache_bytes"]["context"] == 131072);
  CHECK(json_of("capacity mixtral-8x7b --tokens 1k")["tokens"] == 1000);
  const Scratch folder;
  for (const std::string bad :
       {"law ludziejewski --budget 1e21x", "memory mixtral-8x7b --ctx 4.0001K", "memory mixtral-8x7b --ctx k",
        "memory mixtral-8x7b --ctx 1e3", "flops mixtral-8x7b --tokens 1e19",
        "memory mixtral-8x7b --ctx 1e400", "memory mixtral-8x7b --ctx -1k"}) {
    CAPTURE(bad);
    const Done done = run(folder, bad);
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
  }
}

TEST_CASE("words: formats go by the names that others give them, too") {
  const auto bytes = [](const std::string& dtype) {
    return json_of("memory mixtral-8x7b --dtype " + dtype)["weight_bytes"]["total"];
  };
  for (const std::string same : {"f32", "float32", "float"}) CHECK(bytes(same) == bytes("fp32"));
  for (const std::string same : {"f16", "float16", "half"}) CHECK(bytes(same) == bytes("fp16"));
  CHECK(bytes("bfloat16") == bytes("bf16"));
  CHECK(bytes("float8") == bytes("fp8"));
  const Scratch folder;
  for (const std::string same : {"f32", "fp32", "float32", "float"}) {
    CAPTURE(same);
    const Done done = run(folder, "run dense --backend cpu --json --dtype " + same);
    CHECK(done.code == 0);
    CHECK(parse_json(done.out, "run")["dtype"] == "f32");
  }
  CHECK(run(folder, "memory mixtral-8x7b --dtype float33")
            .err.starts_with("moe-oracle: --dtype = \"float33\" must be one of "));
}
