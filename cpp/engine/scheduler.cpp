#include "engine/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <utility>

namespace llamabox {
namespace {

// Rows that the next chunk cannot do without: a media span that must not be split.
std::int32_t n_min_rows(const Sequence &sequence) {
  const MediaSpan *span = sequence.prompt->span_of(sequence.n_past);
  return span && !span->can_split ? span->start + span->n_rows - sequence.n_past : 1;
}

// Rows of the next chunk that run in a step of their own.
std::int32_t n_alone_rows(const Sequence &sequence) {
  const MediaSpan *span = sequence.prompt->span_of(sequence.n_past);
  return span && span->alone ? span->start + span->n_rows - sequence.n_past : 0;
}

} // namespace

Scheduler::Scheduler(SchedulerContext context)
    : models_(context.models), params_(context.params), limits_(models_.runner->limits()),
      clock_(context.clock), registry_(context.registry), channel_(context.channel),
      shared_stats_(context.stats), turns_(context.turns), slots_(params_.n_slots),
      cache_(*models_.kv, params_.cache_ram_bytes), admission_(slots_, queue_, cache_),
      speculation_(params_.speculation, models_.proposer.get(), cost_),
      // Rejected drafts are cut off again, which memory with recurrent state cannot do.
      can_draft_(speculation_.is_on() && cache_.traits().can_cut),
      can_shift_(params_.context_shift && cache_.traits().can_shift),
      keeps_states_(params_.cache_ram_bytes > 0 && cache_.needs_states()),
      sampler_pool_(models_.crew.get(), limits_.n_vocab), encodes_(models_.texts.get(), clock_) {
  for (const LoraInfo &lora : models_.info.loras) {
    const auto id = static_cast<std::int32_t>(default_loras_.size());
    default_loras_.push_back({id, lora.scale});
  }
  stats_.n_slots = params_.n_slots;
  stats_.n_kv_cells = cache_.traits().n_cells;
  describe_slots();
  shared_stats_.set(stats_);
}

void Scheduler::step(std::vector<Arrival> arrivals) {
  ended_something_ = false;
  for (Arrival &arrival : arrivals) {
    take_in(std::move(arrival));
  }
  end_cancelled();
  cache_.set_streaming(slots_.streams());
  admit();
  copy_parked();
  StepPlan step_plan = plan();
  last_had_prefill_ = !step_plan.prefills.empty();
  PackedStep packed;
  const ComputeTurn turn(turns_);
  const std::int64_t begin_ns = clock_.now_ns();
  draft(step_plan);
  const double draft_ms = ms_between(begin_ns, clock_.now_ns());
  DecodeStatus status = DecodeStatus::kNoCells;
  while (!step_plan.empty()) {
    packed = pack(step_plan);
    use_class(packed);
    status = packed.batch.empty() ? DecodeStatus::kNoCells : models_.runner->decode(packed.batch);
    if (status != DecodeStatus::kNoCells || !make_cells(step_plan)) {
      break;
    }
  }
  if (status == DecodeStatus::kOk) {
    note_states(packed);
    commit(packed);
    account(packed, draft_ms, ms_between(begin_ns, clock_.now_ns()));
  } else if (status == DecodeStatus::kFailed) {
    fail_decoded(packed);
  }
  encode();
  publish();
  const bool ran = status == DecodeStatus::kOk;
  check_invariants(ran ? static_cast<std::int32_t>(packed.batch.size()) : 0);
}

StepPlan Scheduler::plan() {
  std::vector<Candidate> candidates;
  candidates.reserve(slots_.bound().size());
  const std::int64_t now_ns = clock_.now_ns();
  for (const Sequence *sequence : slots_.bound()) {
    Candidate candidate;
    candidate.is_due = sequence->is_due(now_ns) && !cache_.is_restoring(sequence->seq);
    candidate.slot = sequence->slot;
    candidate.decoding = sequence->phase == Phase::kDecode;
    candidate.n_past = sequence->n_past;
    candidate.n_left = sequence->n_left();
    candidate.n_min = n_min_rows(*sequence);
    candidate.n_alone = n_alone_rows(*sequence);
    candidate.n_skipped = sequence->n_skipped;
    candidate.order = sequence->order;
    candidate.class_key = sequence->class_key;
    candidate.n_draft_max = n_draft_max(*sequence, now_ns);
    candidate.is_scoring = sequence->is_scoring();
    candidate.has_media = !sequence->prompt->media.empty();
    candidates.push_back(candidate);
  }
  n_last_held_ = hold_back(candidates);
  if (candidates.empty()) {
    return {};
  }
  const ClassKey turn = class_turn_.next(candidates, now_ns);
  const StepLoad decodes = decode_load(candidates, turn);
  const double itl_ms = itl_target_ms(params_.itl_target_ms, candidates, cost_.ms_of(decodes));
  const double target_ms = step_target_ms(candidates, itl_ms);
  std::erase_if(candidates, [turn](const Candidate &c) { return c.class_key != turn; });
  const PrefillBudget budget = cost_.prefill_within(target_ms, decodes);
  // Whoever names a target gets it.
  const double more_ms = params_.itl_target_ms ? 0 : (kTileStretch - 1) * target_ms;
  return plan_step(candidates, {limits_.n_batch, limits_.n_ubatch, budget, budget.ms + more_ms,
                                limits_.n_outputs});
}

PackedStep Scheduler::pack(const StepPlan &step_plan) {
  PackedStep packed;
  packed.parts.reserve(step_plan.decodes.size() + step_plan.prefills.size());
  packed.batch.reserve(step_plan.n_rows());
  for (const auto *rows : {&step_plan.decodes, &step_plan.prefills}) {
    for (const PlannedRows &planned : *rows) {
      Sequence &sequence = slots_.at(planned.slot);
      const auto found = drafts_.find(planned.slot);
      const bool has_draft = found != drafts_.end() && planned.n_draft > 0;
      pack_rows(packed, sequence, planned.n_rows, has_draft ? found->second : Draft{});
    }
  }
  return packed;
}

void Scheduler::use_class(const PackedStep &step) {
  n_last_classes_ = 0;
  for (const PackedRows &part : step.parts) {
    const Sequence &sequence = *part.sequence;
    if (n_last_classes_ == 0 || sequence.class_key != active_class_) {
      ++n_last_classes_;
    }
    if (sequence.class_key != active_class_) {
      models_.runner->set_loras(*sequence.loras);
      active_class_ = sequence.class_key;
    }
  }
}

bool Scheduler::make_cells(StepPlan &step_plan) {
  if (admission_.evict_retained(static_cast<std::int32_t>(step_plan.n_rows())) ||
      shrink(step_plan)) {
    return true;
  }
  if (Sequence *victim = admission_.victim()) {
    ++stats_.n_preempted;
    may_admit_ = true;
    if (can_resume(*victim)) {
      admission_.preempt(*victim);
    } else {
      finish_choice(*victim, FinishReason::kLength); // its KV becomes a retained prefix
    }
    const auto is_gone = [&](const PlannedRows &rows) { return !slots_.is_bound(rows.slot); };
    std::erase_if(step_plan.decodes, is_gone);
    std::erase_if(step_plan.prefills, is_gone);
    if (step_plan.empty()) {
      step_plan = plan();
    }
    return true;
  }
  // What is left runs alone and still finds no cell: it can never fit.
  const std::vector<Sequence *> last = slots_.bound();
  for (Sequence *sequence : last) {
    const Error error(ErrorCode::kContextExceeded,
                      "the KV cache has no room left for a sequence of " +
                          std::to_string(sequence->n_tokens()) + " tokens");
    end_request(*sequence->request, &error, nullptr);
  }
  return false;
}

void Scheduler::fail_decoded(const PackedStep &step) {
  const Error error(ErrorCode::kInternal, "the model failed to decode this request");
  std::vector<LiveRequest *> failed;
  for (const PackedRows &part : step.parts) {
    // What KV holds after a failure is unknown, so none of it may be reused.
    cache_.forget(part.sequence->seq);
    if (std::ranges::find(failed, part.sequence->request) == failed.end()) {
      failed.push_back(part.sequence->request);
    }
  }
  for (LiveRequest *request : failed) {
    end_request(*request, &error, nullptr);
  }
}

void Scheduler::commit(const PackedStep &step) {
  const std::int64_t now_ns = clock_.now_ns();
  for (Sequence *sequence : slots_.bound()) {
    // Whom its pace holds back is not passed over.
    sequence->n_skipped += sequence->is_due(now_ns) ? 1 : 0;
  }
  events_.reserve(events_.size() + step.parts.size());
  // All memory first: a sequence that ends while others are verified must find it consistent.
  for (const PackedRows &part : step.parts) {
    Sequence &sequence = *part.sequence;
    cache_.append(sequence.seq, sequence.keys_at(sequence.n_past, part.n_committed));
    const std::vector<std::int64_t> draft_keys(part.draft.tokens.begin(), part.draft.tokens.end());
    cache_.append(sequence.seq, draft_keys);
    sequence.n_past += part.n_committed;
    sequence.n_skipped = 0;
    if (sequence.is_kept_at(sequence.n_past)) {
      cache_.keep_state(sequence.seq);
    }
    if (sequence.is_scoring()) {
      score(part);
    }
  }
  sample(step);
  auto job = sampler_pool_.jobs().begin();
  for (const PackedRows &part : step.parts) {
    if (part.samples) {
      settle(part, (job++)->verdict);
    } else if (part.sequence->ends_with_prompt() && part.sequence->n_left() == 0) {
      end_with_prompt(*part.sequence);
    }
  }
  // Only now, since another part may belong to the same request.
  for (const auto &[request, error] : std::exchange(unsampled_, {})) {
    end_request(*request, &error, nullptr);
  }
}

// What every sequence says next; nothing but samplers changes.
void Scheduler::sample(const PackedStep &step) {
  sampler_pool_.clear();
  for (const PackedRows &part : step.parts) {
    if (part.samples) {
      Sequence &sequence = *part.sequence;
      SampleJob &job = sampler_pool_.add(*sequence.sampler, part.draft, sequence.drafts.random);
      const std::int32_t first = part.first_row + part.n_committed - 1;
      for (std::int32_t i = 0; i <= static_cast<std::int32_t>(part.draft.tokens.size()); ++i) {
        job.rows.push_back(models_.runner->logits(first + i));
      }
    }
  }
  sampler_pool_.run();
}

void Scheduler::settle(const PackedRows &part, const Verdict &verdict) {
  Sequence &sequence = *part.sequence;
  const std::int32_t first = part.first_row + part.n_committed - 1;
  FinishReason reason = FinishReason::kNone;
  may_admit_ = may_admit_ || sequence.phase == Phase::kPrefill; // others wait for its prompt
  sequence.phase = Phase::kDecode;
  std::int32_t n_kept = 0; // accepted drafts that the text goes on behind
  for (std::int32_t i = 0; i < std::ssize(verdict.tokens) && reason == FinishReason::kNone; ++i) {
    const Token token = verdict.tokens[static_cast<std::size_t>(i)];
    note_token(sequence, token, first + i);
    reason = accept(sequence, token);
    n_kept += i < verdict.n_accepted && reason == FinishReason::kNone ? 1 : 0;
  }
  sequence.n_past += n_kept;
  note_draft(sequence, static_cast<std::int32_t>(part.draft.tokens.size()), n_kept);
  cache_.trim(sequence.seq, sequence.n_past);
  if (reason == FinishReason::kNone && verdict.error) {
    return note_unsampled(*sequence.request, *verdict.error);
  }
  if (reason == FinishReason::kNone && sequence.n_tokens() >= limits_.n_ctx) {
    reason = make_context_room(sequence);
  }
  if (reason == FinishReason::kNone) {
    stream(sequence);
  } else {
    finish_choice(sequence, reason);
  }
}

void Scheduler::note_unsampled(LiveRequest &request, const Error &error) {
  const auto is_same = [&](const auto &entry) { return entry.first == &request; };
  if (std::ranges::none_of(unsampled_, is_same)) {
    unsampled_.emplace_back(&request, error);
  }
}

void Scheduler::account(const PackedStep &step, double draft_ms, double ms) {
  const double n_rows = static_cast<double>(step.batch.size());
  StepRan ran{.n_prefill_rows = step.n_prefill_rows, .ms = ms - draft_ms, .draft_ms = draft_ms};
  for (const PackedRows &part : step.parts) {
    ran.n_drafted += static_cast<std::int32_t>(part.draft.tokens.size());
  }
  speculation_.ran(ran);
  cost_.observe({step.n_decode_rows, step.n_prefill_rows, step.n_seen}, ms - draft_ms);
  stats_.step_ms.observe(ms);
  ++stats_.n_steps;
  stats_.n_prompt_tokens += static_cast<std::uint64_t>(step.n_prefill_rows);
  stats_.prefill_seconds += ms / 1e3 * step.n_prefill_rows / n_rows;
  stats_.decode_seconds += ms / 1e3 * step.n_decode_rows / n_rows;
}

std::int64_t Scheduler::wake_ns() const {
  if (!encodes_.empty() || (!queue_.empty() && (may_admit_ || slots_.n_busy() == 0))) {
    return 0;
  }
  const std::int64_t now_ns = clock_.now_ns();
  std::int64_t wake_ns = kNever;
  for (const Sequence *sequence : slots_.bound()) {
    if (sequence->is_due(now_ns)) {
      return 0;
    }
    wake_ns = std::min(wake_ns, sequence->request->pace.due_ns());
  }
  return deadlines_.empty() ? wake_ns : std::min(wake_ns, deadlines_.begin()->first);
}

EngineState Scheduler::state() const {
  EngineState state;
  for (const Sequence *sequence : slots_.bound()) {
    SequenceState one;
    one.slot = slots_.seat_of(sequence);
    one.bound_to = sequence->slot;
    one.phase = sequence->phase;
    one.n_tokens = sequence->n_tokens();
    one.n_past = sequence->n_past;
    one.n_kv = models_.kv->length(sequence->seq);
    one.n_cached = cache_.length(sequence->seq);
    state.bound.push_back(one);
  }
  state.n_waiting = queue_.size();
  state.n_batch = limits_.n_batch;
  state.n_rows = n_last_rows_;
  state.n_held = n_last_held_;
  state.n_classes = n_last_classes_;
  state.n_cells = cache_.traits().n_cells;
  state.n_cells_used = cache_.n_used();
  for (const auto &[id, request] : live_) {
    state.n_open_choices += request->n_open;
    state.n_waiting += static_cast<std::int32_t>(request->followers.size());
  }
  state.ended_something = ended_something_;
  return state;
}

void Scheduler::check_invariants(std::int32_t n_rows) {
  n_last_rows_ = n_rows;
#ifndef NDEBUG
  if (const auto broken = broken_invariant(state())) {
    throw std::logic_error("broken invariant " + *broken);
  }
#endif
}

} // namespace llamabox
