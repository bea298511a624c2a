#include <algorithm>
#include <fstream>
#include <random>
#include <set>

#include "../scratch.h"
#include "../support.h"
#include "moe/roofline.h"
#include "moe/twins.h"

using namespace moe;

namespace {

/// One layer of attention and one of experts, small enough for a pencil: D 4, F 3, E 4, K 2, a vocabulary of 10.
Model pencil() {
  Model m;
  m.name = "pencil", m.hidden_size = 4, m.vocabulary = 10;
  m.mixers = {Gqa{.heads = 2, .kv_heads = 1, .head_size = 2}};
  m.layers = {{.mixer = 0, .moe = true}};
  m.moe = Mixture{.num_experts = 4, .top_k = 2, .ffn_size = 3};
  return m;
}

/// The fields of a machine's file, with `field` as given, or left out where that is "".
std::string machine_file(const std::string& field = "source", const std::string& as = "\"a data sheet\"") {
  std::string text;
  for (const auto& [key, value] : {std::pair<std::string, std::string>{"name", "\"mine\""},
                                   {"peak", "100e12"},
                                   {"bandwidth", "1e12"},
                                   {"memory", "48e9"},
                                   {"source", "\"a data sheet\""}})
    if (key != field) text += (text.empty() ? "" : ", ") + shown(key) + ": " + value;
  if (!as.empty()) text += ", " + shown(field) + ": " + as;
  return '{' + text + '}';
}

}  // namespace

TEST_CASE("roofline: the batch from which on arithmetic is the limit") {
  const Machine& h100 = machine_called("h100");
  CHECK(prints(h100.ridge(), 295, 1));
  CHECK(prints(crossover_batch(h100, 1, 1, 2), 295, 1));
  CHECK(prints(crossover_batch(h100, 8, 2, 2), 1181, 1));       // Mixtral
  CHECK(prints(crossover_batch(h100, 256, 8, 2), 9447, 1));     // DeepSeek-V3
  CHECK(prints(crossover_batch(h100, 128, 4, 2), 9447, 1));     // gpt-oss-120b
  CHECK(prints(crossover_batch(h100, 384, 8, 2), 14171, 1));    // Kimi-K2
  CHECK(prints(crossover_batch(h100, 128, 1, 2), 37800, 100));  // Llama-4-Maverick
  const Machine& cpu = machine_called("cpu");                   // int8 weights
  CHECK(prints(crossover_batch(cpu, 1, 1, 1), 5, 1e-9));
  CHECK(prints(crossover_batch(cpu, 8, 2, 1), 20, 1e-9));
  CHECK(prints(crossover_batch(cpu, 256, 8, 1), 160, 1e-9));
  CHECK(prints(crossover_batch({"v5e in round numbers", 1.97e14, 8.2e11, ""}, 1, 1, 2), 240, 1));
}

TEST_CASE("roofline: every machine has a source, and numbers that a machine may have") {
  std::set<std::string> names;
  for (const Machine& m : machines()) {
    CAPTURE(m.name);
    CHECK(names.insert(m.name).second);
    CHECK(machine_called(m.name).name == m.name);
    CHECK(m.source.size() > 20);
    CHECK(m.peak > 1e12);
    CHECK(m.peak < 1e16);
    CHECK(m.bandwidth > 1e11);
    CHECK(m.bandwidth < 1e14);
    CHECK(m.ridge() >= 10);
    CHECK(m.ridge() < 1000);
    if (m.name == "cpu") continue;  // an example
    CHECK(m.memory >= 16e9);
    CHECK(m.memory <= 1e12);
    if (m.peak_fp8 > 0) CHECK(m.peak_fp8 >= m.peak);
    CHECK(m.peak_fp8 <= 4 * m.peak);
  }
  CHECK(machines().size() >= 15);
  for (const char* name : {"h100", "h200", "a100", "tpu-v5e", "cpu"}) CHECK(names.contains(name));
}

TEST_CASE("roofline: a machine has more than one name") {
  CHECK(machine_called("tpu").name == "tpu-v5e");
  CHECK(machine_called("H20").peak == 148e12);
  CHECK(machine_called("Trillium").name == "tpu-v6e");
  CHECK(machine_called("m3").name == "m3-ultra");
  CHECK(machine_called("rtx").name == "rtx-4090");
}

TEST_CASE("roofline: how many devices hold the weights") {
  const Machine h100 = machine_called("h100");
  CHECK(devices_for(h100, 1) == 1);
  CHECK(devices_for(h100, 80e9) == 1);
  CHECK(devices_for(h100, 80e9 + 1) == 2);
  CHECK(devices_for(h100, 2.0 * 671026419200) == 17);  // DeepSeek-V3 in bf16: 16.8
  CHECK(!devices_for(machine_called("cpu"), 1e15));
}

TEST_CASE("roofline: a machine in a file") {
  const Scratch folder;
  const std::string path = folder / "mine.json";
  const auto read = [&](const std::string& text) {
    std::ofstream(path) << text;
    return machine_called(path);
  };
  const Machine mine = read(machine_file("peak_fp8", "200000000000000"));
  CHECK(mine.name == "mine");
  CHECK(mine.peak == 100e12);
  CHECK(mine.bandwidth == 1e12);
  CHECK(mine.memory == 48e9);
  CHECK(mine.peak_fp8 == 200e12);
  CHECK(mine.source == "a data sheet");
  CHECK(read(machine_file("memory", "null")).memory == 0);
  const auto refusal = [&](const std::string& text) {
    const std::string error = error_of([&] { read(text); });
    CHECK(error.starts_with(path + ": "));
    CHECK(error.find('\n') == std::string::npos);
    return error.substr(std::min(error.size(), path.size() + 2));
  };
  for (const std::string field : {"name", "peak", "bandwidth", "memory", "source"})
    CHECK(refusal(machine_file(field, "")) == "must have " + field);
  for (const std::string field : {"peak", "bandwidth", "memory", "peak_fp8"}) {
    CHECK(refusal(machine_file(field, "0")) == field + " = 0 must be a positive number");
    CHECK(refusal(machine_file(field, "-1")) == field + " = -1 must be a positive number");
    CHECK(refusal(machine_file(field, "\"1T\"")) == field + " = \"1T\" must be a positive number");
    CHECK(refusal(machine_file(field, "true")) == field + " = true must be a positive number");
  }
  CHECK(refusal(machine_file("peak", "null")) == "peak = null must be a positive number");
  CHECK(refusal(machine_file("name", "7")) == "name = 7 must be a string");
  CHECK(refusal(machine_file("name", "\"\"")) == "name = \"\" must be printable, and not empty");
  CHECK(refusal(machine_file("source", R"("a\nb")")) ==
        R"(source = "a\nb" must be printable, and not empty)");
  CHECK(
      refusal(machine_file("bandwith", "1")) ==
      "\"bandwith\" must be one of name, peak, peak_fp8, bandwidth, memory, source; did you mean bandwidth?");
  CHECK(refusal(machine_file("also", "[\"yours\"]")).starts_with("\"also\" must be one of name, "));
  CHECK(refusal("[1]") == "must be an object with name, peak, peak_fp8, bandwidth, memory, source");
  CHECK(refusal("{").starts_with("must be JSON: "));
  CHECK(refusal(R"({"name": "a", "name": "b"})") == "\"name\" must not appear twice in one object");
}

TEST_CASE("roofline: intensity of experts by hand") {
  CHECK(std::abs(expert_intensity(1, 8, 2, 2) - 1) < 1e-15);        // one token: each weight is used once
  CHECK(std::abs(expert_intensity(2, 8, 2, 2) - 8 / 7.0) < 1e-15);  // 2 2 2 / (3.5 2)
  CHECK(std::abs(expert_intensity(64, 1, 1, 2) - 64) < 1e-13);      // dense
  CHECK(std::abs(expert_intensity(1e6, 8, 2, 2) / 250000 - 1) < 1e-15);
}

TEST_CASE("roofline: a step of decoding by hand") {
  // attention: queries and output 2 4 4, keys and values 2 4 2: 48; router 16; norms 3 4; head 40; expert 3 4 3 = 36
  const Model m = pencil();
  const DecodeBound one =
      decode_bound(m, {"m", 1e12, 1e3, ""},
                   {.batch = 1, .context = 5, .weight_bytes = {2, 2, 2, 2, 2, 2, 1, 2}, .cache_bytes = 3});
  CHECK(one.other_bytes == 2 * (48 + 16 + 12 + 40));
  CHECK(one.expert_bytes == 2 * 36);
  CHECK(one.cache_bytes == 5 * 2 * 2 * 3);
  CHECK(one.flops ==
        2 * (48 + 16 + 40 + 72) + 2 * (2 + 2) * 2 * 5);  // and scores: 2 heads, (2 + 2) numbers, 5 tokens
  CHECK(one.limit == Limit::Memory);
  CHECK(std::abs(one.tokens_per_second - 1e3 / (232 + 72 + 60)) < 1e-12);
  const DecodeBound two = decode_bound(m, {"m", 10, 1e12, ""}, {.batch = 2, .context = 5});
  CHECK(two.expert_bytes == 3 * 36 * 2);  // U(2) = 4 (1 - 1/4) = 3
  CHECK(two.limit == Limit::Arithmetic);
  CHECK(std::abs(two.tokens_per_second - 10 / one.flops) < 1e-15);
  CHECK(error_of([&] {
          decode_bound(m, {"m", 1, 1, ""}, {.batch = 0});
        }) == "batch = 0 must lie in [1, 2^53]");
  CHECK(error_of([] { machine_called("abacus"); }).starts_with("--hw = \"abacus\" must be one of h100"));
}

TEST_CASE("roofline: a step of decoding of four devices by hand") {
  // tp 2, dp 2, ep 4: attention 48 / 2, router 16 and norms 12 whole, head 40 / 2, one expert of 36; of the norms none is on
  // another device.
  Model m = pencil();
  const DecodeSetting many{.batch = 4, .context = 5, .devices = {.tp = 2, .ep = 4, .dp = 2}};
  m.mixers = {Gqa{.heads = 2, .kv_heads = 2, .head_size = 2}};  // 64
  const DecodeBound one = decode_bound(m, {"m", 1e12, 1e3, ""}, many);
  CHECK(one.other_bytes == 2 * (32 + 16 + 12 + 20));
  // Four sequences choose of one copy of the experts: U(4) = 4 (1 - 1/16) = 3.75, a quarter on each device.
  CHECK(one.expert_bytes == 3.75 / 4 * 36 * 2);
  CHECK(one.cache_bytes == 2 * 5 * 4 * 2);  // two sequences, a head of 2 + 2
  // Two tokens meet half of the matrices; of 4 x 2 visits to experts a device has 2.
  CHECK(one.flops == 2 * (2 * (32 + 16 + 20) + 2 * (2 + 2) * 1 * 5) + 2 * 2 * 36);
  CHECK(one.tokens_per_second == 4 / ((160 + 67.5 + 80) / 1e3));
  // A context on two devices: each holds half of every cache.
  CHECK(decode_bound(m, {"m", 1, 1, ""}, {.batch = 2, .context = 6, .devices = {.cp = 2}}).cache_bytes ==
        2 * 3 * 8 * 2);
}

TEST_CASE("roofline: of a pipeline the slowest stage decides") {
  Model m = pencil();
  m.layers = {{.mixer = 0, .moe = true}, {.mixer = 0}, {.mixer = 0}};
  const DecodeSetting two{.batch = 1, .context = 0, .devices = {.pp = 3}};
  const DecodeBound slowest = decode_bound(m, {"m", 1e12, 1e3, ""}, two);
  // The first has 48 + 16 + 8 and two experts, the others 48 + 4, and the last one the head and its norm.
  CHECK(slowest.other_bytes == 2 * (48 + 16 + 8));
  CHECK(slowest.expert_bytes == 2 * 72);
  CHECK(decode_memory(m, two) == 2 * (40 + 48 + 16 + 8 + 4 * 36));
}

TEST_CASE("roofline: experts in the memory of the host by hand") {
  const Model m = pencil();
  DecodeSetting s{.batch = 2, .context = 5, .offloaded = 3, .link = 10};
  const Offload off = offload_of(m, s);
  CHECK(off.host_bytes == 3 * 36 * 2);
  CHECK(off.step_bytes == 3 * 36 * 2 * 3 / 4.0);  // three of U(2) = 3
  const Machine fast{"m", 1e12, 1e12, ""};
  const DecodeBound bound = decode_bound(m, fast, s);
  CHECK(bound.link_bytes == off.step_bytes);
  CHECK(bound.limit == Limit::Link);
  CHECK(bound.tokens_per_second == 2 / (162 / 10.0));
  DecodeSetting none = s;
  none.offloaded = 0;
  CHECK(decode_memory(m, none) - decode_memory(m, s) == off.host_bytes);
  CHECK(experts_in(0, m, 2) == 0);
  CHECK(experts_in(1, m, 2) == 1);
  CHECK(experts_in(72, m, 2) == 1);
  CHECK(experts_in(73, m, 2) == 2);
  CHECK(error_of([&] { experts_in(289, m, 2); }) ==
        "--offload = 289 must not exceed the 288 bytes of all experts");
  s.link = 0;
  CHECK(error_of([&] { decode_bound(m, fast, s); }) == "--link must be given with --offload");
  s.offloaded = 5;
  CHECK(error_of([&] { offload_of(m, s); }) == "--offload = 5 must lie in [0, experts = 4]");
}

TEST_CASE("roofline: what comes over the link agrees with 2,000 steps of uniform choices") {
  const Model m = pencil();
  const DecodeSetting s{.batch = 3, .offloaded = 3};
  std::mt19937_64 dice(11);
  double sum = 0, squares = 0;
  constexpr int kSteps = 2000;
  for (int step = 0; step < kSteps; ++step) {
    std::set<std::uint64_t> used;
    for (int token = 0; token < 3; ++token) {
      const std::uint64_t first = dice() % 4, second = (first + 1 + dice() % 3) % 4;
      used.insert(first), used.insert(second);
    }
    const double brought =
        static_cast<double>(std::count_if(used.begin(), used.end(), [](auto e) { return e < 3; }));
    sum += brought, squares += brought * brought;
  }
  const double mean = sum / kSteps, error = std::sqrt((squares / kSteps - mean * mean) / kSteps);
  CHECK(std::abs(mean - offload_of(m, s).step_bytes / 72) <= 3 * error);
}

TEST_CASE("twins: by hand") {
  const Model m = pencil();
  // 88 multiply-adds of router and experts: 12 F' is nearest at 7 (84); all 16 + 144 parameters: 13 (156)
  const Twin flops_twin = twin_of(m, Match::Flops, {}), total_twin = twin_of(m, Match::Total, {});
  CHECK(flops_twin.ffn_size == 7);
  CHECK(count(flops_twin.model).matmul == count(m).matmul - 4);
  CHECK(std::abs(flops_twin.deviation + 4.0 / 176) < 1e-15);
  CHECK(total_twin.ffn_size == 13);
  CHECK(count(total_twin.model).total == count(m).total - 4);
  // experts of one byte, a dense block of two: 2 12 F' = 144 + 2 16
  CHECK(twin_of(m, Match::Memory, {}, 2, 1).ffn_size == 7);
  // eight experts, one a token, router 32: 12 F' = 72 + 16 - 32
  const Twin eight = twin_of(m, Match::Flops, {8, 1});
  CHECK(eight.ffn_size == 5);
  CHECK(eight.model.moe->num_experts == 8);
}

TEST_CASE("twins: of the same shape it is the model itself, for every published model with experts") {
  int n = 0;
  for (const Published& p : published_models()) {
    if (!p.model.moe || p.model.moe->branches > 0) continue;
    CAPTURE(p.id);
    const Twin same = twin_of(p.model, Match::Total, {p.model.moe->num_experts, p.model.moe->top_k});
    CHECK(same.ffn_size == p.model.moe->ffn_size);
    CHECK(same.deviation == 0);
    const Twin dense = twin_of(p.model, Match::Flops, {});
    CHECK(std::abs(dense.deviation) < 1e-3);
    CHECK(count(dense.model).total < count(p.model).total);
    ++n;
  }
  CHECK(n > 50);
}

TEST_CASE("twins: what has no experts has no twin") {
  Model dense = pencil();
  dense.moe.reset();
  dense.layers = {{.mixer = 0, .dense = true}};
  dense.dense_size = 5;
  CHECK(error_of([&] { twin_of(dense, Match::Flops, {}); }) == "MODEL = pencil must have experts");
  CHECK(error_of([] { match_called("luck"); }) == "--match = \"luck\" must be one of flops, total, memory");
}
