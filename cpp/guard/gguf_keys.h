// The keys of a file's own architecture ("llama.block_count"), read with their types checked; what
// is wrong with one is said in a sentence that names file and key.
// Thread rule: pure functions; GgufKeys refers to a header that must outlive it.
// ERRORS: Error(kLoadFailed) where a key has another type or a value out of range.
// Covered by tests/cpp/gguf_model_rules_test.cpp.
#pragma once

#include "guard/gguf_header.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

// The value of a u32 key, or nothing when the file has no such key.
std::optional<std::uint64_t> optional_u32(const GgufHeader &header, const std::string &key);

// The value of a string key, or an empty string.
std::string optional_text(const GgufHeader &header, const std::string &key);

// The architecture's name; refused when it is missing or no plain word.
std::string gguf_architecture(const GgufHeader &header);

class GgufKeys {
public:
  explicit GgufKeys(const GgufHeader &header);

  const GgufHeader &header() const { return header_; }
  const std::string &architecture() const { return architecture_; }
  std::string name(std::string_view suffix) const;

  [[noreturn]] void refuse(std::string_view suffix, const std::string &what) const;

  std::string text(std::string_view suffix) const;
  std::optional<std::uint64_t> find(std::string_view suffix) const;
  std::uint64_t value_or(std::string_view suffix, std::uint64_t fallback) const;

  // A value that must be there.
  std::uint32_t required(std::string_view suffix, std::uint64_t limit) const;

  // One value per layer: a scalar repeated, an array of exactly n_layers, or nothing when absent.
  std::vector<std::uint64_t> per_layer(std::string_view suffix, std::uint32_t n_layers) const;

  void check_range(std::string_view suffix, std::uint64_t value, std::uint64_t low,
                   std::uint64_t high) const;
  void check_optional(std::string_view suffix, std::uint64_t low, std::uint64_t high) const;
  void check_float(std::string_view suffix, bool may_be_zero) const;

private:
  const GgufHeader &header_;
  std::string architecture_;
};

} // namespace llamabox
