// Scheduler's first phase: arrivals, cancellations, deadlines, admission.
#include "engine/context_shift.h"
#include "engine/scheduler.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>

namespace llamabox {
namespace {

Error too_long(std::int32_t n_prompt, std::int32_t n_ctx) {
  return {ErrorCode::kContextExceeded,
          "the prompt has " + std::to_string(n_prompt) + " tokens; the context holds " +
              std::to_string(n_ctx) + ", one of them for the answer",
          "prompt"};
}

Error too_late(const LiveRequest &request) {
  const char *phase = request.first_token_ns != 0 ? "its answer was generated"
                      : request.admitted          ? "its text was read"
                                                  : "it waited";
  return {ErrorCode::kDeadlineExceeded,
          std::string("the request's time limit passed while ") + phase, "X-Request-Timeout"};
}

Error no_such_slot(std::int32_t slot, std::int32_t n_slots) {
  return {ErrorCode::kInvalidArgument,
          "there is no slot " + std::to_string(slot) + "; the server has " +
              std::to_string(n_slots),
          "id_slot"};
}

// A prompt of text without blocks of its middle; null where it cannot be made to fit.
std::shared_ptr<const Prompt> shortened(const Prompt &prompt, std::int32_t n_keep,
                                        std::int32_t n_ctx) {
  const auto kept = std::make_shared<Prompt>();
  kept->tokens = without_blocks(prompt.tokens, n_keep < 0 ? prompt.size() : n_keep, n_ctx);
  return kept->tokens.empty() ? nullptr : kept;
}

} // namespace

void Scheduler::take_in(Arrival arrival) {
  auto owned = std::make_unique<LiveRequest>();
  LiveRequest &request = *owned;
  request.id = arrival.ticket.id;
  request.cancelled = arrival.ticket.cancelled;
  request.submitted_ns = arrival.submitted_ns;
  request.deadline_ns = arrival.deadline_ns();
  live_.emplace(request.id, std::move(owned));
  if (request.deadline_ns != kNever) {
    deadlines_.emplace(request.deadline_ns, request.id);
  }
  ++stats_.n_requests;
  if (request.cancelled->load(std::memory_order_acquire)) {
    end_request(request, nullptr, nullptr);
    return;
  }
  if (arrival.error) {
    end_request(request, &*arrival.error, nullptr);
  } else if (auto *side = std::get_if<SideRequest>(&arrival.request.body)) {
    run_side_call(request, side->call);
  } else if (std::holds_alternative<EncodeRequest>(arrival.request.body)) {
    take_in_encode(std::move(arrival), request);
  } else if (arrival.result) {
    request.usage.n_prompt = static_cast<std::int32_t>(arrival.result->tokens.size());
    end_request(request, nullptr, std::move(arrival.result));
  } else {
    take_in_generate(std::move(arrival), request);
  }
}

// Whether it can ever run; a prompt that is too long loses blocks where its text may shift.
std::optional<Error> Scheduler::refusal_of(Arrival &arrival, LiveRequest &request) const {
  const auto &generate = std::get<GenerateRequest>(arrival.request.body);
  const std::int32_t n_most = std::min(limits_.n_ctx, cache_.traits().n_cells);
  if (const std::int32_t n_whole = arrival.prompt->size(); n_whole >= n_most) {
    const std::int32_t n_keep = generate.n_keep.value_or(params_.n_keep);
    arrival.prompt = may_shift(arrival) ? shortened(*arrival.prompt, n_keep, n_most) : nullptr;
    if (!arrival.prompt) {
      return too_long(n_whole, n_most);
    }
    request.usage.n_dropped = n_whole - arrival.prompt->size();
  }
  if (generate.slot < kNoSlot || generate.slot >= slots_.n_slots()) {
    return no_such_slot(generate.slot, slots_.n_slots());
  }
  const std::int32_t n_least = least_discard(limits_.n_ctx);
  if (generate.n_discard < 0 || (generate.n_discard > 0 && generate.n_discard < n_least)) {
    return Error(ErrorCode::kInvalidArgument,
                 "n_discard is " + std::to_string(generate.n_discard) +
                     "; it must be 0, for half, or at least " + std::to_string(n_least),
                 "n_discard");
  }
  for (const MediaSpan &span : arrival.prompt->media) {
    if (auto error = too_large(span, limits_)) {
      return error;
    }
  }
  const std::int64_t n_queue = std::int64_t{params_.n_queue_contexts} * cache_.traits().n_cells;
  if (!queue_.empty() && queue_.n_prompt_tokens() + arrival.prompt->size() > n_queue) {
    return Error(ErrorCode::kQueueFull, "too many prompt tokens are waiting");
  }
  return std::nullopt;
}

void Scheduler::take_in_generate(Arrival arrival, LiveRequest &request) {
  if (const auto error = refusal_of(arrival, request)) {
    return end_request(request, &*error, nullptr);
  }
  const auto &generate = std::get<GenerateRequest>(arrival.request.body);
  const std::int32_t n_keep = generate.n_keep.value_or(params_.n_keep);
  const std::int32_t n_prompt = arrival.prompt->size();
  const LoraClass lora_class = lora_sets_.find(generate.loras.value_or(default_loras_));
  // Without a prompt cache only the choices of a request share what they begin with.
  const std::uint64_t group =
      params_.cache_prompt ? groups_.find(generate.share_group) : groups_.next();
  request.usage.n_prompt = n_prompt;
  request.usage.n_image = arrival.prompt->n_media_rows(MediaKind::kImage);
  request.usage.audio_seconds = arrival.prompt->audio_seconds;
  request.usage.n_audio = arrival.prompt->n_media_rows(MediaKind::kAudio);
  stats_.n_media_encoded += arrival.n_media_encoded;
  stats_.n_media_cached += arrival.n_media_cached;
  request.n_open = generate.n;
  request.pace = Pace(generate.tokens_per_second);
  for (std::int32_t choice = 0; choice < generate.n; ++choice) {
    auto sequence = std::make_unique<Sequence>();
    sequence->request = &request;
    sequence->choice = choice;
    sequence->order = ++n_arrived_;
    sequence->rank_ns = arrival.submitted_ns - arrival.request.priority * kPriorityNs;
    sequence->class_key = lora_class.key;
    sequence->loras = lora_class.set;
    sequence->group = group;
    sequence->prompt = arrival.prompt;
    sequence->tokens = arrival.prompt->tokens;
    sequence->keys = arrival.prompt->prefix_keys();
    sequence->max_tokens = generate.max_tokens;
    sequence->shifts = may_shift(arrival);
    sequence->n_keep = n_keep < 0 ? n_prompt : n_keep;
    keep_states(*sequence);
    sequence->n_discard = generate.n_discard;
    // Choices share their prompt, which only cells of a prefill can be.
    sequence->n_cache_reuse = generate.n == 1 && !generate.score_prompt
                                  ? generate.n_cache_reuse.value_or(params_.n_cache_reuse)
                                  : 0;
    sequence->wanted_slot = generate.slot;
    allow_drafts(*sequence, generate);
    sequence->return_tokens = generate.return_tokens;
    sequence->sampler = std::move(arrival.samplers[static_cast<std::size_t>(choice)]);
    sequence->text = TextAssembler(arrival.stop);
    sequence->n_logprobs = generate.n_logprobs;
    sequence->scores_prompt = generate.score_prompt && choice == 0;
    sequence->parser = arrival.make_parser ? arrival.make_parser() : nullptr;
    sequence->shown_tokens = arrival.shown_tokens;
    if (generate.score_prompt && choice > 0) {
      request.followers.push_back(std::move(sequence));
    } else {
      queue_.insert(std::move(sequence));
    }
    may_admit_ = true;
  }
}

// The last token is run again whenever the prompt comes back. Where no end can be cut off, states
// farther and farther from it are for prompts that go on differently.
void Scheduler::keep_states(Sequence &sequence) const {
  constexpr Pos kFirstDistance = 256;
  constexpr Pos kLastDistance = 1 << 14;
  const Pos n = sequence.prompt->size() - 1;
  if (!keeps_states_ || n < Parking::kMinTokens || !sequence.prompt->media.empty()) {
    return;
  }
  sequence.keep_at(n);
  if (!cache_.traits().can_cut) {
    for (Pos back = kFirstDistance; back <= kLastDistance; back *= 4) {
      if (n - back >= Parking::kMinTokens) {
        sequence.keep_at(n - back);
      }
    }
  }
}

// A text whose seed is given must be the same again, so its drafts are only compared.
void Scheduler::allow_drafts(Sequence &sequence, const GenerateRequest &generate) const {
  if (can_draft_) {
    sequence.drafts.random.seed(std::random_device{}()); // costs as much as a step of many tokens
  }
  const std::int32_t n_most = params_.speculation.n_max;
  sequence.n_draft_max = generate.n_draft_max < 0 ? n_most : std::min(generate.n_draft_max, n_most);
  sequence.draft_temperature = generate.sampling.seed ? 0.0F : generate.sampling.temperature;
}

void Scheduler::take_in_encode(Arrival arrival, LiveRequest &request) {
  const auto &encode = std::get<EncodeRequest>(arrival.request.body);
  for (const std::vector<Token> &text : arrival.texts) {
    request.usage.n_prompt += static_cast<std::int32_t>(text.size());
  }
  try {
    encodes_.add({request.id, encode.kind, std::move(arrival.texts), encode.n_dims,
                  encode.normalize, arrival.request.priority, arrival.n_made_bytes});
  } catch (const Error &error) {
    end_request(request, &error, nullptr);
  }
}

void Scheduler::run_side_call(LiveRequest &request, const SideCall &call) {
  try {
    end_request(request, nullptr, std::make_unique<Result>(answer(call)));
  } catch (const Error &error) {
    if (error.code() == ErrorCode::kDeviceLost) {
      throw; // this request ends with all others
    }
    end_request(request, &error, nullptr);
  }
}

Result Scheduler::answer(const SideCall &call) {
  switch (call.kind) {
  case SideKind::kSetLora:
    default_loras_ = call.loras;
    return {};
  case SideKind::kSlotSave:
    return save_slot(call);
  case SideKind::kSlotRestore:
    return restore_slot(call);
  case SideKind::kSlotErase:
    break;
  }
  return erase_slot(call);
}

void Scheduler::end_cancelled() {
  for (const RequestId id : registry_.take_cancelled()) {
    if (const auto found = live_.find(id); found != live_.end()) {
      end_request(*found->second, nullptr, nullptr);
    }
  }
  const std::int64_t now_ns = clock_.now_ns();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ns) {
    LiveRequest &request = *live_.at(deadlines_.begin()->second);
    const Error error = too_late(request);
    end_request(request, &error, nullptr); // takes it out of deadlines_
  }
}

void Scheduler::admit() {
  // A queue that could not go on before cannot now, unless something of what it waits for changed.
  if (queue_.empty() || (!may_admit_ && !last_had_prefill_ && slots_.n_busy() > 0)) {
    return;
  }
  const std::int64_t now_ns = clock_.now_ns();
  may_admit_ = false;
  for (Sequence *sequence : admission_.admit()) {
    LiveRequest &request = *sequence->request;
    if (!request.admitted) {
      request.admitted = true;
      request.usage.n_cached = sequence->n_past;
      request.usage.queue_ms = ms_between(request.submitted_ns, now_ns);
      registry_.admitted(request.id);
      stats_.queue_ms.observe(request.usage.queue_ms);
      stats_.prompt_tokens.observe(request.usage.n_prompt);
    }
    stats_.n_looked_up_tokens += static_cast<std::uint64_t>(sequence->n_tokens());
    stats_.n_cached_tokens += static_cast<std::uint64_t>(sequence->n_past);
    const Pos n_found = std::max(sequence->n_past, cache_.restoring_to(sequence->seq));
    const Pos n_joined = std::min(std::exchange(sequence->n_joined, 0), n_found);
    stats_.n_joined_tokens += static_cast<std::uint64_t>(n_joined);
    const Pos n_lost = std::exchange(sequence->n_given_up, 0) - n_found;
    stats_.n_preempted_tokens += static_cast<std::uint64_t>(std::max(n_lost, 0));
  }
}

} // namespace llamabox
