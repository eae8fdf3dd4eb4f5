// From libmtmd's chunks to a Prompt: tokens, and spans of media with their places and positions.
// Thread rule: pure function, any thread.
// ERRORS: Error(kUnsupported) where the vocabulary lacks what the projector puts around media.
// Covered by tests/cpp/llama/media_test.cpp.
#pragma once

#include "model/media.h"
#include "model/prompt.h"

#include "mtmd.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace llamabox {

struct LlamaMediaChunk final : MediaChunk {
  explicit LlamaMediaChunk(const mtmd_input_chunk *chunk)
      : owned(mtmd_input_chunk_copy(chunk), mtmd_input_chunk_free) {}

  std::unique_ptr<mtmd_input_chunk, void (*)(mtmd_input_chunk *)> owned;
};

// `hashes` are of the media in the order of the prompt; the chunks' ids are indices into them.
// `mixes` says whether rows of media may share a decode call with others.
Prompt prompt_of(const mtmd_context *context, const mtmd_input_chunks *chunks,
                 std::span<const std::uint64_t> hashes, bool mixes);

} // namespace llamabox
