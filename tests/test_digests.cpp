#include <map>

#include "moe/digests.h"
#include "moe/encode.h"
#include "moe/file.h"
#include "support.h"

using namespace moe;

TEST_CASE("digests: what is stored is what balls prove, for a sample of cases") {
  const std::string path = MOE_ROOT "/golden/exact/digests.json";
  const Json json = parse_json(read_text(path), path);
  CHECK(json["numberOfCases"] == kDigestCases);
  for (Index n = 7; n < kDigestCases; n += 499) {
    CAPTURE(n);
    const GoldenCase c = digest_case(n);
    const ProvenCase proof = prove(c);  // it compares exact arithmetic with balls
    std::vector<std::string> names{"y"};
    for (const InputInfo& info : inputs_of(config_from_json(c.config)))
      if (info.id != Tensor::dy) names.push_back(std::string("grad.") + name_of(info.id));
    std::vector<std::byte> bytes;
    int bits = 0;
    for (const std::string& name : names) {
      const std::vector<std::byte>& more = tensor_in(proof.certified->arrays, name).bytes;
      bytes.insert(bytes.end(), more.begin(), more.end());
      for (const ExactTensor& e : proof.exact)
        if (e.name == name) bits = std::max(bits, e.need.bits);
    }
    const Json& group = json["groups"][static_cast<std::size_t>(n / 1000)];
    const auto place = static_cast<std::size_t>(n % 1000);
    CHECK(sha256(bytes).substr(0, 16) == group["cases"].get<std::string>().substr(16 * place, 16));
    CHECK(group["bits"][place] == bits);
  }
  int most = 0;
  for (const Json& group : json["groups"])
    for (const Json& bits : group["bits"]) most = std::max(most, bits.get<int>());
  CHECK(most <= 24);
  CHECK(most > 11);
}

TEST_CASE("digests: ids name cases, and nothing else does") {
  CHECK(digest_case(123).id == "exact/digest-000123");
  CHECK(digest_number("exact/digest-000123") == 123);
  CHECK(digest_number("exact/digest-009999") == 9999);
  for (const char* other : {"exact/digest-010000", "exact/digest-123", "exact/digest-00012x", "exact/digest-",
                            "exact/identity", ""}) {
    CAPTURE(other);
    CHECK(!digest_number(other));
  }
}

TEST_CASE("digests: the cases reach every choice that the recipe has") {
  std::map<std::string, int> seen;
  for (Index n = 0; n < 400; ++n) {
    const Json config = digest_case(n).config;
    for (const char* section : {"shape", "router", "capacity", "experts", "shared"})
      for (const auto& [key, value] : config[section].items()) ++seen[key + '=' + value.dump()];
  }
  for (const char* choice : {"num_tokens=1",
                             "num_tokens=12",
                             "hidden_size=5",
                             "hidden_size=12",
                             "ffn_size=1",
                             "ffn_size=8",
                             "num_experts=1",
                             "num_experts=16",
                             "top_k=1",
                             "top_k=2",
                             "top_k=4",
                             "glu=true",
                             "glu=false",
                             "activation=\"identity\"",
                             "activation=\"relu\"",
                             "activation=\"relu2\"",
                             "bias=\"per_expert\"",
                             "mode=\"add\"",
                             "mode=\"fixed\"",
                             "fixed=0",
                             "order=\"choice_major\"",
                             "order=\"token_major\"",
                             "dropped_output=\"identity\"",
                             "renorm_stage=\"after_drop\"",
                             "renorm_stage=\"before_drop\""}) {
    CAPTURE(std::string(choice));
    CHECK(seen[choice] > 0);
  }
}
