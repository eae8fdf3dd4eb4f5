// What a slot held, outside of the model's memory: what the shell writes to a file and reads back.
// Thread rule: value.
// Covered by scheduler_slots_test and tests/py/api/test_slots.py.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace llamabox {

struct SavedSlot {
  std::vector<Token> tokens;
  Pos n_exact = 0; // of them, the first whose state is as a cold prefill makes it
  std::vector<std::pair<std::int32_t, float>> loras; // it was computed with: places and scales
  std::vector<std::uint8_t> state;                   // of the memory, for the same model and layout
};

} // namespace llamabox
