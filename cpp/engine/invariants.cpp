#include "engine/invariants.h"

#include <cstddef>

namespace llamabox {
namespace {

std::optional<std::string> broken_in(const SequenceState &sequence) {
  if (sequence.slot != sequence.bound_to || sequence.phase == Phase::kWaiting) {
    return "inv.slot";
  }
  if (sequence.n_past != sequence.n_kv || sequence.n_past != sequence.n_cached) {
    return "inv.n_past";
  }
  if (sequence.phase == Phase::kDecode && sequence.n_tokens - sequence.n_past != 1) {
    return "inv.decode_ready";
  }
  return std::nullopt;
}

} // namespace

std::optional<std::string> broken_invariant(const EngineState &state) {
  for (const SequenceState &sequence : state.bound) {
    if (auto broken = broken_in(sequence)) {
      return broken;
    }
  }
  if (state.n_rows > state.n_batch || state.n_cells_used > state.n_cells) {
    return "inv.budget";
  }
  if (state.n_classes > 1) {
    return "inv.class";
  }
  const auto n_sequences = static_cast<std::int32_t>(state.bound.size()) + state.n_waiting;
  if (state.n_open_choices != n_sequences) {
    return "inv.terminal";
  }
  if (state.n_rows == 0 && n_sequences > 0 && state.n_held == 0 && !state.ended_something) {
    return "inv.progress";
  }
  return std::nullopt;
}

} // namespace llamabox
