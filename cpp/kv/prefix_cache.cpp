#include "kv/prefix_cache.h"

#include <algorithm>
#include <cstddef>

namespace llamabox {

PrefixCache::PrefixCache(KvMemory &kv, std::int32_t n_seqs)
    : kv_(kv), traits_(kv.traits()), held_(static_cast<std::size_t>(n_seqs)), budget_(n_seqs) {}

PrefixMatch PrefixCache::best_match(std::span<const std::int64_t> keys, ClassKey class_key,
                                    std::span<const SeqId> free_seqs) const {
  PrefixMatch best;
  bool best_is_free = false;
  for (SeqId seq = 0; seq < static_cast<SeqId>(held_.size()); ++seq) {
    const Held &other = held(seq);
    const bool is_free = std::ranges::find(free_seqs, seq) != free_seqs.end();
    if (other.class_key != class_key || (!is_free && !traits_.can_share)) {
      continue;
    }
    const auto end = std::ranges::mismatch(other.keys, keys).in1;
    const auto n_common = static_cast<Pos>(end - other.keys.begin());
    const Pos n = n_common > 0 ? kv_.usable_prefix(seq, n_common) : 0;
    if (n == 0 || n < best.n) {
      continue;
    }
    const bool is_better = n > best.n || (is_free && !best_is_free) ||
                           (is_free == best_is_free && length(seq) < length(best.seq));
    if (is_better) {
      best = {seq, n};
      best_is_free = is_free;
    }
  }
  return best;
}

void PrefixCache::append(SeqId seq, std::span<const std::int64_t> keys) {
  Held &own = held(seq);
  own.keys.insert(own.keys.end(), keys.begin(), keys.end());
  own.last_used = ++n_uses_;
  budget_.grow(seq, static_cast<Pos>(keys.size()));
}

Pos PrefixCache::take_over(SeqId seq, const PrefixMatch &match, ClassKey class_key) {
  if (match.seq == seq) {
    trim(seq, match.n);
  } else {
    trim(seq, 0);
    if (match.n > 0) {
      kv_.share(match.seq, seq, match.n);
      budget_.share(match.seq, seq, match.n);
      const auto &source = held(match.seq).keys;
      held(seq).keys.assign(source.begin(), source.begin() + match.n);
    }
  }
  held(seq).class_key = class_key;
  held(seq).last_used = ++n_uses_;
  return length(seq);
}

void PrefixCache::forget(SeqId seq) {
  kv_.trim(seq, 0);
  budget_.trim(seq, 0);
  held(seq).keys.clear();
}

void PrefixCache::trim(SeqId seq, Pos n) {
  if (n == length(seq)) {
    return;
  }
  kv_.trim(seq, n);
  budget_.trim(seq, n);
  held(seq).keys.resize(static_cast<std::size_t>(n));
}

} // namespace llamabox
