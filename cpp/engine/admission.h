// Lets waiting sequences onto slots when a slot and enough KV cells are free, and takes KV away
// again: retained prefixes first, then the youngest sequence.
// Thread rule: engine thread. Guarantee: the eldest sequence is never preempted for a younger one,
// so something always progresses (inv.progress).
// Covered by admission_test.
#pragma once

#include "engine/sequence.h"
#include "engine/slot_table.h"
#include "engine/wait_queue.h"
#include "kv/prefix_cache.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace llamabox {

class Admission {
public:
  // Without `cache_prompt` only the choices of one request share their prompt.
  Admission(SlotTable &slots, WaitQueue &queue, PrefixCache &cache, bool cache_prompt = true)
      : slots_(slots), queue_(queue), cache_(cache), cache_prompt_(cache_prompt) {}

  // Binds every waiting sequence that fits now, in queue order; returns them.
  std::vector<Sequence *> admit();

  // Drops the least recently used prefix that no running sequence holds. False: there is none.
  bool evict_retained();

  // Takes slot and KV from the youngest running sequence of the lowest priority and puts it back
  // into the queue; returns the tokens of KV that it lost. Nothing when only one runs.
  std::optional<Pos> preempt_youngest();

private:
  bool make_room(const Sequence &sequence, SeqId slot);
  SeqId least_recent_retained(SeqId except) const; // -1: none that would free a cell
  bool has_sibling(const Sequence &sequence) const;
  bool waits_for_sibling(const Sequence &sequence) const;
  std::int32_t choose_slot(const PrefixMatch &match, const std::vector<SeqId> &free) const;

  SlotTable &slots_;
  WaitQueue &queue_;
  PrefixCache &cache_;
  const bool cache_prompt_;
};

} // namespace llamabox
