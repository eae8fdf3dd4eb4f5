#include "guard/gguf_override.h"

#include "base/error.h"
#include "guard/gguf_file.h"
#include "guard/gguf_keys.h"

#include <bit>
#include <limits>

namespace llamabox {
namespace {

[[noreturn]] void refuse(const std::string &key, const std::string &what) {
  throw Error(ErrorCode::kLoadFailed, "override-kv: key " + quote_name(key) + " " + what,
              "override-kv");
}

GgufValue replacement(const std::string &key, bool value) {
  static_cast<void>(key);
  return {.type = GgufValueType::kBool, .bits = value ? 1U : 0U};
}

// The loader reads every whole number of a model as 32 bits without a sign.
GgufValue replacement(const std::string &key, std::int64_t value) {
  if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
    refuse(key, "cannot be " + std::to_string(value) + ": it must be from 0 to 4294967295");
  }
  return {.type = GgufValueType::kUint32, .bits = static_cast<std::uint64_t>(value)};
}

GgufValue replacement(const std::string &key, double value) {
  static_cast<void>(key);
  return {.type = GgufValueType::kFloat32,
          .bits = std::bit_cast<std::uint32_t>(static_cast<float>(value))};
}

GgufValue replacement(const std::string &key, const std::string &value) {
  if (value.size() > kMaxOverrideBytes) {
    refuse(key, "has a text of more than 127 bytes");
  }
  return {.type = GgufValueType::kString, .text = value, .length = value.size()};
}

} // namespace

void apply_overrides(GgufHeader &header, std::span<const GgufOverride> overrides) {
  for (const GgufOverride &override : overrides) {
    const std::string &key = override.key;
    const std::string own = gguf_architecture(header) + ".";
    const bool is_read = key.starts_with("tokenizer.ggml.") || key.starts_with(own);
    if (key.empty() || key.size() > kMaxOverrideBytes || !is_read) {
      refuse(key, "is none that this model reads; such keys begin with 'tokenizer.ggml.' or '" +
                      own + "'");
    }
    GgufValue value =
        std::visit([&key](const auto &given) { return replacement(key, given); }, override.value);
    const GgufValue *present = header.find(key);
    if (present != nullptr && present->type != value.type) {
      refuse(key, "is of type " + std::string(gguf_value_type_name(present->type)) + ", not " +
                      std::string(gguf_value_type_name(value.type)));
    }
    header.values.insert_or_assign(key, std::move(value));
  }
}

} // namespace llamabox
