#include "guard/gguf_keys.h"

#include "guard/gguf_file.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>

namespace llamabox {
namespace {

constexpr std::size_t kMaxArchitectureChars = 64;

} // namespace

std::optional<std::uint64_t> optional_u32(const GgufHeader &header, const std::string &key) {
  const GgufValue *value = header.find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (value->type != GgufValueType::kUint32) {
    refuse_gguf(header.path, "key " + quote_name(key) + " must be of type u32, it is " +
                                 std::string(gguf_value_type_name(value->type)));
  }
  return value->bits;
}

std::string optional_text(const GgufHeader &header, const std::string &key) {
  const GgufValue *value = header.find(key);
  if (value == nullptr) {
    return {};
  }
  if (value->type != GgufValueType::kString) {
    refuse_gguf(header.path, "key " + quote_name(key) + " must be a string, it is of type " +
                                 std::string(gguf_value_type_name(value->type)));
  }
  return value->text;
}

std::string gguf_architecture(const GgufHeader &header) {
  if (header.find("general.architecture") == nullptr) {
    refuse_gguf(header.path, "key 'general.architecture' is missing");
  }
  const std::string name = optional_text(header, "general.architecture");
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (name.empty() || name.size() > kMaxArchitectureChars || !plain) {
    refuse_gguf(header.path,
                "key 'general.architecture' is " + quote_name(name) + ", which is no name");
  }
  return name;
}

GgufKeys::GgufKeys(const GgufHeader &header)
    : header_(header), architecture_(gguf_architecture(header)) {}

std::string GgufKeys::name(std::string_view suffix) const {
  return std::string(architecture_).append(".").append(suffix);
}

void GgufKeys::refuse(std::string_view suffix, const std::string &what) const {
  refuse_gguf(header_.path, "key " + quote_name(name(suffix)) + " " + what);
}

std::optional<std::uint64_t> GgufKeys::find(std::string_view suffix) const {
  return optional_u32(header_, name(suffix));
}

std::uint64_t GgufKeys::value_or(std::string_view suffix, std::uint64_t fallback) const {
  return find(suffix).value_or(fallback);
}

std::uint32_t GgufKeys::required(std::string_view suffix, std::uint64_t limit) const {
  const std::optional<std::uint64_t> value = find(suffix);
  if (!value) {
    refuse(suffix, "is missing, so it is not a text model");
  }
  check_range(suffix, *value, 1, limit);
  return static_cast<std::uint32_t>(*value);
}

void GgufKeys::check_range(std::string_view suffix, std::uint64_t value, std::uint64_t low,
                           std::uint64_t high) const {
  if (value < low || value > high) {
    refuse(suffix, "is " + std::to_string(value) + ", it must be from " + std::to_string(low) +
                       " to " + std::to_string(high));
  }
}

void GgufKeys::check_optional(std::string_view suffix, std::uint64_t low,
                              std::uint64_t high) const {
  if (const std::optional<std::uint64_t> value = find(suffix)) {
    check_range(suffix, *value, low, high);
  }
}

std::vector<std::uint64_t> GgufKeys::per_layer(std::string_view suffix,
                                               std::uint32_t n_layers) const {
  const GgufValue *value = header_.find(name(suffix));
  if (value == nullptr) {
    return {};
  }
  if (value->type != GgufValueType::kArray) {
    return std::vector<std::uint64_t>(n_layers, find(suffix).value_or(0));
  }
  if (value->element_type != GgufValueType::kUint32 &&
      value->element_type != GgufValueType::kInt32) {
    refuse(suffix, "must hold numbers of type u32 or i32");
  }
  if (value->length != n_layers) {
    refuse(suffix, "has " + std::to_string(value->length) + " values for " +
                       std::to_string(n_layers) + " layers");
  }
  GgufFile file(header_.path);
  file.seek(value->position);
  std::vector<std::uint64_t> values(n_layers);
  for (std::uint64_t &entry : values) {
    entry = file.read_u32("the array of key " + quote_name(name(suffix)));
  }
  return values;
}

void GgufKeys::check_float(std::string_view suffix, bool may_be_zero) const {
  const GgufValue *value = header_.find(name(suffix));
  if (value == nullptr) {
    return;
  }
  if (value->type != GgufValueType::kFloat32) {
    refuse(suffix, "must be of type f32, it is " + std::string(gguf_value_type_name(value->type)));
  }
  const float number = std::bit_cast<float>(static_cast<std::uint32_t>(value->bits));
  if (!std::isfinite(number) || number < 0.0F || (number == 0.0F && !may_be_zero)) {
    refuse(suffix, "is not a usable number (" + std::to_string(number) + ")");
  }
}

std::string GgufKeys::text(std::string_view suffix) const {
  return optional_text(header_, name(suffix));
}

} // namespace llamabox
