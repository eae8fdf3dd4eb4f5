// Decides a step: which class of sequences runs, every decode of it first, then prefill rows into
// what the batch and the latency target leave. Short prompts go first; one that was passed over
// gains weight until its turn comes.
// Thread rule: pure functions and values; engine thread. Covered by planner_test.
#pragma once

#include "base/step_cost.h"
#include "engine/step_plan.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace llamabox {

// Rows that a prefill gets even where the target leaves no time: it must progress.
inline constexpr std::int32_t kMinPrefillRows = 16;

// Rows of the first prefill beside running streams while nobody knows what a row costs.
inline constexpr std::int32_t kFirstPrefillRows = 64;

// How long a step of prefills alone may last: nobody waits for its tokens, but whoever arrives, or
// is cancelled, waits for its end.
inline constexpr double kAloneMs = 500;

// Fewer rows in a step of prefills alone would cost speed, as would pieces of tiles: attention over
// a long past costs a row outside of a tile of the CPU's kernel several times as much.
inline constexpr std::int32_t kLeastAloneRows = 128;
inline constexpr std::int32_t kTileRows = 64;

// How much longer than the target a step may get for the sake of a whole tile.
inline constexpr double kTileStretch = 3;

// A turn of a class while another one waits: at most so many steps, and no step begins after so
// long. Switching costs upstream a new plan of its computation, so it is not done in every step.
inline constexpr std::int32_t kClassQuantum = 8;
inline constexpr std::int64_t kClassQuantumNs = 250'000'000;

// Whose turn it is: classes take turns of a quantum while more than one is bound; next is the class
// of the sequence that has waited longest. So nobody waits longer than a turn of each class that
// waits longer.
class ClassTurn {
public:
  // The class of the next step. REQUIRES: candidates is not empty.
  ClassKey next(std::span<const Candidate> candidates, std::int64_t now_ns);

private:
  ClassKey current_ = 0;
  std::int32_t n_steps_ = 0; // of the turn
  std::int64_t began_ns_ = 0;
};

// Takes out whoever is not due: it keeps its slot, takes no row and no class waits for it. Returns
// how many they are.
std::int32_t hold_back(std::vector<Candidate> &candidates);

// What the decoding sequences of a class would run: each one row that sees all its past.
StepLoad decode_load(std::span<const Candidate> candidates, ClassKey class_key);

// How long a step beside running streams may take: what was asked for, else so long that streams
// keep a sixth of their speed while prompts are read, which then lose a fifth of theirs. Where all
// prompts that wait have pictures or sounds streams keep two thirds: encoding took from them
// before, and who sent a picture notices its encoding more than its rows.
double itl_target_ms(std::optional<double> wanted_ms, std::span<const Candidate> candidates,
                     double decode_ms);

// How long a step may take: the target once for the streams that run, of whatever class, and once
// more for each prompt that waits beside each of them. One long prompt hardly delays many streams;
// many prompts, whose first tokens all wait, are not starved for the sake of a few. Without streams
// kAloneMs.
double step_target_ms(std::span<const Candidate> candidates, double itl_target_ms);

// What a step may hold.
struct StepRoom {
  std::int32_t n_batch = 0;  // rows
  std::int32_t n_ubatch = 0; // rows that the runner computes at a time
  PrefillBudget budget;
  double tile_ms = 0;               // that prefill rows beside decodes may take if they fill a tile
  std::int32_t n_outputs = 1 << 30; // rows that may ask for logits
};

// Candidates of one class. The rows of a step without decodes are a multiple of n_ubatch, where
// the budget holds that many.
StepPlan plan_step(std::span<const Candidate> candidates, const StepRoom &room);

// Halves the prefill rows of a plan that found no cells, then drops drafts. False: nothing to give.
bool shrink(StepPlan &plan);

} // namespace llamabox
