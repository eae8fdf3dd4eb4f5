// How the next token is chosen. Values arrive checked by the shell's field table; the sampler
// factory refuses by name what it cannot honour.
// Thread rule: plain value. Covered by sampler tests of the adapters.
#pragma once

#include "model/grammar.h"

#include <cstdint>
#include <optional>

namespace llamabox {

struct SamplingParams {
  std::optional<std::uint32_t> seed; // none: drawn at random for the request
  float temperature = 0.8f;          // 0 is greedy
  std::int32_t top_k = 40;           // 0 is off
  float top_p = 0.95f;               // 1 is off
  float min_p = 0.05f;               // 0 is off
  std::int32_t repeat_last_n = 64;   // tokens the penalties look back; 0 is off, -1 the context
  float repeat_penalty = 1.0f;       // 1 is off
  float frequency_penalty = 0.0f;    // 0 is off
  float presence_penalty = 0.0f;     // 0 is off
  Grammar grammar;                   // empty: free
};

} // namespace llamabox
