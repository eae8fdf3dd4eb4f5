// The engine's invariants as pure checks on a snapshot; run after every step in debug builds and by
// the tests. The names are those of README.md.
// Thread rule: pure. Covered by invariants_test, which breaks each one.
#pragma once

#include "engine/sequence.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llamabox {

struct SequenceState {
  std::int32_t slot = kNoSlot;     // the seat it was found in
  std::int32_t bound_to = kNoSlot; // the seat it believes it has
  Phase phase = Phase::kWaiting;
  std::int32_t n_tokens = 0;
  Pos n_past = 0;
  Pos n_kv = 0;     // what KV memory says
  Pos n_cached = 0; // what the prefix cache says
};

struct EngineState {
  std::vector<SequenceState> bound;
  std::int32_t n_waiting = 0;
  std::int32_t n_held = 0; // bound sequences that their pace kept out of it
  std::int32_t n_batch = 0;
  std::int32_t n_rows = 0;    // of the step that just ran
  std::int32_t n_classes = 0; // among them
  std::int32_t n_cells = 0;
  std::int32_t n_cells_used = 0;
  std::int32_t n_open_choices = 0; // that the live requests count
  bool ended_something = false;    // the step ended a request
};

// The name of the first invariant that does not hold.
std::optional<std::string> broken_invariant(const EngineState &state);

} // namespace llamabox
