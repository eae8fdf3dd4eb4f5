// Scheduler's draft phase: which tokens the decoding sequences of a plan verify beside their own.
#include "engine/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace llamabox {
namespace {

// A shift changes what was there, so that it begins another stream.
std::uint64_t stream_of(const Sequence &sequence) {
  return (sequence.order << 32U) + static_cast<std::uint64_t>(sequence.n_dropped) + 1;
}

} // namespace

// Room of one sequence's draft: one token comes without it, also the one that fills the context.
std::int32_t Scheduler::n_draft_max(const Sequence &sequence, std::int64_t now_ns) const {
  if (!can_draft_ || sequence.phase != Phase::kDecode) {
    return 0;
  }
  std::int32_t n = std::min(sequence.n_draft_max, sequence.request->pace.n_due(now_ns) - 1);
  return std::max(std::min({n, n_left(sequence) - 1, limits_.n_batch}), 0);
}

// Tokens that its context still holds, and that its request still wants.
std::int32_t Scheduler::n_left(const Sequence &sequence) const {
  const std::int32_t n = limits_.n_ctx - sequence.n_tokens();
  return sequence.max_tokens >= 0 ? std::min(n, sequence.max_tokens - sequence.n_generated()) : n;
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

// A drafter reads the text between media: it has no embeddings of theirs, and guesses only.
std::span<const Token> Scheduler::text_of(Sequence &sequence) {
  if (sequence.prompt->media.empty()) {
    return sequence.tokens;
  }
  const auto is_text = [](Token token) { return token != kNoToken; };
  const auto rest = std::span(sequence.tokens).subspan(sequence.n_text_read);
  std::ranges::copy_if(rest, std::back_inserter(sequence.text_tokens), is_text);
  sequence.n_text_read = sequence.tokens.size();
  return sequence.text_tokens;
}

void Scheduler::draft(const StepPlan &step_plan) {
  drafts_.clear();
  if (!can_draft_ || step_plan.decodes.empty()) {
    return;
  }
  StepShape shape;
  shape.n_decodes = static_cast<std::int32_t>(step_plan.decodes.size());
  std::int32_t n_rows = shape.n_decodes;
  std::int32_t n_outputs = shape.n_decodes;
  for (const PlannedRows &planned : step_plan.prefills) {
    n_rows += planned.n_rows;
    n_outputs += planned.n_outputs;
  }
  shape.n_room = std::min(limits_.n_batch - n_rows, limits_.n_outputs - n_outputs);
  std::vector<DraftSeat> seats;
  for (const PlannedRows &planned : step_plan.decodes) {
    Sequence &sequence = slots_.at(planned.slot);
    DraftSeat seat;
    seat.wish.seq = sequence.slot;
    seat.wish.stream = stream_of(sequence);
    seat.wish.tokens = text_of(sequence);
    seat.tokens = sequence.tokens;
    seat.wish.n_max = planned.n_draft;
    seat.wish.temperature = sequence.draft_temperature;
    seat.group = sequence.group;
    seat.n_dropped = sequence.n_dropped;
    seat.n_prompt = sequence.prompt->size();
    seat.n_left = n_left(sequence);
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

// What the target has run, for a drafter that guesses from its states. Places in a text with media
// are not those of its rows, so such a text has lookups only.
void Scheduler::note_states(const PackedStep &step) {
  if (!can_draft_ || models_.proposer == nullptr || !models_.proposer->reads_states()) {
    return;
  }
  std::vector<RanRows> ran;
  for (const PackedRows &part : step.parts) {
    const Sequence &sequence = *part.sequence;
    if (sequence.prompt->media.empty()) {
      const auto n_drafted = static_cast<std::int32_t>(part.draft.tokens.size());
      ran.push_back({sequence.slot, stream_of(sequence), sequence.n_past, part.first_row,
                     part.n_committed + n_drafted});
    }
  }
  models_.proposer->note(ran);
}

} // namespace llamabox
