// What the scheduler does for prompts that are scored: their tokens' logprobs leave with the step
// that read them, and the request's other choices begin once all are known.
#include "engine/prompt_scores.h"
#include "engine/scheduler.h"

#include <memory>
#include <utility>

namespace llamabox {

// A prompt that is scored must be whole, and its cells as a cold prefill makes them.
bool Scheduler::may_shift(const Arrival &arrival) const {
  const auto &generate = std::get<GenerateRequest>(arrival.request.body);
  return can_shift_ && arrival.prompt->media.empty() && !generate.score_prompt;
}

void Scheduler::score(const PackedRows &part) {
  Sequence &sequence = *part.sequence;
  Event event;
  event.request = sequence.request->id;
  event.kind = EventKind::kPrompt;
  event.slot = sequence.slot;
  event.logprobs = score_prompt(part, {*models_.runner, *models_.vocab, models_.crew.get()});
  if (!event.logprobs.empty()) {
    events_.push_back(std::move(event));
  }
  if (!sequence.is_scoring()) {
    for (std::unique_ptr<Sequence> &follower : std::exchange(sequence.request->followers, {})) {
      queue_.insert(std::move(follower));
    }
    may_admit_ = true;
  }
}

void Scheduler::end_with_prompt(Sequence &sequence) {
  LiveRequest &request = *sequence.request;
  request.usage.ttft_ms = ms_between(request.submitted_ns, clock_.now_ns());
  finish_choice(sequence, FinishReason::kLength);
}

} // namespace llamabox
