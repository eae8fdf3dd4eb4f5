// Scheduler's last phases: what a new token means, and what leaves the engine.
#include "engine/logprobs.h"
#include "engine/scheduler.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace llamabox {
namespace {

// Counts the tokens since the last call by what the parser took their text for.
void count_reasoning(Sequence &sequence) {
  const std::int32_t n_new = sequence.n_generated() - sequence.n_classified;
  sequence.n_classified += n_new;
  if (sequence.parser->in_reasoning()) {
    sequence.request->usage.n_reasoning += n_new;
  }
}

} // namespace

FinishReason Scheduler::accept(Sequence &sequence, Token token) {
  LiveRequest &request = *sequence.request;
  request.last_token_ns = clock_.now_ns();
  if (request.first_token_ns == 0) {
    request.first_token_ns = request.last_token_ns;
    request.usage.ttft_ms = ms_between(request.submitted_ns, request.first_token_ns);
    stats_.ttft_ms.observe(request.usage.ttft_ms);
  }
  if (sequence.last_token_ns != 0) {
    stats_.itl_ms.observe(ms_between(sequence.last_token_ns, request.last_token_ns));
  }
  sequence.last_token_ns = request.last_token_ns;
  request.pace.take(request.last_token_ns);
  ++request.usage.n_generated;
  ++stats_.n_generated_tokens;
  sequence.push(token);
  const bool is_end = models_.vocab->is_end_of_generation(token);
  // What ends an answer is no part of one that is read for calls and reasoning.
  const bool is_shown = params_.render_special && (!is_end || !sequence.parser);
  if (is_end && !is_shown) {
    return FinishReason::kStop;
  }
  const std::string piece = models_.vocab->piece(token, is_shown || sequence.shows(token));
  if (sequence.text.feed(piece) || is_end) {
    return FinishReason::kStop;
  }
  if (sequence.parser && sequence.parser->is_over()) {
    return FinishReason::kStop;
  }
  // A text that may outlive its context and has no limit of its own ends after one context.
  const std::int32_t n_default = sequence.shifts ? limits_.n_ctx : INT32_MAX;
  const std::int32_t n_max = sequence.max_tokens >= 0 ? sequence.max_tokens : n_default;
  const bool is_full = !sequence.shifts && sequence.n_tokens() >= limits_.n_ctx;
  return is_full || sequence.n_generated() >= n_max ? FinishReason::kLength : FinishReason::kNone;
}

// Called before accept(); a token that only ends the text is no part of it.
void Scheduler::note_token(Sequence &sequence, Token token, std::int32_t row) {
  if (models_.vocab->is_end_of_generation(token)) {
    return;
  }
  if (sequence.n_logprobs >= 0) {
    const std::span<const float> logits = models_.runner->logits(row);
    sequence.logprobs.push_back(token_logprobs(logits, token, sequence.n_logprobs, *models_.vocab));
  }
  if (sequence.return_tokens) {
    sequence.new_tokens.push_back(token);
  }
}

void Scheduler::stream(Sequence &sequence) {
  Event &event = events_.emplace_back();
  event.request = sequence.request->id;
  event.choice = sequence.choice;
  event.text = sequence.text.take();
  if (sequence.parser) {
    OutputDelta delta = sequence.parser->feed(event.text);
    count_reasoning(sequence);
    event.text = std::move(delta.text);
    event.reasoning = std::move(delta.reasoning);
    event.tool_calls = std::move(delta.tool_calls);
  }
  event.slot = sequence.slot;
  event.logprobs = std::exchange(sequence.logprobs, {});
  event.tokens = std::exchange(sequence.new_tokens, {});
  if (event.text.empty() && event.reasoning.empty() && event.tool_calls.empty() &&
      event.logprobs.empty() && event.tokens.empty()) {
    events_.pop_back();
  }
}

void Scheduler::encode() {
  if (encodes_.empty()) {
    return;
  }
  const std::int64_t begin_ns = clock_.now_ns();
  EncodePass pass = encodes_.run(slots_.n_busy() > 0, default_loras_);
  stats_.n_encode_passes += pass.n_tokens > 0 ? 1 : 0;
  stats_.n_encoded_texts += static_cast<std::uint64_t>(pass.n_texts);
  stats_.n_prompt_tokens += static_cast<std::uint64_t>(pass.n_tokens);
  stats_.prefill_seconds += pass.ms / 1e3;
  for (const RequestId id : pass.begun) {
    note_encoded(*live_.at(id), begin_ns);
  }
  for (EncodePass::Ended &ended : pass.ended) {
    LiveRequest &request = *live_.at(ended.id);
    request.usage.ttft_ms = ms_between(request.submitted_ns, clock_.now_ns());
    if (!ended.error) {
      stats_.e2e_ms.observe(request.usage.ttft_ms);
    }
    end_request(request, ended.error ? &*ended.error : nullptr, std::move(ended.result));
  }
}

// Its first text was in a pass: it waits no longer.
void Scheduler::note_encoded(LiveRequest &request, std::int64_t begin_ns) {
  request.admitted = true;
  request.usage.queue_ms = ms_between(request.submitted_ns, begin_ns);
  registry_.admitted(request.id);
  stats_.queue_ms.observe(request.usage.queue_ms);
  stats_.prompt_tokens.observe(request.usage.n_prompt);
}

void Scheduler::finish_choice(Sequence &sequence, FinishReason reason) {
  LiveRequest &request = *sequence.request;
  Event event;
  event.request = request.id;
  event.kind = EventKind::kFinish;
  event.choice = sequence.choice;
  event.text = sequence.text.finish();
  event.slot = sequence.slot;
  event.logprobs = std::exchange(sequence.logprobs, {});
  event.tokens = std::exchange(sequence.new_tokens, {});
  event.stop_word = sequence.text.stop_word();
  event.finish = reason;
  if (sequence.parser) {
    OutputDelta fed = sequence.parser->feed(event.text);
    count_reasoning(sequence);
    OutputDelta rest = sequence.parser->finish();
    event.text = fed.text + rest.text;
    event.reasoning = fed.reasoning + rest.reasoning;
    event.tool_calls = std::move(fed.tool_calls);
    for (ToolCallDelta &call : rest.tool_calls) {
      event.tool_calls.push_back(std::move(call));
    }
    if (reason == FinishReason::kStop && sequence.parser->has_tool_calls()) {
      event.finish = FinishReason::kToolCalls;
    }
  }
  events_.push_back(std::move(event));
  stats_.output_tokens.observe(sequence.n_generated());
  admission_.release(sequence.slot); // its KV stays as a retained prefix
  may_admit_ = true;
  if (--request.n_open == 0) {
    end_request(request, nullptr, nullptr);
  }
}

void Scheduler::end_request(LiveRequest &request, const Error *error,
                            std::unique_ptr<Result> result) {
  std::int32_t n_waiting = request.n_open; // every open choice is bound or waits
  for (std::size_t at = slots_.bound().size(); at-- > 0;) {
    const Sequence *sequence = slots_.bound()[at];
    if (sequence->request == &request) {
      admission_.release(sequence->slot);
      --n_waiting;
    }
  }
  if (n_waiting > 0) {
    queue_.remove(&request);
  }
  may_admit_ = true;
  encodes_.remove(request.id);
  Event event;
  event.request = request.id;
  event.kind = EventKind::kDone;
  event.result = std::move(result);
  if (error) {
    event.finish = FinishReason::kError;
    event.error = error->code();
    event.message = error->what();
    event.param = error->param();
  } else if (request.cancelled->load(std::memory_order_acquire)) {
    event.finish = FinishReason::kCancelled;
  }
  if (request.first_token_ns != 0) {
    request.usage.decode_ms = ms_between(request.first_token_ns, request.last_token_ns);
    if (event.finish == FinishReason::kNone) {
      stats_.e2e_ms.observe(ms_between(request.submitted_ns, request.last_token_ns));
    }
  }
  event.usage = request.usage;
  stats_.n_draft_tokens += static_cast<std::uint64_t>(request.usage.n_draft);
  stats_.n_draft_accepted += static_cast<std::uint64_t>(request.usage.n_draft_accepted);
  events_.push_back(std::move(event));
  ended_something_ = true;
  registry_.ended(request.id);
  deadlines_.erase({request.deadline_ns, request.id});
  live_.erase(request.id);
}

void Scheduler::end_all(const Error &reason) {
  // Before any event: who reads one finds the engine as it is.
  stats_.healthy = reason.code() == ErrorCode::kUnavailable; // it was only stopped
  while (!live_.empty()) {
    end_request(*live_.begin()->second, &reason, nullptr);
  }
  publish();
}

void Scheduler::describe_slots() {
  stats_.slots.assign(static_cast<std::size_t>(slots_.n_slots()), SlotStats{});
  for (std::int32_t slot = 0; slot < slots_.n_slots(); ++slot) {
    SlotStats &stats = stats_.slots[static_cast<std::size_t>(slot)];
    const SeqId seq = cache_.seq_of(slot);
    stats.n_held = seq == kNoSeq ? 0 : cache_.length(seq);
    if (slots_.is_bound(slot)) {
      const Sequence &sequence = slots_.at(slot);
      stats.request = sequence.request->id;
      stats.decoding = sequence.phase == Phase::kDecode;
      stats.n_prompt = sequence.prompt->size();
      stats.n_generated = sequence.n_generated();
    }
  }
}

void Scheduler::publish() {
  stats_.n_slots_busy = slots_.n_busy();
  stats_.n_waiting = registry_.n_waiting();
  stats_.n_kv_used = cache_.n_used();
  stats_.n_shared_tokens = cache_.n_shared_in_all();
  stats_.n_parked_tokens = cache_.parking().n_parked();
  stats_.n_parked_bytes = cache_.parking().n_bytes();
  describe_slots();
  shared_stats_.set(stats_); // whoever sees a request end finds its slot free
  channel_.push_batch(events_);
}

} // namespace llamabox
