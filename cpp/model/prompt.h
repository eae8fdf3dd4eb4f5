// A prompt as the engine runs it: tokens, with spans of media rows between them. A media row stands
// in `tokens` as kNoToken; its embedding and the span's content hash are in its MediaSpan.
// Thread rule: built by one thread, then shared const. Covered by prompt_test.
#pragma once

#include "base/types.h"
#include "model/batch.h"
#include "model/media.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace llamabox {

struct MediaSpan {
  std::int32_t start = 0;  // index of the first row in `tokens`
  std::int32_t n_rows = 0; // rows it takes in KV
  Pos n_pos = 0;           // positions it takes, <= n_rows
  std::uint64_t hash = 0;  // of the content, for prefix sharing
  bool can_split = true;   // false: all rows in one decode call
  bool alone = false;      // no row but its own in a decode call
  bool causal = true;      // false: its rows see those after them too
  MediaKind kind = MediaKind::kImage;
  std::shared_ptr<const std::vector<float>> embd; // n_rows x n_embd; null: still to be encoded
  std::shared_ptr<const MediaChunk> chunk;        // what it is encoded from; null: it has been
  std::vector<Positions> positions;               // n_rows, relative to the span's first
};

struct Prompt {
  std::vector<Token> tokens;
  std::vector<MediaSpan> media; // ascending, not overlapping
  double audio_seconds = 0;     // that its sounds last

  std::int32_t size() const { return static_cast<std::int32_t>(tokens.size()); }

  // The span that holds row `index`, or null for a token.
  const MediaSpan *span_of(std::int32_t index) const;

  // Positions of row `index`; rows past the prompt continue after it.
  Positions positions_of(std::int32_t index) const;

  // The end of a chunk of at most n_max rows from `begin` that cuts no unsplittable span and has no
  // other rows beside those of a span that wants to be alone; `begin` when the span at `begin` does
  // not fit.
  std::int32_t chunk_end(std::int32_t begin, std::int32_t n_max) const;

  // The longest prefix of at most n rows after which the rest can go on: none cuts a span that must
  // not be split.
  std::int32_t prefix_end(std::int32_t n) const;

  // Rows of media of this kind.
  std::int32_t n_media_rows(MediaKind kind) const;

  // What two prompts must have in common to share KV: tokens, and for media rows a value made of
  // hash and offset that no token has.
  std::vector<std::int64_t> prefix_keys() const;
};

} // namespace llamabox
