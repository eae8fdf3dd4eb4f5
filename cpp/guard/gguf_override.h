// Metadata values given by the operator that replace those of a file. They are laid over the header
// before it is judged, so that a value which the loader would assert on is refused wherever it
// comes from.
// Thread rule: pure functions and values. Covered by tests/cpp/gguf_override_test.cpp.
#pragma once

#include "guard/gguf_header.h"

#include <cstdint>
#include <span>
#include <string>
#include <variant>

namespace llamabox {

// llama.cpp holds a key and a string value in fields of 128 bytes, the last one a zero.
inline constexpr std::size_t kMaxOverrideBytes = 127;

struct GgufOverride {
  std::string key;
  std::variant<bool, std::int64_t, double, std::string> value;
};

// ERRORS: Error(kLoadFailed, "override-kv") names the key when the model cannot have it, when it
// has another type there, or when the value does not fit.
void apply_overrides(GgufHeader &header, std::span<const GgufOverride> overrides);

} // namespace llamabox
