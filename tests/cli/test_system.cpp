#include <doctest/doctest.h>
#include <unistd.h>

#include "moe/json.h"
#include "run.h"

// What the command line does where the system gives less than it is asked for, and what it leaves behind.
using namespace moe;

namespace {

/// A golden file in `folder` with one case of that id, else as presets/mixtral.
void write_case(const Scratch& folder, const std::string& id) {
  Json json = parse_json(read_text(kMixtral), kMixtral);
  json["groups"][0]["cases"][0]["id"] = id;
  write(folder / "case.json", print_json(json));
}

/// A golden file in `folder` whose one case, which must be refused, has more elements in x than a line takes.
void write_large(const Scratch& folder) {
  Json json = parse_json(read_text(kMixtral), kMixtral);
  Json& only = json["groups"][0]["cases"][0];
  only["result"] = "invalid";
  const Json recipe = only["inputs"]["x"]["recipe"];
  only["inputs"]["x"] = {{"dtype", "bf16"}, {"shape", {1024, 128}}, {"recipe", recipe}};
  write(folder / "large.json", print_json(json));
}

}  // namespace

TEST_CASE("system: more threads than there can be are fewer") {
  const Scratch folder;
  CHECK(run(folder, "run mixtral --tokens 3 --out one.json", "OMP_NUM_THREADS=1 ").code == 0);
  CHECK(run(folder, "run mixtral --tokens 3 --out many.json", "OMP_NUM_THREADS=100000 ").code == 0);
  CHECK(read_text(folder / "one.json") == read_text(folder / "many.json"));
  // The superuser's processes are not counted, and so somebody else's are.
  const std::string as = ::geteuid() == 0 ? "setpriv --reuid=65534 --clear-groups " : "";
  const Done alone = run(folder, "check " + kMixtral + " --backend reference",
                         "cd / && OMP_NUM_THREADS=100000 " + as + "prlimit --nproc=1 ");
  if (alone.code == 126 || alone.code == 127) return;  // nobody else can run the program here
  CHECK(alone.code == 0);
  CHECK(alone.err.empty());
}

TEST_CASE("system: where memory is limited a run is right, or exit 3 in one line") {
  const Scratch folder;
  int done_so = 0;
  for (const std::string kilobytes : {"60000", "100000", "200000", "400000", "800000", "4000000"})
    for (const std::string threads : {"", "OMP_NUM_THREADS=100000 "}) {
      CAPTURE(kilobytes);
      const Done done = run(folder, "check " + kMixtral + " --backend reference",
                            "ulimit -v " + kilobytes + "; " + threads);
      if (done.code == 127) continue;  // the program itself takes more
      CHECK((done.code == 0 || done.code == 3));
      CHECK((done.code == 0 ? done.err.empty() : is_one_line(done.err)));
      done_so += done.code == 0 ? 1 : 0;
    }
  CHECK(done_so >= 4);
}

TEST_CASE("system: TMPDIR is needed only for inputs that are too large for a line") {
  const Scratch folder;
  const std::string nowhere = "TMPDIR='" + (folder / "nowhere") + "' ";
  const std::string exec =
      " --exec 'read -r line; echo \"{\\\"id\\\":\\\"presets/mixtral\\\",\\\"error\\\":\\\"no\\\"}\"'";
  CHECK(run(folder, "check " + kMixtral + exec, nowhere).out.find("declined: no") != std::string::npos);

  write_large(folder);
  write(folder / "dir", "");
  for (const std::string& variable : {nowhere, "TMPDIR='" + (folder / "dir") + "' "}) {
    const Done done = run(folder, "check large.json" + exec, variable);
    CHECK(done.code == 3);
    CHECK(is_one_line(done.err));
    CHECK(done.err.find("must be a folder that takes the inputs of a request: ") != std::string::npos);
  }
  const Done spelt =
      run(folder, "check large.json" + exec, "mkdir \"$(printf 'a\\377')\"; TMPDIR=\"$(printf 'a\\377')\" ");
  CHECK(spelt.code == 3);
  CHECK(spelt.err.find("must be UTF-8: requests name a file in it") != std::string::npos);
  std::filesystem::create_directory(folder / "temporary");
  const std::string in_there = "TMPDIR='" + (folder / "temporary") + "' ";
  const Done seen = run(folder, "check large.json --exec 'ls -A \"$TMPDIR\" >seen'", in_there);
  CHECK(seen.code == 1);  // it answered nothing
  CHECK(read_text(folder / "seen").starts_with(".moe-oracle-"));
  CHECK(std::filesystem::is_empty(folder / "temporary"));
}

TEST_CASE("system: a case whose id would lead out of the folder of answers is refused by name") {
  const Scratch folder;
  std::filesystem::create_directory(folder / "got");
  for (const std::string id : {"../outside", "/outside", "a/../../outside"}) {
    CAPTURE(id);
    write_case(folder, id);
    const Done done = run(folder, "check case.json --got got");
    CHECK(done.code == 2);
    CHECK(done.err == "moe-oracle: id = \"" + id +
                          "\" must be a path inside of a folder: not absolute, without .. and without NUL\n");
  }
  write_case(folder, "a case/it's \xc3\xa9..");
  std::filesystem::create_directory(folder / "got/a case");
  CHECK(
      run(folder, "run --case presets/mixtral --backward --out 'got/a case/it'\\''s \xc3\xa9...json'").code ==
      0);
  CHECK(run(folder, "check case.json --got got").code == 0);
}
