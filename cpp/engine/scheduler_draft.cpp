// Scheduler's draft phase: which tokens the decoding sequences of a plan verify beside their own.
#include "engine/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace llamabox {

// Room of one sequence's draft: one token comes without it, also the one that fills the context.
std::int32_t Scheduler::n_draft_max(const Sequence &sequence, std::int64_t now_ns) const {
  // A drafter has neither the embeddings of media nor a token for their rows.
  if (!can_draft_ || sequence.phase != Phase::kDecode || !sequence.prompt->media.empty()) {
    return 0;
  }
  std::int32_t n = std::min(sequence.n_draft_max, sequence.request->pace.n_due(now_ns) - 1);
  n = std::min({n, limits_.n_ctx - sequence.n_tokens() - 1, limits_.n_batch});
  if (sequence.max_tokens >= 0) {
    n = std::min(n, sequence.max_tokens - sequence.n_generated() - 1);
  }
  return std::max(n, 0);
}

void Scheduler::note_draft(Sequence &sequence, std::int32_t n_drafted, std::int32_t n_kept) {
  sequence.request->usage.n_draft += n_drafted;
  sequence.request->usage.n_draft_accepted += n_kept;
  for (std::int32_t place = 1; place <= n_drafted; ++place) {
    stats_.draft_places.observe(place);
    if (place <= n_kept) {
      stats_.accepted_draft_places.observe(place);
    }
  }
}

void Scheduler::draft(const StepPlan &step_plan) {
  drafts_.clear();
  if (!can_draft_ || step_plan.decodes.empty()) {
    return;
  }
  StepShape shape;
  shape.n_decodes = static_cast<std::int32_t>(step_plan.decodes.size());
  shape.n_rows = shape.n_decodes;
  std::int32_t n_outputs = shape.n_decodes;
  for (const PlannedRows &planned : step_plan.prefills) {
    shape.n_rows += planned.n_rows;
    n_outputs += planned.n_outputs;
  }
  shape.n_room = std::min(limits_.n_batch - shape.n_rows, limits_.n_outputs - n_outputs);
  std::vector<DraftSeat> seats;
  for (const PlannedRows &planned : step_plan.decodes) {
    Sequence &sequence = slots_.at(planned.slot);
    DraftSeat seat;
    seat.wish.seq = sequence.slot;
    // A shift changes what was there, so that it begins another stream.
    seat.wish.stream = (sequence.order << 32U) + static_cast<std::uint64_t>(sequence.n_dropped) + 1;
    seat.wish.tokens = sequence.tokens;
    seat.wish.n_max = planned.n_draft;
    seat.wish.temperature = sequence.draft_temperature;
    seat.group = sequence.group;
    seat.n_dropped = sequence.n_dropped;
    seat.n_prompt = sequence.prompt->size();
    seat.state = &sequence.drafts;
    seats.push_back(seat);
  }
  std::vector<Draft> drafts = speculation_.draft(seats, shape);
  for (std::size_t i = 0; i < seats.size(); ++i) {
    if (!drafts[i].tokens.empty()) {
      drafts_.emplace(seats[i].wish.seq, std::move(drafts[i]));
    }
  }
}

} // namespace llamabox
