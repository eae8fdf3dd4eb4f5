// Lets waiting sequences onto slots when a slot and enough KV cells are free, and takes KV away
// again: retained prefixes first, then the sequence that is last in rank.
// Thread rule: engine thread. Guarantee: the sequence that is first in rank is never preempted, so
// something always progresses (inv.progress).
// Covered by admission_test.
#pragma once

#include "engine/sequence.h"
#include "engine/slot_table.h"
#include "engine/wait_queue.h"
#include "kv/prefix_cache.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace llamabox {

// Whether what it says does not depend on KV that a prefill cannot make again.
inline bool can_resume(const Sequence &sequence) {
  return !sequence.has_moved_cells || sequence.n_generated() == 0;
}

// Where a waiting sequence goes and what it finds there.
struct Takeover {
  std::int32_t slot = kNoSlot;
  Pos n_past = 0;
  bool has_moved_cells = false;
};

class Admission {
public:
  // Without `cache_prompt` only the choices of one request share their prompt.
  Admission(SlotTable &slots, WaitQueue &queue, PrefixCache &cache, bool cache_prompt = true)
      : slots_(slots), queue_(queue), cache_(cache), cache_prompt_(cache_prompt) {}

  // Binds every waiting sequence that fits now, in queue order; returns them.
  std::vector<Sequence *> admit();

  // Drops the least recently used prefix that no running sequence holds. False: there is none.
  bool evict_retained();

  // Drops retained prefixes until n cells are free beside `kept`, which counts as empty. False:
  // running sequences hold too many; nothing is dropped then.
  bool make_free(std::int32_t n, SeqId kept);

  // Lets retained prefixes drop what they share with a running sequence beyond its first n tokens.
  // False: another running or a pinned sequence shares that too.
  bool make_private(SeqId slot, Pos n);

  // Who gives way when no cell is left: one that can resume before one whose cells were moved, the
  // last in rank (the youngest, the lowest priority) first; never the first. Null when only one
  // runs.
  Sequence *victim() const;

  // Takes slot and KV from a running sequence and puts it back into the queue; returns the tokens
  // of KV that it lost. REQUIRES: can_resume(sequence).
  Pos preempt(const Sequence &sequence);

private:
  Takeover take_prefix(const Sequence &next, std::span<const SeqId> free);
  bool may_move_cells(const Sequence &sequence) const;
  bool make_room(const Sequence &sequence, SeqId slot);
  SeqId least_recent_retained(SeqId except) const; // -1: none that would free a cell
  bool has_sibling(const Sequence &sequence) const;
  bool waits_for_sibling(const Sequence &sequence) const;
  std::int32_t choose_slot(const PrefixMatch &match, std::span<const SeqId> free) const;

  SlotTable &slots_;
  WaitQueue &queue_;
  PrefixCache &cache_;
  const bool cache_prompt_;
};

} // namespace llamabox
