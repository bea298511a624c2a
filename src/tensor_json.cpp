#include "moe/tensor_json.h"

#include <charconv>
#include <filesystem>

#include "moe/encode.h"
#include "moe/tensors.h"

namespace moe {
namespace {

constexpr Index kInline = 4096, kBase64 = 65536, kDrawn = Index{1} << 26;

Json numbers(const Array& a) {
  Json data = Json::array();
  for (Index i = 0; i < a.size(); ++i) {
    if (!is_real(a.format))
      data.push_back(a.integer(i));
    else if (std::isfinite(a.real(i)))
      data.push_back(a.real(i));
    else
      data.push_back(std::isnan(a.real(i)) ? "NaN" : a.real(i) > 0 ? "Infinity" : "-Infinity");
  }
  return data;
}

std::string hex(std::uint64_t value) {
  char digits[17];
  const char* end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return "0x" + std::string(static_cast<std::size_t>(16 - (end - digits)), '0') +
         std::string(static_cast<const char*>(digits), end);
}

Json recipe_json(const Recipe& r) {
  return {{"rng", "philox4x32-10"},
          {"seed", hex(r.stream.seed)},
          {"tensor", r.stream.tensor},
          {"case", r.stream.case_number},
          {"bits", 8},
          {"scaleLog2", -r.shift}};
}

/// The JSON of one array, read with the errors that name it.
class Reader {
 public:
  Reader(const std::string& name, const Json& json, const std::string& document)
      : name_(name), json_(json), document_(document) {}

  Array shape() {
    if (!json_.is_object()) refuse("must be an object");
    Array a{format(), dims(), {}, recipe()};
    if (a.recipe && a.format != Format::BF16) refuse("must have dtype bf16, which is what recipes make");
    return a;
  }
  Array array() {
    Array a = shape();
    if (json_.contains("data")) {
      read_numbers(json_["data"], a);
    } else if (json_.contains("b64")) {
      a.bytes = from_base64(text(json_, "b64"), where("b64"));
    } else if (json_.contains("file")) {
      const auto beside = std::filesystem::path(document_).parent_path() /
                          std::filesystem::path(text(json_, "file")).filename();
      const Array loaded =
          SafetensorsFile(beside.string()).load(json_.contains("tensor") ? text(json_, "tensor") : name_);
      if (loaded.format != a.format || loaded.dims != a.dims)
        refuse("must be in " + beside.string() + " with this dtype and shape");
      a.bytes = loaded.bytes;
    } else {
      if (!a.recipe) refuse("must have data, b64, file or recipe");
      check_sum(a);
      return a;
    }
    if (a.bytes.size() != static_cast<std::size_t>(a.size() * info_of(a.format).bytes))
      refuse("must hold as many elements as its shape");
    if (a.recipe && materialized({a.format, a.dims, {}, a.recipe}).bytes != a.bytes)
      refuse("must have the elements that its recipe makes");
    check_sum(a);
    return a;
  }

 private:
  void check_sum(const Array& a) const {
    if (!json_.contains("sha256")) return;
    if (a.bytes.empty() && a.size() > kDrawn)
      refuse("must have no sha256 where it has a recipe of more than 67108864 elements");
    if (json_["sha256"] != sha256(materialized(a).bytes)) refuse("must have the sha256 that it states");
  }
  std::string where(const std::string& part) const { return document_ + ": " + name_ + '.' + part; }
  [[noreturn]] void refuse(const std::string& rule) const {
    throw Error(name_, document_ + ": " + name_ + ' ' + rule);
  }
  std::string text(const Json& json, const char* key) const {
    if (!json.contains(key) || !json[key].is_string()) refuse(std::string("must have a string ") + key);
    return json[key];
  }
  std::int64_t whole(const Json& json) const {
    if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX))
      refuse("must have whole numbers where it has " + shown(json));
    return json;
  }

  Format format() const {
    const std::string dtype = text(json_, "dtype");
    for (std::size_t i = 0; i < kFormats.size(); ++i)
      if (dtype == kFormats.at(i).name) return static_cast<Format>(i);
    refuse("must have a dtype of f64, f32, f16, bf16, i32, i64, u8, not " + dtype);
  }
  Dims dims() const {
    Dims dims;
    if (!json_.contains("shape") || !json_["shape"].is_array()) refuse("must have a shape");
    for (const Json& size : json_["shape"]) {
      dims.push_back(whole(size));
      if (dims.back() < 0) refuse("must have sizes of at least 0");
    }
    if (product(dims, where("shape")) > INT64_MAX / 8) refuse("must fit memory");
    return dims;
  }
  std::optional<Recipe> recipe() const {
    if (!json_.contains("recipe")) return std::nullopt;
    const Json& r = json_["recipe"];
    const std::string seed = r.is_object() ? text(r, "seed") : "";
    Recipe recipe{};
    const char* end = seed.data() + seed.size();
    const auto [stop, error] =
        std::from_chars(seed.data() + std::min<std::size_t>(2, seed.size()), end, recipe.stream.seed, 16);
    const bool known = r.is_object() && r.value("rng", Json()) == "philox4x32-10" &&
                       r.value("bits", Json()) == 8 && seed.starts_with("0x") && stop == end &&
                       error == std::errc();
    if (!known) refuse("must have a recipe of philox4x32-10 with 8 bits and a seed in hexadecimal");
    const auto number = [&](const char* key, std::int64_t least, std::int64_t most) {
      const std::int64_t value = whole(r.value(key, Json()));
      if (value < least || value > most)
        refuse(std::string("must have a recipe with ") + key + " in [" + std::to_string(least) + ", " +
               std::to_string(most) + "], not " + std::to_string(value));
      return value;
    };
    recipe.stream.tensor = static_cast<std::uint32_t>(number("tensor", 0, UINT32_MAX));
    recipe.stream.case_number = static_cast<std::uint32_t>(number("case", 0, UINT32_MAX));
    recipe.shift = -static_cast<int>(number("scaleLog2", -100, 100));
    return recipe;
  }

  void read_numbers(const Json& data, Array& a) const {
    if (!data.is_array() || static_cast<Index>(data.size()) != a.size())
      refuse("must hold as many elements as its shape");
    const auto append = [&](auto value) {
      const auto* bytes = reinterpret_cast<const std::byte*>(&value);
      a.bytes.insert(a.bytes.end(), bytes, bytes + sizeof value);
    };
    for (const Json& item : data) {
      switch (a.format) {
        case Format::I32:
          append(static_cast<std::int32_t>(whole(item)));
          break;
        case Format::I64:
          append(whole(item));
          break;
        case Format::U8:
          append(static_cast<std::uint8_t>(whole(item)));
          break;
        case Format::F64:
          append(real(item));
          break;
        case Format::F32:
          append(nearest<float>(item, 24, -126));
          break;
        case Format::F16:
          append(nearest<Eigen::half>(item, 11, -14));
          break;
        case Format::BF16:
          append(nearest<Eigen::bfloat16>(item, 8, -126));
          break;
      }
      const Index last = static_cast<Index>(a.bytes.size()) / info_of(a.format).bytes - 1;
      const bool kept = is_real(a.format) ? std::isfinite(a.real(last)) || !std::isfinite(real(item))
                                          : a.integer(last) == whole(item);
      if (!kept) refuse("must hold numbers in the range of its dtype, not " + shown(item));
    }
  }
  /// What a decimal stands for: the number of the format that is nearest. Programs print no more digits than tell it apart.
  template <typename Float>
  Float nearest(const Json& item, int digits, int low) const {
    const double x = real(item);
    return static_cast<Float>(static_cast<float>(std::isfinite(x) ? rounded(x, digits, low) : x));
  }
  double real(const Json& item) const {
    if (item == "NaN") return std::nan("");
    if (item == "Infinity") return HUGE_VAL;
    if (item == "-Infinity") return -HUGE_VAL;
    if (!item.is_number()) refuse("must hold numbers, not " + shown(item));
    return item;
  }

  const std::string& name_;
  const Json& json_;
  const std::string& document_;
};

}  // namespace

Json TensorWriter::operator()(const std::string& name, const Array& array) {
  const Array a = array.bytes.empty() && array.size() > kDrawn ? array : materialized(array);
  Json json{{"dtype", info_of(a.format).name}, {"shape", a.dims}};
  if (const auto id = tensor_called(name)) json["axes"] = axes_of(info_of(*id));
  if (a.size() <= kInline)
    json["data"] = numbers(a);
  else if (a.size() <= kBase64)
    json["b64"] = base64(a.bytes);
  else if (!a.recipe)
    json["file"] = sidecar_, json["tensor"] = prefix_ + name, large_.emplace_back(prefix_ + name, a);
  if (a.recipe) json["recipe"] = recipe_json(*a.recipe);
  if (a.size() == 0 || !a.bytes.empty()) json["sha256"] = sha256(a.bytes);
  return json;
}

Array array_from_json(const std::string& name, const Json& json, const std::string& document) {
  return Reader(name, json, document).array();
}

Array shape_from_json(const std::string& name, const Json& json, const std::string& document) {
  return Reader(name, json, document).shape();
}

}  // namespace moe
