// The check that every model file passes before llama.cpp sees it: a missing, truncated or hostile
// GGUF ends in one sentence instead of an assert, a stray access or a huge allocation. Only headers
// are read, so a file of many GiB takes milliseconds. Projectors, adapters and control vectors use
// read_gguf_header (gguf_header.h), which this builds on.
// Thread rule: pure functions, any thread. Covered by tests/cpp/gguf_check_test.cpp and
// tests/cpp/gguf_fuzz_test.cpp.
#pragma once

#include "guard/gguf_override.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace llamabox {

struct GgufReport {
  std::uint32_t version = 0;          // of the format, 2 or 3
  std::uint64_t n_tensors = 0;        // in all parts together
  std::uint64_t n_keys = 0;           // in the first part
  std::string architecture;           // such as "llama"
  std::uint32_t alignment = 0;        // of tensor data, in bytes
  std::uint64_t file_bytes = 0;       // of all parts together
  std::uint32_t n_split = 1;          // number of parts, 1 for a model in one file
  std::vector<std::string> files;     // the paths of all parts, the first one first
  std::uint32_t n_vocab = 0;          // tokens
  std::uint32_t block_count = 0;      // layers
  std::uint32_t context_length = 0;   // positions the model was trained on
  std::uint32_t embedding_length = 0; // numbers per position
};

// Checks a text model, with all its parts when it is split, as it is with the overrides.
// ERRORS: Error(kLoadFailed) with one sentence that names the file and what is wrong.
GgufReport check_gguf(const std::string &path, std::span<const GgufOverride> overrides = {});

} // namespace llamabox
