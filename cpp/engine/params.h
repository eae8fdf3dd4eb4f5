// Sizes and targets of an engine, fixed at its construction.
// Thread rule: plain value. ERRORS: Engine refuses values out of range by name.
// Covered by engine_test.
#pragma once

#include "spec/speculation.h"

#include <cstdint>
#include <optional>

namespace llamabox {

struct EngineParams {
  std::int32_t n_slots = 4;          // sequences that run at once, 1..240
  std::int32_t n_queue = 256;        // accepted requests that may wait for a slot
  std::int32_t n_queue_contexts = 4; // waiting prompt tokens, in multiples of the KV cells
  std::int32_t n_prompt_workers = 1; // threads that render and tokenize
  bool render_special = false;       // special tokens are part of the text
  bool cache_prompt = true;          // reuse what earlier requests left in KV
  std::int32_t n_media_cached = 0;   // encoded chunks of media that are kept; 0: none
  // A step with running streams takes no more prefill than this; none: chosen by what steps cost.
  std::optional<double> itl_target_ms;
  bool context_shift = false; // a text outlives its context, where the memory can shift
  // What requests that do not say have:
  std::int32_t n_keep = 0;        // tokens of the prompt that a shift leaves; -1: all
  SpeculationParams speculation;  // where the model has a drafter, or lookup is on
  std::int32_t n_cache_reuse = 0; // least tokens of a chunk that is moved to be reused; 0: never
};

} // namespace llamabox
