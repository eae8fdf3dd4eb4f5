// The adapters that a sequence is computed with, as a value that can be compared: what one request
// asks for, what the server applies by default, and what the runner is told before a step.
// Thread rule: plain value. Covered by lora_sets_test and adapters_test.
#pragma once

#include <cstdint>
#include <vector>

namespace llamabox {

struct LoraScale {
  std::int32_t id = 0; // the place of the adapter among those loaded
  float scale = 0;

  bool operator==(const LoraScale &) const = default;
};

// Ascending ids, no scale of 0: equal sets are equal values.
using LoraSet = std::vector<LoraScale>;

} // namespace llamabox
