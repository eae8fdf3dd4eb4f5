// The model's memory of sequences: what it is, what it allows, and the few operations the engine
// needs. Kinds differ in whether a tail can be removed and a prefix shared; the engine asks
// usable_prefix() instead of knowing the kinds, and the cold path is always right.
// Thread rule: engine thread, except traits(). Covered by prefix_cache_test and kv_memory_test.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

enum class KvKind : std::uint8_t { kUnified, kSplit, kSlidingWindow, kRecurrent, kHybrid };

struct KvTraits {
  KvKind kind = KvKind::kUnified;
  std::int32_t n_seqs = 1;         // sequence ids there are, from 0; at least one for each slot
  std::int32_t n_cells = 0;        // cells of the pool that sequences compete for
  std::int32_t n_window_cells = 0; // cells of the second pool of a sliding-window model, else 0
  std::int32_t n_window = 0;       // tokens a sliding-window layer sees, else 0
  bool can_share = false;          // share() costs no cells
  bool can_cut = true;             // any tail can be removed
  bool can_shift = false;          // drop() works: tokens inside a sequence can leave it
  bool can_copy_ranges = false;    // save_range() and restore_range() work
};

class KvMemory {
public:
  virtual ~KvMemory() = default;

  virtual KvTraits traits() const = 0;

  // Tokens of `seq` that are held, from position 0.
  virtual Pos length(SeqId seq) const = 0;

  // The longest prefix of at most n tokens to which trim() can go and from which decoding can
  // continue; 0 when it is all or nothing and n asks for less than all.
  virtual Pos usable_prefix(SeqId seq, Pos n) const = 0;

  // Keeps the first n tokens. REQUIRES: n == usable_prefix(seq, n).
  virtual void trim(SeqId seq, Pos n) = 0;

  // Lets `to` hold the first n tokens of `from` too. REQUIRES: traits().can_share, `to` is empty,
  // n == usable_prefix(from, n).
  virtual void share(SeqId from, SeqId to, Pos n) = 0;

  // The tokens [begin, end) leave `seq`; those after them take their positions. What they were
  // computed with stays in them, so they are not what a cold prefill would give. Takes effect with
  // the next decode. REQUIRES: traits().can_shift, 0 <= begin < end <= length, no other sequence
  // holds a cell from `end` on.
  virtual void drop(SeqId seq, Pos begin, Pos end) = 0;

  // All that `seq` holds, for restore() on the same model and layout.
  // REQUIRES: a decode since the last drop().
  virtual std::vector<std::uint8_t> save(SeqId seq) = 0;

  // Lets `seq` hold what save() gave. False: it does not fit, or is of another layout; `seq` is
  // empty then. REQUIRES: bytes of save(), unchanged.
  virtual bool restore(SeqId seq, std::span<const std::uint8_t> state) = 0;

  // The tokens [begin, end) of `seq`, for restore_range(). REQUIRES of both:
  // traits().can_copy_ranges; of this one: they were not moved.
  virtual std::vector<std::uint8_t> save_range(SeqId seq, Pos begin, Pos end) = 0;

  // Appends what save_range() gave to `seq`, which holds the tokens before it. False: there are not
  // as many cells; nothing has changed.
  virtual bool restore_range(SeqId seq, std::span<const std::uint8_t> state) = 0;
};

} // namespace llamabox
