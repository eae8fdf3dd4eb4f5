// Runs batches through a model. One implementation on llama.cpp, one fake whose next token is a
// fixed function of the sequence.
// Thread rule: engine thread, except limits().
// Guarantee: decode either runs every row (kOk) or leaves the memory as it was (kNoCells); after
// kFailed the memory of the batch's sequences is unknown and must be dropped.
// Covered by the scheduler tests and runner_test.
#pragma once

#include "model/batch.h"
#include "model/lora.h"

#include <cstdint>
#include <limits>
#include <span>

namespace llamabox {

enum class DecodeStatus : std::uint8_t { kOk, kNoCells, kFailed };

struct RunnerLimits {
  std::int32_t n_ctx = 0;   // tokens one sequence may hold
  std::int32_t n_batch = 0; // rows of one decode call
  std::int32_t n_vocab = 0;
  std::int32_t n_embd = 0;          // floats of an embedding row
  std::int32_t n_outputs = 1 << 30; // rows of one decode call that may ask for logits
  std::int32_t n_ubatch = 0;        // rows computed at a time, 1 to n_batch
};

class Runner {
public:
  virtual ~Runner() = default;

  virtual RunnerLimits limits() const = 0;

  // The LoRAs that the decodes from here on are made with, and no others; none at the start.
  // REQUIRES: ids of loaded adapters.
  virtual void set_loras(std::span<const LoraScale> loras) = 0;

  // ERRORS: Error(kDeviceLost), after which nothing can be decoded any more.
  // REQUIRES: 1 <= batch.size() <= n_batch; each row's position is its sequence's next one.
  virtual DecodeStatus decode(const Batch &batch) = 0;

  // n_vocab logits of a row that asked for them, valid until the next decode.
  // REQUIRES: the last decode was kOk and its batch's row has `logits` set.
  virtual std::span<const float> logits(std::int32_t row) = 0;
};

} // namespace llamabox
