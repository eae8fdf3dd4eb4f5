// Which prefix every sequence id holds in KV, and the longest one a new prompt can take over. The
// only caller of KvMemory, so that memory, keys and budget never disagree.
// Thread rule: engine thread. Guarantee: a match is a prefix of the prompt, of the same class, from
// which decoding can continue.
// Covered by prefix_cache_test with FakeKvMemory.
#pragma once

#include "base/types.h"
#include "kv/kv_budget.h"
#include "model/kv_memory.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

struct PrefixMatch {
  SeqId seq = -1; // -1: nothing in common
  Pos n = 0;
};

class PrefixCache {
public:
  PrefixCache(KvMemory &kv, std::int32_t n_seqs);

  // The longest prefix of at most keys.size() held by any sequence (running or retained) when the
  // memory shares, else by one of `free_seqs`. Among equals a free one
  // wins, then the one that holds least beyond: taking it over loses least.
  PrefixMatch best_match(std::span<const std::int64_t> keys, ClassKey class_key,
                         std::span<const SeqId> free_seqs) const;

  // The decode of these tokens of `seq` succeeded.
  void append(SeqId seq, std::span<const std::int64_t> keys);

  // Prepares `seq` to hold the matched prefix and nothing else; returns its length.
  Pos take_over(SeqId seq, const PrefixMatch &match, ClassKey class_key);

  // `seq` keeps its first n tokens. REQUIRES: n == 0 or the memory can (see KvMemory::trim).
  void trim(SeqId seq, Pos n);

  // Empties `seq` whatever its memory holds: a failed decode leaves that unknown.
  void forget(SeqId seq);

  Pos length(SeqId seq) const { return budget_.length(seq); }
  std::uint64_t last_used(SeqId seq) const { return held(seq).last_used; }
  std::int32_t n_used() const { return budget_.n_used(); }
  std::int32_t n_freed_by_drop(SeqId seq) const { return budget_.n_freed_by_drop(seq); }
  const KvTraits &traits() const { return traits_; }

private:
  struct Held {
    std::vector<std::int64_t> keys;
    ClassKey class_key = 0;
    std::uint64_t last_used = 0; // counts appends, so that the least recent is the smallest
  };

  Held &held(SeqId seq) { return held_[static_cast<std::size_t>(seq)]; }
  const Held &held(SeqId seq) const { return held_[static_cast<std::size_t>(seq)]; }

  KvMemory &kv_;
  const KvTraits traits_;
  std::vector<Held> held_;
  KvBudget budget_;
  std::uint64_t n_uses_ = 0;
};

} // namespace llamabox
