#include "llama/media_chunks.h"

#include "base/error.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace llamabox {
namespace {

// One media can become several chunks; each has a hash of its own.
std::uint64_t chunk_hash(std::uint64_t hash, std::uint64_t at) {
  return hash + at * 0x9E3779B97F4A7C15U;
}

std::size_t media_of(const mtmd_input_chunk *chunk) {
  const char *id = mtmd_input_chunk_get_id(chunk);
  std::size_t at = std::numeric_limits<std::size_t>::max();
  if (id != nullptr) {
    std::from_chars(id, id + std::strlen(id), at);
  }
  return at;
}

// Relative to the chunk's first position. The order of the sections is the text model's.
std::vector<Positions> positions_of(const mtmd_context *context, const mtmd_input_chunk *chunk,
                                    std::int32_t n_rows) {
  const mtmd_image_tokens *image =
      mtmd_decode_use_mrope(context) ? mtmd_input_chunk_get_tokens_image(chunk) : nullptr;
  std::vector<Positions> positions;
  positions.reserve(static_cast<std::size_t>(n_rows));
  for (std::int32_t row = 0; row < n_rows; ++row) {
    if (image == nullptr) {
      positions.push_back({row, row, row, row});
      continue;
    }
    const auto at = mtmd_image_tokens_get_decoder_pos(image, 0, static_cast<std::size_t>(row));
    positions.push_back({static_cast<Pos>(at.t), static_cast<Pos>(at.y), static_cast<Pos>(at.x),
                         static_cast<Pos>(at.z)});
  }
  return positions;
}

} // namespace

Prompt prompt_of(const mtmd_context *context, const mtmd_input_chunks *chunks,
                 std::span<const std::uint64_t> hashes, bool mixes) {
  Prompt prompt;
  std::vector<std::uint64_t> n_chunks(hashes.size());
  for (std::size_t i = 0; i < mtmd_input_chunks_size(chunks); ++i) {
    const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks, i);
    const mtmd_input_chunk_type type = mtmd_input_chunk_get_type(chunk);
    if (type == MTMD_INPUT_CHUNK_TYPE_TEXT) {
      std::size_t n = 0;
      const llama_token *tokens = mtmd_input_chunk_get_tokens_text(chunk, &n);
      if (std::find_if(tokens, tokens + n, [](llama_token t) { return t < 0; }) != tokens + n) {
        throw Error(ErrorCode::kUnsupported,
                    "the model's vocabulary lacks the marks that this projector puts around media");
      }
      prompt.tokens.insert(prompt.tokens.end(), tokens, tokens + n);
      continue;
    }
    const std::size_t media = media_of(chunk);
    if (media >= hashes.size()) {
      throw Error(ErrorCode::kInternal, "a chunk of the projector belongs to nothing");
    }
    MediaSpan span;
    span.start = prompt.size();
    span.n_rows = static_cast<std::int32_t>(mtmd_input_chunk_get_n_tokens(chunk));
    span.n_pos = mtmd_input_chunk_get_n_pos(chunk);
    span.hash = chunk_hash(hashes[media], n_chunks[media]++);
    span.causal = !mtmd_decode_use_non_causal(context, chunk);
    span.can_split = span.causal;
    span.alone = !span.causal || !mixes;
    span.kind = type == MTMD_INPUT_CHUNK_TYPE_IMAGE ? MediaKind::kImage : MediaKind::kAudio;
    span.positions = positions_of(context, chunk, span.n_rows);
    span.chunk = std::make_shared<const LlamaMediaChunk>(chunk);
    prompt.tokens.insert(prompt.tokens.end(), static_cast<std::size_t>(span.n_rows), kNoToken);
    prompt.media.push_back(std::move(span));
  }
  return prompt;
}

} // namespace llamabox
