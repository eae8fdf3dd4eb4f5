// Media whose embeddings are known by hand, and a projector that can be made to work in slices.
// Thread rule: as the interfaces; the counters may be read by any thread.
// Covered by its users.
#pragma once

#include "model/media.h"
#include "model/prompt.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

namespace llamabox {

struct FakeMediaParams {
  bool is_there = false;
  std::int32_t n_rows = 6;
  std::int32_t n_pos = 6;
  bool causal = true; // false: whole and alone
  int n_slices = 1;   // of an encoding
};

struct FakeMediaChunk final : MediaChunk {
  std::uint64_t hash = 0;
  std::int32_t n_rows = 0;
};

// The first number of a row stands for the row, see FakeKv.
inline std::vector<float> fake_embeddings(std::uint64_t hash, std::int32_t n_rows) {
  std::vector<float> embd;
  for (std::int32_t row = 0; row < n_rows; ++row) {
    embd.push_back(static_cast<float>(hash % 97 * 100 + static_cast<std::uint64_t>(row)) / 1e4F);
    embd.insert(embd.end(), 3, 0.0F);
  }
  return embd;
}

inline void add_fake_media(Prompt &prompt, const Media &media, const FakeMediaParams &params) {
  auto chunk = std::make_shared<FakeMediaChunk>();
  chunk->hash = media.hash;
  chunk->n_rows = params.n_rows;
  MediaSpan span;
  span.start = prompt.size();
  span.n_rows = params.n_rows;
  span.n_pos = params.n_pos;
  span.hash = media.hash;
  span.can_split = span.causal = params.causal;
  span.alone = !params.causal;
  span.kind = media.kind;
  span.chunk = chunk;
  for (std::int32_t row = 0; row < params.n_rows; ++row) {
    const Pos pos = row < params.n_pos ? row : params.n_pos - 1;
    span.positions.push_back({pos, pos, row, 0});
  }
  prompt.tokens.insert(prompt.tokens.end(), static_cast<std::size_t>(params.n_rows), kNoToken);
  prompt.media.push_back(std::move(span));
  prompt.audio_seconds += media.kind == MediaKind::kAudio ? 0.5 : 0; // each
}

class FakeMediaEncoder final : public MediaEncoder {
public:
  explicit FakeMediaEncoder(FakeMediaParams params) : params_(params) {}

  std::vector<float> encode(const MediaChunk &chunk, SliceGate &gate) override {
    const auto &fake = dynamic_cast<const FakeMediaChunk &>(chunk);
    ++n_begun;
    if (fake.hash == fails_at) {
      throw std::runtime_error("the projector failed");
    }
    for (int slice = 0; slice < params_.n_slices || never_ends; ++slice) {
      if (!gate.pass()) {
        return {};
      }
    }
    ++n_encoded;
    return fake_embeddings(fake.hash, fake.n_rows);
  }

  std::atomic<int> n_begun{0};
  std::atomic<int> n_encoded{0};
  std::atomic<bool> never_ends{false};
  std::uint64_t fails_at = 0;

private:
  FakeMediaParams params_;
};

} // namespace llamabox
