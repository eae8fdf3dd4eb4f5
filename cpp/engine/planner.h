// Decides a step: which class of sequences runs, every decode of it first, then prefill rows into
// what the batch and the latency target leave. Short prompts go first; one that was passed over
// gains weight until its turn comes.
// Thread rule: pure functions and values; engine thread. Covered by planner_test.
#pragma once

#include "engine/step_plan.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

// Rows that a prefill gets even where the target leaves no time: it must progress.
inline constexpr std::int32_t kMinPrefillRows = 16;

// What steps cost, learnt from those that ran.
class StepCost {
public:
  void observe(std::int32_t n_decode_rows, std::int32_t n_prefill_rows, double ms);

  // Prefill rows that fit beside running decodes in a step of `target_ms`.
  std::int32_t prefill_rows_within(double target_ms) const;

private:
  double decode_ms_ = 0;          // a step without prefill rows
  double ms_per_prefill_row_ = 0; // 0: not known yet
};

// Steps that a class may run while another one waits. Switching costs upstream a new plan of its
// computation, so it is not done in every step.
inline constexpr std::int32_t kClassQuantum = 8;

// Whose turn it is: classes take turns of at most kClassQuantum steps while more than one is bound;
// next is the class of the sequence that has waited longest. So nobody waits longer than a turn of
// each class that waits longer.
class ClassTurn {
public:
  // The class of the next step. REQUIRES: candidates is not empty.
  ClassKey next(std::span<const Candidate> candidates);

private:
  ClassKey current_ = 0;
  std::int32_t n_steps_ = 0; // of the turn
};

// Takes out whoever is not due: it keeps its slot, takes no row and no class waits for it. Returns
// how many they are.
std::int32_t hold_back(std::vector<Candidate> &candidates);

// How long a step beside running decodes may take: the target once for the streams that run, and
// once more for each prompt that waits beside each of them. One long prompt hardly delays many
// streams; many prompts, whose first tokens all wait, are not starved for the sake of a few.
double step_target_ms(std::span<const Candidate> candidates, double itl_target_ms);

// REQUIRES: n_prefill_rows is the most the step may spend on prefills while something decodes.
StepPlan plan_step(std::span<const Candidate> candidates, std::int32_t n_batch,
                   std::int32_t n_prefill_rows);

// Halves the prefill rows of a plan that found no cells, then drops drafts. False: nothing to give.
bool shrink(StepPlan &plan);

} // namespace llamabox
