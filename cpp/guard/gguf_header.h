// Reads and checks the header of any GGUF file (text model, projector, adapter, control vector):
// the format itself, and the limits that keep a hostile file from making a loader allocate or
// compute wildly. What a text model needs beyond this is in gguf_model_rules.h and
// gguf_vocab_rules.h. Arrays are not held in memory: a value keeps where its elements stand.
// Thread rule: pure functions and values. Covered by tests/cpp/gguf_check_test.cpp.
#pragma once

#include "guard/gguf_types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace llamabox {

inline constexpr std::uint64_t kGgufMaxKeys = 65'536;
inline constexpr std::uint64_t kGgufMaxTensors = 65'536;
inline constexpr std::uint64_t kGgufMaxStringBytes = std::uint64_t{16} << 20U;
inline constexpr std::uint64_t kGgufMaxKeyBytes = 65'535;
inline constexpr std::uint64_t kGgufMaxTensorNameBytes = 63;
inline constexpr std::uint32_t kGgufMaxDims = 4;
inline constexpr std::uint32_t kGgufMinAlignment = 8;
inline constexpr std::uint32_t kGgufMaxAlignment = 65'536;
// A loader holds the metadata in memory, a string array at four times its size in the file; these
// two keep that small beside any model that can be served.
inline constexpr std::uint64_t kGgufMaxArrayLength = std::uint64_t{1} << 24U;
inline constexpr std::uint64_t kGgufMaxMetadataBytes = std::uint64_t{256} << 20U;

struct GgufValue {
  GgufValueType type = GgufValueType::kUint8;
  std::uint64_t bits = 0; // a scalar's bytes, zero-extended
  std::string text;       // a string's first bytes (at most 256, enough for every name we read)
  GgufValueType element_type = GgufValueType::kUint8; // arrays only
  std::uint64_t length = 0;                           // elements of an array, bytes of a string
  std::uint64_t position = 0;                         // byte in the file where the contents begin

  bool is_array_of(GgufValueType element) const {
    return type == GgufValueType::kArray && element_type == element;
  }
};

struct GgufTensor {
  std::string name;
  std::uint32_t n_dims = 0;
  std::array<std::uint64_t, kGgufMaxDims> dims{1, 1, 1, 1}; // fastest first, 1 beyond n_dims
  const GgmlTypeInfo *type = nullptr;                       // never null after reading
  std::uint64_t offset = 0;                                 // from the start of the data section
  std::uint64_t n_bytes = 0;                                // without padding
};

struct GgufHeader {
  std::string path;
  std::uint64_t file_bytes = 0;
  std::uint32_t version = 0;
  std::uint32_t alignment = 32;
  std::uint64_t data_position = 0; // byte in the file where the data section begins
  std::unordered_map<std::string, GgufValue> values;
  std::vector<GgufTensor> tensors;

  // nullptr when the file has no such key.
  const GgufValue *find(const std::string &key) const;
};

// ERRORS: Error(kLoadFailed) with one sentence that names the file and what is wrong.
GgufHeader read_gguf_header(const std::string &path,
                            std::uint64_t max_name_bytes = kGgufMaxTensorNameBytes);

} // namespace llamabox
