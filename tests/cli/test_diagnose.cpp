#include "run.h"

using namespace moe;

#if MOE_HAS_BALL
TEST_CASE("cli: diagnose says nothing of what agrees, and names the convention of what does not") {
  const Scratch folder;
  REQUIRE(run(folder, "golden write mixtral --tokens 6 --out case.json").code == 0);
  REQUIRE(run(folder, "run mixtral --tokens 6 --out right.safetensors").code == 0);
  REQUIRE(run(folder, "run mixtral --tokens 6 --set router.renorm=none --out wrong.safetensors").code == 0);
  const Done right = run(folder, "diagnose case.json --got right.safetensors");
  CHECK(right.code == 0);
  CHECK(right.out.find("nothing to diagnose") != std::string::npos);
  const Done wrong = run(folder, "diagnose case.json --got wrong.safetensors --profile fp32_any_order");
  CHECK(wrong.code == 1);
  CHECK(wrong.out.find("explained router.renorm = \"none\"  (G-01)") != std::string::npos);
  const Json json = parse_json(run(folder, "diagnose case.json --got wrong.safetensors --json").out, "out");
  CHECK(json["agrees"] == false);
  CHECK(json["diagnoses"][0]["explains"] == true);
  CHECK(json["diagnoses"][0]["gotcha"] == "G-01");
}

TEST_CASE("cli: audit counts what a tolerance lets through") {
  const Scratch folder;
  REQUIRE(run(folder, "golden write mixtral --tokens 6 --out case.json").code == 0);
  const Done loose = run(folder, "audit case.json --rtol 0 --atol 1000");
  CHECK(loose.code == 0);
  CHECK(loose.out.find("LET THROUGH") != std::string::npos);
  const Json json = parse_json(run(folder, "audit case.json --rtol 0 --atol 0 --json").out, "out");
  CHECK(json["tolerances"].size() == 7);
  for (const Json& bug : json["bugs"])
    CHECK((bug["accepted"]["yours"] == true) == (bug["compared"] == false));
}
#endif

TEST_CASE("cli: diagnose and audit refuse what they cannot use in one line") {
  const Scratch folder;
  for (const std::string arguments :
       {"diagnose", "diagnose nothing --got got.json", "diagnose presets/mixtral",
        "diagnose presets/mixtral --got nothing.safetensors", "diagnose presets/mixtral --got ''",
        "diagnose presets/mixtral --got nothing.txt", "audit presets/mixtral",
        "audit nothing --rtol 0 --atol 0", "audit presets/mixtral --rtol x --atol 0",
        "audit presets/mixtral --rtol 0 --atol -1", "audit presets/mixtral --rtol 0 --atol 0 --match 1.5",
        "audit presets/mixtral --rtol 0 --atol 0 --tensor nothing"}) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(is_one_line(done.err));
  }
}
