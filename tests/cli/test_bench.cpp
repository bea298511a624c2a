#include <doctest/doctest.h>

#include <algorithm>

#include "moe/json.h"
#include "run.h"

// `bench` at sizes that take no time: what it prints, not how fast anything is.
using namespace moe;

TEST_CASE("bench: every row has its time, its floors and its twin, for people and for machines") {
  const Scratch folder;
  const std::string arguments =
      "bench mixtral switch --tokens 1,64 --repeat 1 --load balanced,zipf,all-to-one --dtype f32,bf16";
  const Done done = run(folder, arguments + " --json");
  CHECK(done.code == 0);
  CHECK(done.err.empty());
  const Json document = parse_json(done.out, "bench");
  REQUIRE(document["rows"].size() == 2 * 2 * 3 * 2 * 2);
  for (const Json& row : document["rows"]) {
    for (const char* key :
         {"shape", "dtype", "pass", "tokens", "load", "seconds", "floor_ratio", "dense_ratio"})
      CHECK(row.contains(key));
    const auto of = [&row](const char* key) { return row[key].get<double>(); };
    CHECK(of("seconds") > 0);
    CHECK(of("floor_ratio") > 0);
    // In the only round the ratios are those of the times.
    CHECK(of("floor_ratio") ==
          std::max(of("floor_arithmetic_seconds"), of("floor_memory_seconds")) / of("seconds"));
    CHECK(of("dense_ratio") == of("seconds") / of("dense_seconds"));
  }
  CHECK(document["rows"][0]["shape"] == "preset mixtral");
  CHECK(document["rows"][1]["pass"] == "both");
  const Done text = run(folder, "bench mixtral --tokens 4 --repeat 1 --dtype f32 --pass forward");
  CHECK(text.code == 0);
  CHECK(text.out.find("floor_ratio") != std::string::npos);
}

TEST_CASE("bench: the limits of the machine are positive") {
  const Scratch folder;
  const Done done = run(folder, "bench --machine --json");
  CHECK(done.code == 0);
  const Json document = parse_json(done.out, "bench");
  CHECK(document["limits"].size() >= 7);  // two products in two types, three ways to read; our own products
  for (const Json& limit : document["limits"])
    CHECK(limit["amount"].get<double>() / limit["seconds"].get<double>() > 0);
}

TEST_CASE("bench: bad arguments are one line and exit 2") {
  const Scratch folder;
  for (const std::string arguments :
       {"bench nobody", "bench llama-3-70b", "bench deepseek_v3 --tokens 1", "bench mixtral --tokens 0",
        "bench mixtral --tokens x", "bench mixtral --load even", "bench mixtral --pass back",
        "bench mixtral --dtype f64", "bench mixtral --repeat 0",
        "bench mixtral --json --csv --tokens 1 --repeat 1"}) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(done.code == 2);
    CHECK(is_one_line(done.err));
    CHECK(done.out.empty());
  }
}
