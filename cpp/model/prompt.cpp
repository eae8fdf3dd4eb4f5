#include "model/prompt.h"

#include <algorithm>

namespace llamabox {
namespace {

// Negative, hence never a token. The multiplications (splitmix64's) let every bit of hash and row
// reach the bits that stay.
std::int64_t media_key(std::uint64_t hash, std::int32_t row) {
  std::uint64_t x = hash + static_cast<std::uint64_t>(row + 1) * 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return -2 - static_cast<std::int64_t>((x ^ (x >> 31)) >> 2);
}

} // namespace

const MediaSpan *Prompt::span_of(std::int32_t index) const {
  for (const MediaSpan &span : media) {
    if (index >= span.start && index < span.start + span.n_rows) {
      return &span;
    }
  }
  return nullptr;
}

Positions Prompt::positions_of(std::int32_t index) const {
  Pos shift = 0; // rows minus positions of the spans before
  for (const MediaSpan &span : media) {
    if (index >= span.start + span.n_rows) {
      shift += span.n_rows - span.n_pos;
    } else if (index >= span.start) {
      Positions positions = span.positions[static_cast<std::size_t>(index - span.start)];
      for (Pos &pos : positions) {
        pos += span.start - shift;
      }
      return positions;
    }
  }
  const Pos pos = index - shift;
  return {pos, pos, pos, pos};
}

std::int32_t Prompt::chunk_end(std::int32_t begin, std::int32_t n_max) const {
  std::int32_t end = begin + n_max;
  for (const MediaSpan &span : media) {
    const std::int32_t span_end = span.start + span.n_rows;
    if (span.alone && begin < span_end && end > span.start) {
      end = begin < span.start ? span.start : std::min(end, span_end);
    }
    const bool cut = end > span.start && end < span_end;
    if (cut && !span.can_split) {
      return std::max(begin, span.start);
    }
  }
  return end;
}

std::int32_t Prompt::prefix_end(std::int32_t n) const {
  const MediaSpan *span = span_of(n);
  return span != nullptr && !span->can_split ? span->start : n;
}

std::int32_t Prompt::n_media_rows(MediaKind kind) const {
  std::int32_t n = 0;
  for (const MediaSpan &span : media) {
    n += span.kind == kind ? span.n_rows : 0;
  }
  return n;
}

std::vector<std::int64_t> Prompt::prefix_keys() const {
  std::vector<std::int64_t> keys(tokens.begin(), tokens.end());
  for (const MediaSpan &span : media) {
    for (std::int32_t row = 0; row < span.n_rows; ++row) {
      keys[static_cast<std::size_t>(span.start + row)] = media_key(span.hash, row);
    }
  }
  return keys;
}

} // namespace llamabox
