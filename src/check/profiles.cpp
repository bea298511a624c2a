#include "moe/budget.h"
#include "moe/file.h"
#include "moe/nearest.h"

namespace moe {
namespace {

struct NamedPrecision {
  const char* name = nullptr;
  Precision precision;
};
constexpr std::array<NamedPrecision, 5> kNamedPrecisions{
    {{"f64", kBinary64}, {"f32", kBinary32}, {"tf32", kTf32}, {"bf16", kBfloat16}, {"f16", kBinary16}}};

Profile any_order(std::string name, std::string words, Precision p) {
  Profile profile;
  profile.name = std::move(name), profile.words = std::move(words);
  profile.inside = profile.result = p;
  return profile;
}

/// The tensors of the table that `which` holds of.
template <typename Which>
void set(Profile::OfTensors& all, const Precision& p, Which which) {
  for (const TensorInfo& info : kTensors)
    if (which(info)) all[static_cast<std::size_t>(info.id)] = p;
}
void set_kept(Profile::OfTensors& all, const Precision& p, KeptAs kept_as) {
  set(all, p, [&](const TensorInfo& info) { return info.kept_as == kept_as; });
}

/// R0 to R3: each has the roundings of the one before, and more.
std::vector<Profile> rungs(const std::string& prefix, const std::string& format, const Precision& p) {
  std::vector<Profile> all;
  const auto add = [&](const char* name, const std::string& words) -> Profile& {
    Profile profile = all.empty() ? any_order("", "", kBinary32) : all.back();
    profile.name = prefix + name, profile.words = format + words;
    return all.emplace_back(std::move(profile));
  };
  set_kept(add("_store_fp32_acc", " stored with f32 sums").store, p, KeptAs::AsActivation);
  set_kept(add("_store_router", " stored with f32 sums, logits and weights of the router, too").store, p,
           KeptAs::AsRouter);
  Profile& several =
      add("_round_elementwise",
          " stored with f32 sums, and rounded by each product of the GLU, sum of the combine and "
          "step of the losses and of the gradients of activations");
  set(several.operators, p, [](const TensorInfo& info) { return info.steps == Steps::Several; });
  set_kept(several.store, p, KeptAs::AsLoss);
  add("_every_op", ", every operation rounded").result = p;
  return all;
}

Profile tf32_gemm() {
  Profile profile = any_order("tf32_gemm", "f32, with the factors of matrix products cut to tf32", kBinary32);
  profile.operands = kTf32;
  return profile;
}

const char* name_of(const Precision& p) {
  for (const auto& [name, known] : kNamedPrecisions)
    if (known.bits == p.bits && known.low == p.low) return name;
  return "exact";
}

Precision precision_called(const Json& json, const std::string& where) {
  for (const auto& [name, known] : kNamedPrecisions)
    if (json == name) return known;
  throw Error(where, where + " = " + shown(json) + " must be one of f64, f32, tf32, bf16, f16");
}

Tensor tensor_to_set(const std::string& name, const std::string& where) {
  if (const auto id = tensor_called(name)) return *id;
  throw Error(where, where + '.' + name + " is not the name of a tensor");
}

}  // namespace

const std::vector<Profile>& profiles() {
  static const std::vector<Profile> all = [] {
    std::vector<Profile> list{any_order("fp64_any_order", "f64", kBinary64),
                              any_order("fp32_any_order", "f32", kBinary32), tf32_gemm()};
    for (const Format narrow : {Format::BF16, Format::F16})
      for (const Profile& rung : ladder(narrow)) list.push_back(rung);
    return list;
  }();
  return all;
}

const std::vector<Profile>& ladder(Format format) {
  static const std::vector<Profile> bf16 = rungs("bf16", "bf16", kBfloat16),
                                    f16 = rungs("fp16", "f16", kBinary16),
                                    f32{any_order("fp32_any_order", "f32", kBinary32)},
                                    f64{any_order("fp64_any_order", "f64", kBinary64)};
  return format == Format::BF16 ? bf16 : format == Format::F16 ? f16 : format == Format::F64 ? f64 : f32;
}

const Profile& profile_called(const std::string& name) {
  std::vector<std::string> names;
  for (const Profile& profile : profiles()) {
    if (profile.name == name) return profile;
    names.push_back(profile.name);
  }
  throw Error("--profile", "--profile = " + shown(name) + " must be one of " + enumerated(names) +
                               ", or a JSON file" + did_you_mean(name, names));
}

Profile load_profile(const std::string& name) {
  if (!name.ends_with(".json")) return profile_called(name);
  Profile profile = profile_from_json(parse_json(read_text(name), name), name);
  for (const Profile& known : profiles())
    if (profile.name == known.name)
      throw Error("name",
                  name + ": name = " + shown(profile.name) + " must not be that of a built-in profile");
  if (profile.name.empty()) profile.name = name;
  profile.words = "of profile " + profile.name;
  return profile;
}

const Profile& profile_for(Format format) { return ladder(format).front(); }

Precision precision_of(Format format) {
  switch (format) {
    case Format::F64:
      return kBinary64;
    case Format::F32:
      return kBinary32;
    case Format::BF16:
      return kBfloat16;
    case Format::F16:
      return kBinary16;
    default:
      return {};
  }
}

Json profile_to_json(const Profile& profile) {
  Json json{{"name", profile.name},
            {"inside", name_of(profile.inside)},
            {"result", name_of(profile.result)},
            {"flush", profile.flush},
            {"function", {{"ulps", profile.function_ulps}, {"slope", profile.function_slope}}},
            {"store", Json::object()},
            {"operators", Json::object()}};
  if (profile.operands.bits > 0) json["operands"] = name_of(profile.operands);
  for (std::size_t i = 0; i < kTensors.size(); ++i) {
    if (profile.store[i].bits > 0) json["store"][kTensors[i].name] = name_of(profile.store[i]);
    if (profile.operators[i].bits > 0) json["operators"][kTensors[i].name] = name_of(profile.operators[i]);
  }
  return json;
}

Profile profile_from_json(const Json& json, const std::string& document) {
  if (!json.is_object()) throw Error("profile", document + ": a profile must be an object");
  Profile profile;
  const auto number = [&](const std::string& key, const Json& value) {
    if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 1e6)
      throw Error(key, document + ": " + key + " = " + shown(value) + " must be a number in [0, 1000000]");
    return value.get<double>();
  };
  for (const auto& [key, value] : json.items()) {
    if (key == "name" && value.is_string()) {
      profile.name = value;
    } else if (key == "inside") {
      profile.inside = precision_called(value, document + ": inside");
    } else if (key == "result") {
      profile.result = precision_called(value, document + ": result");
    } else if (key == "operands") {
      profile.operands = precision_called(value, document + ": operands");
    } else if (key == "flush" && value.is_boolean()) {
      profile.flush = value;
    } else if (key == "function" && value.is_object()) {
      for (const auto& [part, units] : value.items()) {
        if (part != "ulps" && part != "slope")
          throw Error(part, document + ": function." + part + " is not a field of a profile");
        (part == "ulps" ? profile.function_ulps : profile.function_slope) = number("function." + part, units);
      }
    } else if ((key == "store" || key == "operators") && value.is_object()) {
      for (const auto& [tensor, format] : value.items())
        (key == "store"
             ? profile.store
             : profile.operators)[static_cast<std::size_t>(tensor_to_set(tensor, document + ": " + key))] =
            precision_called(format, document + ": " + key + '.' + tensor);
    } else {
      throw Error(key, document + ": " + key + " = " + shown(value) +
                           " is not a field of a profile, or of another type");
    }
  }
  const auto within = [&](const std::string& field, const Precision& p) {
    if (p.bits > profile.inside.bits)
      throw Error(field, document + ": " + field + " = " + name_of(p) +
                             " must not be finer than inside = " + name_of(profile.inside));
  };
  within("result", profile.result);
  for (std::size_t i = 0; i < kTensors.size(); ++i)
    within(std::string("operators.") + kTensors[i].name, profile.operators[i]);
  return profile;
}

}  // namespace moe
