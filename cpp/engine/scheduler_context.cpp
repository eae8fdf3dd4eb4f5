// What the scheduler does with the KV of a slot beside running it: a full context loses tokens, and
// a slot that nobody uses is saved, restored or erased.
#include "engine/context_shift.h"
#include "engine/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace llamabox {
namespace {

std::string named(std::int32_t slot) { return "slot " + std::to_string(slot); }

Error holds_nothing(std::int32_t slot) {
  return {ErrorCode::kNotFound, named(slot) + " holds nothing that could be saved", "id_slot"};
}

bool is_text(const SavedPrefix &prefix) {
  return std::ranges::none_of(prefix.keys, [](std::int64_t key) { return key < 0; });
}

} // namespace

FinishReason Scheduler::make_context_room(Sequence &sequence) {
  const SeqId seq = sequence.seq;
  const DroppedRange range =
      range_to_drop(sequence.n_past, sequence.n_keep, limits_.n_ctx, sequence.n_discard);
  if (!sequence.shifts || range.size() == 0) {
    return FinishReason::kLength;
  }
  if (admission_.make_private(seq, range.end)) {
    cache_.drop(seq, range.begin, range.end);
    sequence.n_past -= range.size();
    sequence.has_moved_cells = true;
  } else {
    // Moving a cell moves it for all who hold it, so the rest is computed anew in its new place.
    sequence.n_past = cache_.trim_to_usable(seq, range.begin);
    sequence.phase = Phase::kPrefill;
  }
  sequence.drop(range.begin, range.end);
  sequence.request->usage.n_dropped += range.size();
  ++stats_.n_context_shifts;
  return FinishReason::kNone;
}

// Copies between RAM and KV take a part of a step beside running streams, else as long as a step
// may take; one piece at least comes back.
void Scheduler::copy_parked() {
  constexpr double kShare = 0.25;
  constexpr double kLeastTargetMs = 50; // where the target is chosen by what steps cost
  const std::int64_t begin_ns = clock_.now_ns();
  const double most_ms =
      params_.itl_target_ms.value_or(kLeastTargetMs) * (slots_.streams() ? kShare : 1);
  bool has_time = true;
  const auto note_time = [&] { has_time = ms_between(begin_ns, clock_.now_ns()) < most_ms; };
  for (Sequence *sequence : slots_.bound()) {
    while (has_time && cache_.is_restoring(sequence->seq)) {
      note_restored(*sequence, cache_.restore_piece(sequence->seq, sequence->keys));
      note_time();
    }
  }
  while (has_time && cache_.park_piece()) {
    note_time();
  }
}

void Scheduler::note_restored(Sequence &sequence, Pos n) {
  sequence.n_past += n;
  stats_.n_restored_tokens += static_cast<std::uint64_t>(n);
  stats_.n_cached_tokens += static_cast<std::uint64_t>(n);
  if (sequence.n_generated() == 0 && sequence.choice == 0) {
    sequence.request->usage.n_cached += n;
  }
}

void Scheduler::check_idle(std::int32_t slot) const {
  if (slot < 0 || slot >= slots_.n_slots()) {
    throw Error(ErrorCode::kNotFound, "there is no " + named(slot), "id_slot");
  }
  if (slots_.is_bound(slot)) {
    throw Error(ErrorCode::kUnavailable, named(slot) + " is busy", "id_slot");
  }
}

Result Scheduler::save_slot(const SideCall &call) {
  check_idle(call.slot);
  const SeqId seq = cache_.seq_of(call.slot);
  const auto loras = seq == kNoSeq ? nullptr : lora_sets_.set_of(cache_.root(seq).class_key);
  SavedPrefix prefix = loras ? cache_.save(seq) : SavedPrefix{};
  if (prefix.keys.empty()) {
    throw holds_nothing(call.slot);
  }
  if (!is_text(prefix)) {
    throw Error(ErrorCode::kUnsupported, named(call.slot) + " holds media, which is not saved",
                "id_slot");
  }
  Result result;
  result.n_slot_tokens = static_cast<std::int32_t>(prefix.keys.size());
  result.saved = std::make_shared<SavedSlot>();
  result.saved->tokens.assign(prefix.keys.begin(), prefix.keys.end());
  result.saved->n_exact = prefix.n_exact;
  result.saved->state = std::move(prefix.state);
  for (const LoraScale &lora : *loras) {
    result.saved->loras.emplace_back(lora.id, lora.scale);
  }
  return result;
}

Result Scheduler::restore_slot(const SideCall &call) {
  check_idle(call.slot);
  const auto n_tokens = static_cast<Pos>(call.saved ? call.saved->tokens.size() : 0);
  if (n_tokens == 0 || call.saved->n_exact < 0 || call.saved->n_exact > n_tokens) {
    throw Error(ErrorCode::kInvalidArgument, "there is nothing to restore", "filename");
  }
  if (n_tokens > limits_.n_ctx || !admission_.make_free(n_tokens, cache_.seq_of(call.slot))) {
    throw Error(ErrorCode::kInvalidArgument,
                "the " + std::to_string(n_tokens) + " tokens of the file do not fit into KV now",
                "filename");
  }
  LoraSet loras;
  for (const auto &[id, scale] : call.saved->loras) {
    if (id < 0 || static_cast<std::size_t>(id) >= models_.info.loras.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "the file needs adapter " + std::to_string(id) + ", which is not loaded",
                  "filename");
    }
    loras.push_back({id, scale});
  }
  SavedPrefix prefix;
  prefix.keys.assign(call.saved->tokens.begin(), call.saved->tokens.end());
  prefix.n_exact = call.saved->n_exact;
  prefix.state = std::move(call.saved->state);
  if (!cache_.restore(call.slot, prefix,
                      {lora_sets_.find(loras).key, groups_.find(call.share_group)})) {
    throw Error(ErrorCode::kInvalidArgument,
                "the model's memory does not take the state of the file; nothing has changed",
                "filename");
  }
  Result result;
  result.n_slot_tokens = n_tokens;
  return result;
}

Result Scheduler::erase_slot(const SideCall &call) {
  check_idle(call.slot);
  Result result;
  if (const SeqId seq = cache_.seq_of(call.slot); seq != kNoSeq) {
    result.n_slot_tokens = cache_.length(seq);
    cache_.forget(seq);
  }
  return result;
}

} // namespace llamabox
