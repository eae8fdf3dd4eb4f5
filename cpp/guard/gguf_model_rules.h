// What a text model's hyper-parameters and tensors must fulfil beyond the format: everything that
// the loader or a compute kernel would answer with an assert, a division by zero or a huge
// allocation instead of an error. The file's own values are judged, never corrected.
// Thread rule: pure functions. Covered by tests/cpp/gguf_model_rules_test.cpp.
#pragma once

#include "guard/gguf_header.h"

#include <cstdint>

namespace llamabox {

inline constexpr std::uint64_t kMaxBlockCount = 512;
inline constexpr std::uint64_t kMaxExpertCount = 1024;
inline constexpr std::uint64_t kMaxVocabSize = std::uint64_t{1} << 22U;
// Far above any model there is, and small enough that per-cell arrays sized by it stay allocatable.
inline constexpr std::uint64_t kMaxContextLength = std::uint64_t{1} << 25U;
inline constexpr std::uint64_t kMaxEmbeddingLength = std::uint64_t{1} << 24U;
inline constexpr std::uint64_t kMaxHeadCount = 65'536;
// Times 256 sequences this still fits 32 bits, in which the loader computes a cache size.
inline constexpr std::uint64_t kMaxSlidingWindow = std::uint64_t{1} << 23U;

struct GgufModelSize {
  std::uint32_t block_count = 0;      // layers, those for multi-token prediction included
  std::uint32_t context_length = 0;   // positions the model was trained on
  std::uint32_t embedding_length = 0; // numbers per position
};

// ERRORS: Error(kLoadFailed) with one sentence that names the file, the key and what is wrong.
GgufModelSize check_model_hparams(const GgufHeader &header);

// Types that a compute kernel could not use where they stand, for this part's tensors.
// ERRORS: as above.
void check_model_tensors(const GgufHeader &header);

} // namespace llamabox
