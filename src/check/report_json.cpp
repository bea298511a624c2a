#include <map>

#include "moe/report.h"

namespace moe {
namespace {

Json real(double x) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x > 0 ? "Infinity" : "-Infinity";
  return x;
}
Json reals(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double x : values) list.push_back(real(x));
  return list;
}

/// Text of the candidate: bytes that are not UTF-8 become U+FFFD.
Json text(const std::string& bytes) {
  return Json::parse(Json(bytes).dump(-1, ' ', false, Json::error_handler_t::replace));
}
Json texts(const std::vector<std::string>& all) {
  Json list = Json::array();
  for (const std::string& s : all) list.push_back(text(s));
  return list;
}

const char* name_of(Certainty certainty) {
  constexpr std::array names{"certain", "ambiguous", "tie"};
  return names[static_cast<std::size_t>(certainty)];
}

Json index_of(const Dims& dims, Index i) {
  Dims index(dims.size());
  for (std::size_t d = dims.size(); d-- > 0; i /= dims[d]) index[d] = i % dims[d];
  return index;
}

Json routing_json(const RoutingVerdict& routing) {
  Json json{{"status", name_of(routing.status)}, {"reason", text(routing.reason)}};
  json["tokens"] = routing.tokens.size();
  for (const Certainty known : {Certainty::Certain, Certainty::Ambiguous, Certainty::Tie})
    json[name_of(known)] = std::count_if(routing.tokens.begin(), routing.tokens.end(),
                                         [&](const TokenRouting& t) { return t.certainty == known; });
  json["disagreeing"] = Json::array();
  for (std::size_t t = 0; t < routing.tokens.size(); ++t) {
    const TokenRouting& token = routing.tokens[t];
    if (token.agrees && token.admissible) continue;
    json["disagreeing"].push_back({{"token", t},
                                   {"certainty", name_of(token.certainty)},
                                   {"admissible", token.admissible},
                                   {"margin", real(token.margin)},
                                   {"bound", real(token.bound)},
                                   {"expected", token.expected},
                                   {"got", token.got}});
  }
  return json;
}

Json tensor_json(const Places& places, const TensorVerdict& v) {
  Json json{{"name", text(v.name)},
            {"status", name_of(v.status)},
            {"reason", text(v.reason)},
            {"isolated", v.isolated},
            {"dtype", info_of(v.format).name},
            {"shape", v.dims},
            {"numbers", v.numbers},
            {"judged", v.judged},
            {"tested", v.tested}};
  if (v.worst >= 0) {
    const Place place = places.of(v, v.worst);
    json["worst"] = index_of(v.dims, v.worst);
    if (place.token >= 0) json["token"] = place.token;
    if (place.expert >= 0) json["expert"] = place.expert;
    json["got"] = real(v.got), json["expected"] = real(v.expected);
  }
  if (!worst_ratio(v)) return json;
  json["hardRatio"] = real(v.hard_ratio);
  json["zRms"] = real(v.z_rms), json["zMax"] = real(v.z_max);
  if (v.z_worst >= 0) json["zWorst"] = index_of(v.dims, v.z_worst);
  json["slopeZ"] = real(v.slope_z), json["rowRms"] = real(v.row_rms);
  if (v.row_worst >= 0) json["rowWorst"] = v.row_worst;
  json["validatedBits"] = real(v.validated_bits), json["zeros"] = real(v.zeros);
  json["ulps"] = v.ulps, json["rowRatio"] = reals(v.row_ratio);
  return json;
}

Json worst_json(const Worst& worst) {
  return {{"tensor", text(worst.tensor)}, {"id", text(worst.id)}, {"hardRatio", real(worst.ratio)}};
}

Json arithmetic_json(const FoundArithmetic& found) {
  Json json{{"dtype", found.format},
            {"profile", found.profile},
            {"status", name_of(found.status)},
            {"cases", found.cases},
            {"words", text(arithmetic_text(found))}};
  if (!found.strictest.empty())
    json["strictest"] = {
        {"words", found.strictest}, {"failing", found.failing}, {"worst", worst_json(found.worst)}};
  if (!found.unseen) return json;
  const Unseen& u = *found.unseen;
  json["unseen"] = {{"id", text(u.id)},
                    {"mistakes", u.mistakes},
                    {"passing", texts(u.passing)},
                    {"next", texts(u.next)},
                    {"seenByNext", u.seen_by_next}};
  return json;
}

Json case_json(const CaseVerdict& c) {
  Json json{{"id", text(c.id)},
            {"status", name_of(c.status)},
            {"reason", text(c.reason)},
            {"profile", text(c.profile)}};
  if (c.declined) json["declined"] = true;
  if (c.strictest) json["strictest"] = worst_json(*c.strictest);
  if (c.routing) json["routing"] = routing_json(*c.routing);
  const Places places(c);
  json["tensors"] = Json::array();
  for (const TensorVerdict& v : c.tensors) json["tensors"].push_back(tensor_json(places, v));
  json["missing"] = texts(c.missing), json["unknown"] = texts(c.unknown);
  return json;
}

}  // namespace

Json report_json(const CheckReport& report) {
  Json json{{"format", "moe-check"},
            {"formatVersion", "1.0.0"},
            {"command", text(report.command)},
            {"candidate", text(report.candidate)},
            {"status", name_of(status_of(report))},
            {"numberOfCases", report.cases.size()}};
  const auto counts = counts_of(report);
  for (std::size_t s = 0; s < kStatuses; ++s) json["counts"][name_of(static_cast<Status>(s))] = counts[s];
  std::map<std::string, Index> profiles;  // of how many cases
  for (const CaseVerdict& c : report.cases)
    if (!c.profile.empty()) profiles[c.profile] += 1;
  json["profiles"] = Json::object();
  for (const auto& [name, n] : profiles) json["profiles"][name] = n;
  json["arithmetic"] = Json::array();
  for (const FoundArithmetic& found : report.found) json["arithmetic"].push_back(arithmetic_json(found));
  // Bucket b of every tensor's "ulps" counts distances from ulpBuckets[b] to below ulpBuckets[b + 1].
  for (std::size_t b = 0; b < kUlpBuckets; ++b)
    json["ulpBuckets"].push_back(b == 0 ? 0 : Index{1} << (b - 1));
  json["cases"] = Json::array();
  for (const CaseVerdict& c : report.cases) json["cases"].push_back(case_json(c));
  return json;
}

}  // namespace moe
