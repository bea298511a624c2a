#include <fstream>

#include "moe/presets.h"
#include "moe/safetensors.h"
#include "moe/tensor_json.h"
#include "run.h"

using namespace moe;

namespace {

void verify_corpus_on(const char* threads) {
  const Scratch folder;
  setenv("OMP_NUM_THREADS", threads, 1);
  const Json json = parse_json(run(folder, "golden verify --json --out '" MOE_ROOT "/golden'").out, "out");
  unsetenv("OMP_NUM_THREADS");
  CHECK(json["different"] == 0);
  CHECK(json["refused"] == 0);
  CHECK(json["cases"] >= 80);
  CHECK(json["proven"] == json["numbers"]);
}

}  // namespace

TEST_CASE("cli: help for every verb, with an example, on stdout and with 0") {
  const Scratch folder;
  for (const std::string verb : {"",
                                 "info",
                                 "presets",
                                 "run",
                                 "golden",
                                 "golden write",
                                 "golden verify",
                                 "golden list",
                                 "golden show",
                                 "check",
                                 "diagnose",
                                 "audit",
                                 "routes",
                                 "routes check",
                                 "models",
                                 "count",
                                 "flops",
                                 "memory",
                                 "law",
                                 "capacity",
                                 "roofline",
                                 "compare",
                                 "iso",
                                 "sweep",
                                 "explain",
                                 "bench",
                                 "help"}) {
    CAPTURE(verb);
    const Done done = run(folder, verb + " --help");
    CHECK(done.code == 0);
    CHECK(done.err.empty());
    CHECK((verb.empty() || done.out.find("Example: moe-oracle ") != std::string::npos));
  }
  CHECK(run(folder, "--version").code == 0);
}

TEST_CASE("cli: bad usage is exit 2 and one line") {
  const Scratch folder;
  for (const std::string arguments : {"dance",
                                      "--dance",
                                      "run",
                                      "run nothing",
                                      "run mixtral extra",
                                      "run mixtral --tokens -1",
                                      "run mixtral --tokens 1e3",
                                      "run mixtral --tokens 99999999999999999999",
                                      "run mixtral --tokens 5000 --json",
                                      "run mixtral --seed 0x",
                                      "run mixtral --seed 18446744073709551616",
                                      "run mixtral --set",
                                      "run mixtral --set shape.top_k",
                                      "run mixtral --scalar half",
                                      "run mixtral --dtype f8",
                                      "run mixtral --dtype i32",
                                      "run mixtral --backend tpu",
                                      "run mixtral --layer 3",
                                      "run mixtral --out trace.txt",
                                      "run mixtral --out no/where.json",
                                      "run mixtral --input nothing.safetensors",
                                      "run ./nothing.json",
                                      "run ./",
                                      "presets nothing",
                                      "presets --diff mixtral",
                                      "golden",
                                      "golden dance",
                                      "golden show",
                                      "golden show nothing",
                                      "golden verify nothing",
                                      "golden write",
                                      "golden write mixtral --out g.safetensors",
                                      "golden write ties/boundary --tokens 3",
                                      "golden verify --out nowhere",
                                      "run mixtral --input ''",
                                      "run mixtral --out ''",
                                      "presets mixtral --diff dense switch",
                                      "run mixtral --set 'capacity={\"mode\":\"none\",\"factor\":3}'",
                                      "golden write nothing"}) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(is_one_line(done.err));
  }
  CHECK(run(folder, "dance").err ==
        "moe-oracle: VERB = \"dance\" must be one of info, presets, run, golden, check, diagnose, audit, "
        "routes, models, count, flops, memory, law, capacity, roofline, compare, iso, sweep, explain, bench, "
        "help "
        "(moe-oracle --help)\n");
  CHECK(run(folder, "run mixtral --set shape.top_k=9").err ==
        "moe-oracle: shape.top_k = 9 must not exceed shape.num_experts = 8\n");
}

TEST_CASE("cli: what this build or machine cannot do is exit 3 and one line") {
  const Scratch folder;
  for (const std::string arguments :
       {"run mixtral --backend cuda", "bench mixtral --backend cuda", "bench mixtral --backend reference",
        "run mixtral --backend cpu --dtype f64", "run mixtral --out /dev/full",
        "run mixtral --tokens 2147483647",
        "run mixtral --tokens 4 --backward --set shape.hidden_size=1000000 --set shape.ffn_size=100000000"}) {
    CAPTURE(arguments);
    const Done done = run(folder, arguments, kWithoutGpu);
    CHECK(done.code == 3);
    CHECK(is_one_line(done.err));
  }
  for (const std::string large : {"--tokens 2147483647", "--set experts.latent_size=2000000000"}) {
    CAPTURE(large);
    CHECK(has(run(folder, "run mixtral " + large).err, "this layer needs about "));
    CHECK(has(run(folder, "run mixtral --set router.choice=given " + large).err, "this layer needs about "));
  }
}

TEST_CASE("cli: info says what there is, to people and to machines") {
  const Scratch folder;
  const Json info = parse_json(run(folder, "info --json", kWithoutGpu).out, "info");
  CHECK(info["backends"]["reference"] == "available");
  CHECK(info["backends"]["cpu"].get<std::string>().starts_with("available: oneDNN "));
  CHECK(info["backends"]["cuda"].get<std::string>().starts_with("unavailable: "));
  CHECK(info["floatingPoint"] ==
        Json({{"rounding", "to nearest"}, {"contraction", "off"}, {"subnormals", "kept"}}));
  CHECK(run(folder, "info").out.find("contraction  off") != std::string::npos);
}

TEST_CASE("cli: a preset as it is printed is what run reads") {
  const Scratch folder;
  for (const std::string preset : {"dense", "switch", "mixtral", "gpt_oss", "llama4", "longcat_flash"}) {
    CHECK(run(folder, "presets " + preset + " > my.json").code == 0);
    std::ofstream(folder / "my.json") << run(folder, "presets " + preset).out;
    CHECK(run(folder, "run ./my.json --out a.json").code == 0);
    CHECK(run(folder, "run " + preset + " --out b.json").code == 0);
    const Json a = parse_json(read_text(folder / "a.json"), "a"),
               b = parse_json(read_text(folder / "b.json"), "b");
    CHECK(a["tensors"] == b["tensors"]);
  }
  CHECK(run(folder, "presets").out.starts_with("dense "));
  CHECK(parse_json(run(folder, "presets --json").out, "presets").size() == presets().size());
  CHECK(run(folder, "presets --diff switch mixtral").out.find("capacity.mode") != std::string::npos);
  CHECK(run(folder, "presets --diff mixtral mixtral").out.empty());
}

TEST_CASE("cli: a trace is the same tensors as JSON, as safetensors, and on stdout") {
  const Scratch folder;
  CHECK(run(folder, "run mixtral --tokens 3 --backward --out t.json").code == 0);
  CHECK(run(folder, "run mixtral --tokens 3 --backward --out t.safetensors").code == 0);
  const Json on_disk = parse_json(read_text(folder / "t.json"), "t.json"),
             printed = parse_json(run(folder, "run mixtral --tokens 3 --backward --json").out, "out");
  CHECK(on_disk["id"] == "mixtral");
  CHECK(on_disk["config"]["shape"]["num_tokens"] == 3);
  CHECK(on_disk["tensors"] == printed["tensors"]);
  const SafetensorsFile file(folder / "t.safetensors");
  CHECK(file.names().size() == on_disk["tensors"].size());
  for (const auto& [name, tensor] : on_disk["tensors"].items()) {
    const Array a = array_from_json(name, tensor, "t.json"), b = file.load(name);
    CHECK(a.dims == b.dims);
    CHECK(a.bytes == b.bytes);
  }
  CHECK(file.load("grad.experts.down").dims == Dims{8, 32, 64});
  CHECK(file.load("router.topk_ids").format == Format::I32);
  CHECK(file.load("dispatch.counts").format == Format::I64);
  CHECK(file.load("dispatch.kept").format == Format::U8);
}

TEST_CASE("cli: large tensors go to a sidecar, and are asked to where there is no file") {
  const Scratch folder;
  CHECK(run(folder, "run dense --tokens 600 --set shape.hidden_size=128 --out t.json").code == 0);
  const Json json = parse_json(read_text(folder / "t.json"), "t.json");
  CHECK(json["tensors"]["y"]["file"] == "t.safetensors");
  CHECK(array_from_json("y", json["tensors"]["y"], folder / "t.json").dims == Dims{600, 128});
  const Done done = run(folder, "run dense --tokens 600 --set shape.hidden_size=128 --json");
  CHECK(done.code == 2);
  CHECK(is_one_line(done.err));
}

TEST_CASE("cli: tokens win over a set, and the seed changes the numbers") {
  const Scratch folder;
  const auto loss = [&](const std::string& arguments) {
    return parse_json(run(folder, "run mixtral --json " + arguments).out, "out")["losses"]["total"]
        .get<double>();
  };
  CHECK(loss("--set shape.num_tokens=3 --tokens 5") == loss("--tokens 5"));
  CHECK(loss("--tokens 5") != loss("--tokens 3"));
  CHECK(loss("--seed 0x7000007e8") == loss(""));
  CHECK(loss("--seed 30064773096") == loss(""));
  CHECK(loss("--seed 1") != loss(""));
  CHECK(loss("--scalar float") != loss("--scalar double"));
  CHECK(std::abs(loss("--scalar float") - loss("")) < 1e-4);
}

TEST_CASE("cli: how evenly the experts are used, of a run and of recorded logits") {
  const Scratch folder;
  const Done table = run(folder, "run mixtral --tokens 40 --stats");
  CHECK(table.code == 0);
  CHECK(table.out.find("balance   load: cv ") != std::string::npos);
  CHECK(table.out.find("\nexpert        load     share  importance\n     0  ") != std::string::npos);
  CHECK(table.out.find("########################################\n") != std::string::npos);  // of the largest
  CHECK(run(folder, "run mixtral --tokens 40").out.find("MaxVio") == std::string::npos);
  CHECK(run(folder, "run deepseek_v3 --tokens 2 --stats")
            .out.ends_with("\nexperts   256, which --json lists\n"));

  // Eight tokens that all want expert 2 most and expert 5 next: collapse.
  std::vector<float> z(64, 0);
  for (std::size_t t = 0; t < 8; ++t) z[8 * t + 2] = 9, z[8 * t + 5] = 4;
  Array logits{Format::F32, {8, 8}, std::vector<std::byte>(256), {}};
  std::memcpy(logits.bytes.data(), z.data(), 256);
  write_safetensors(folder / "z.safetensors", {{"router.logits", logits}});
  const Json stats =
      parse_json(run(folder, "run mixtral --stats --input z.safetensors --json").out, "out")["stats"];
  CHECK(stats["load"] == Json({0, 0, 8, 0, 0, 8, 0, 0}));
  CHECK(stats["dead"] == Json({0, 1, 3, 4, 6, 7}));
  CHECK(stats["max_violation"] == 3);
  CHECK(run(folder, "run mixtral --stats --input z.safetensors")
            .out.find("dead      6: 0 1 3 4 6 7;  dropped 0 %") != std::string::npos);

  const auto refused = [&](const std::string& arguments) {
    const Done done = run(folder, arguments);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(is_one_line(done.err));
    return done.err;
  };
  CHECK(refused("run dense --stats") ==
        "moe-oracle: --stats has no meaning without a router (router.score_function = none)\n");
  CHECK(refused("run mixtral --input z.safetensors") ==
        "moe-oracle: z.safetensors: must hold the tensor x\n");
  CHECK(refused("run mixtral --stats --input z.safetensors --backward").find("beside it only") !=
        std::string::npos);
  CHECK(refused("run mixtral --stats --input z.safetensors --set shape.num_experts=4") ==
        "moe-oracle: z.safetensors: router.logits: shape = [8,8] must be [T,4]\n");
  CHECK(refused("run mixtral --stats --input z.safetensors --set router.selection_bias=true") ==
        "moe-oracle: z.safetensors: router.selection_bias = nothing must be there\n");
}

TEST_CASE("cli: what stops in the middle of writing leaves the old file whole") {
  const Scratch folder;
  CHECK(run(folder, "run mixtral --tokens 2 --out t.json").code == 0);
  const std::string before = read_text(folder / "t.json");
  // A file may grow to 8 blocks: beyond, writing fails, or the signal that says so kills.
  for (const std::string signal : {"trap '' XFSZ; ", ""}) {
    CAPTURE(signal);
    const Done done = run(folder, "run mixtral --tokens 20 --out t.json", signal + "ulimit -f 8; ");
    CHECK(done.code != 0);
    CHECK((signal.empty() || done.code == 3));
    CHECK(read_text(folder / "t.json") == before);
  }
}

TEST_CASE("cli: a result that cannot be printed is exit 3") {
  const Scratch folder;
  for (const std::string arguments : {"presets mixtral", "run mixtral", "run mixtral --json", "golden list"})
    CHECK(run(folder, arguments + " > /dev/full").code == 3);
}

TEST_CASE("cli: an output never replaces an input") {
  const Scratch folder;
  CHECK(run(folder, "run dense --tokens 2 --out in.safetensors").code == 0);
  for (const std::string out : {"in.safetensors", "in.json"})
    CHECK(run(folder, "run dense --tokens 2 --weights in.safetensors --out " + out).err ==
          "moe-oracle: --out = \"" + out + "\" must not replace the input in.safetensors\n");
}

TEST_CASE("cli: a pipe is no input, a link stays a link, a mode stays as it is") {
  const Scratch folder;
  CHECK(std::system(("mkfifo '" + (folder / "pipe.json") + "'").c_str()) == 0);
  CHECK(run(folder, "run ./pipe.json").err ==
        "moe-oracle: ./pipe.json: must be a readable file: it is not a regular file\n");
  CHECK(run(folder, "run mixtral --tokens 2 --out real.json").code == 0);
  CHECK(std::system(
            ("cd '" + (folder / "") + "' && chmod 600 real.json && ln -s real.json link.json").c_str()) == 0);
  CHECK(run(folder, "run mixtral --tokens 3 --out link.json").code == 0);
  CHECK(std::filesystem::is_symlink(folder / "link.json"));
  CHECK(std::filesystem::status(folder / "real.json").permissions() == std::filesystem::perms{0600});
  CHECK(read_text(folder / "real.json").find("\"num_tokens\": 3") != std::string::npos);
}

#if MOE_HAS_BALL
TEST_CASE("cli: balls prove what doubles compute") {
  const Scratch folder;
  const Json json =
      parse_json(run(folder, "run switch --tokens 5 --backward --scalar ball --json").out, "out");
  CHECK(json["proof"].get<std::string>().find("real numbers are correctly rounded") != std::string::npos);
  CHECK(json["tensors"]["y"]["shape"] == Json({5, 32}));
}

TEST_CASE("cli: a golden file is written, verified, shown, and found out when it is changed") {
  const Scratch folder;
  const Done written = run(folder, "golden write mixtral --tokens 3 --out g.json");
  CHECK(written.code == 0);
  CHECK(written.out.find("real numbers are the correctly rounded true value") != std::string::npos);
  CHECK(written.out.find("enclose one directional derivative") != std::string::npos);
  CHECK(run(folder, "golden verify g.json").code == 0);
  CHECK(run(folder, "golden show g.json").out.find("run/mixtral") != std::string::npos);
  std::string text = read_text(folder / "g.json");
  const std::size_t digit = text.find("\"loss.total\"") + 70;
  const std::size_t at = text.find_first_of("123456789", digit);
  text[at] = text[at] == '5' ? '6' : '5';
  std::ofstream(folder / "g.json") << text;
  const Done changed = run(folder, "golden verify g.json");
  CHECK(changed.code == 1);
  CHECK(changed.out.starts_with("FAIL: "));
  CHECK(is_one_line(changed.err));
}

TEST_CASE("cli: the corpus, verified by the binary on one thread") { verify_corpus_on("1"); }
TEST_CASE("cli: the corpus, verified by the binary on two threads") { verify_corpus_on("2"); }

TEST_CASE("cli: ids one a line, a case by its id, and one case as a file of its own") {
  const Scratch folder;
  const std::string ids = run(folder, "golden list").out;
  CHECK(ids.find("ties/boundary\n") != std::string::npos);
  CHECK(ids.find(' ') == std::string::npos);
  CHECK(run(folder, "golden list ties/").out.find("capacity") == std::string::npos);
  CHECK(run(folder, "golden show ties/boundary").out.find("catches: the higher of two equal ids is chosen") !=
        std::string::npos);
  CHECK(run(folder, "golden write ties/boundary --out one.json").code == 0);
  CHECK(run(folder, "golden verify one.json").code == 0);
  CHECK(run(folder, "golden verify ties/boundary --out '" MOE_ROOT "/golden'").code == 0);
}

TEST_CASE("cli: a case of the digests is drawn, shown in full, and a file of its own") {
  const Scratch folder;
  const Json json = parse_json(run(folder, "golden show exact/digest-000123").out, "out");
  CHECK(json["groups"][0]["cases"][0]["id"] == "exact/digest-000123");
  CHECK(json["groups"][0]["cases"][0]["stages"].contains("y"));
  CHECK(run(folder, "golden write exact/digest-000123 --out one.json").code == 0);
  CHECK(run(folder, "golden verify one.json").code == 0);
  CHECK(run(folder, "golden show exact/digest-010000").code == 2);
}
#else
TEST_CASE("cli: without FLINT, proving is declined with its reason") {
  const Scratch folder;
  for (const char* arguments : {"golden write mixtral", "run mixtral --scalar ball"}) {
    const Done done = run(folder, arguments);
    CHECK(done.code == 3);
    CHECK(done.err.find("FLINT was not found") != std::string::npos);
  }
}
#endif
