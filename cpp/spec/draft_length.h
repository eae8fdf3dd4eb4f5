// How many tokens to draft for each sequence of a step, so that most tokens come out per time. It
// is 0 where drafts do not pay: where they are seldom accepted, or where a row costs as much as a
// step, which is so with many sequences at once.
// Thread rule: pure functions. Covered by draft_length_test on simulated costs.
#pragma once

#include "base/step_cost.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

// A sequence that could have a draft.
struct LengthCandidate {
  double first = 0;          // chance that the first drafted token is accepted
  double later = 0;          // of each further one, once all before it are
  double offered = 1;        // chance that a token is drafted, once all before it are
  std::int32_t n_min = 1;    // a shorter draft is none
  std::int32_t n_max = 0;    // tokens it could have
  bool runs_drafter = false; // each of its tokens needs a run of the drafter
  double extra_ms = 0;       // what a draft of it costs beside rows and runs
};

// What the step runs anyway, and what there is room for. Prefill rows beside the decodes matter
// not: a draft pays where it costs less than the steps that it saves, and those only decode.
struct StepShape {
  std::int32_t n_decodes = 0; // sequences that get a token
  std::int32_t n_room = 0;    // further rows
};

struct DraftCosts {
  const StepCost &target;
  const StepCost &drafter;
};

// The length of each candidate's draft, for most tokens per time. All 0 until a step without drafts
// was measured.
std::vector<std::int32_t> choose_lengths(std::span<const LengthCandidate> candidates,
                                         const StepShape &shape, const DraftCosts &costs);

// As many as there is room for, whatever they cost.
std::vector<std::int32_t> longest_lengths(std::span<const LengthCandidate> candidates,
                                          const StepShape &shape);

} // namespace llamabox
