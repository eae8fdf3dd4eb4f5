#include "kv/prefix_cache.h"

#include <algorithm>
#include <cstddef>

namespace llamabox {

PrefixCache::PrefixCache(KvMemory &kv, std::int32_t n_seqs)
    : kv_(kv), traits_(kv.traits()), held_(static_cast<std::size_t>(n_seqs)), budget_(n_seqs) {}

// Tokens in common whose cells another prompt may rely on.
Pos PrefixCache::n_common(SeqId seq, std::span<const std::int64_t> keys) const {
  const Held &other = held(seq);
  const auto end = std::ranges::mismatch(other.keys, keys).in1;
  return std::min(static_cast<Pos>(end - other.keys.begin()), other.n_exact);
}

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
    const Pos n_held = n_common(seq, keys);
    const Pos n = n_held > 0 ? kv_.usable_prefix(seq, n_held) : 0;
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

ChunkMatch PrefixCache::best_chunks(std::span<const std::int64_t> keys, ClassKey class_key,
                                    std::span<const SeqId> free_seqs, Pos n_min) const {
  ChunkMatch best;
  for (const SeqId seq : free_seqs) {
    const Held &own = held(seq);
    const Pos n_prefix = n_common(seq, keys);
    const bool fits = own.class_key == class_key && n_prefix < length(seq) &&
                      (n_prefix == 0 || kv_.usable_prefix(seq, n_prefix) == n_prefix);
    if (!fits) {
      continue;
    }
    ChunkMatch match{seq, n_prefix, {}, n_prefix};
    match.chunks =
        find_chunks({own.keys, keys, n_prefix, std::max(n_prefix, n_shared(seq)), n_min});
    for (const Chunk &chunk : match.chunks) {
      match.n += chunk.n;
    }
    const bool may_take = !own.pinned || match.n * 2 >= length(seq);
    if (may_take && !match.chunks.empty() && match.n > best.n) {
      best = std::move(match);
    }
  }
  return best;
}

void PrefixCache::append(SeqId seq, std::span<const std::int64_t> keys) {
  Held &own = held(seq);
  if (own.n_exact == length(seq)) {
    own.n_exact += static_cast<Pos>(keys.size());
  }
  own.keys.insert(own.keys.end(), keys.begin(), keys.end());
  own.last_used = last_append_ = ++n_uses_;
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
      held(seq).n_exact = match.n;
    }
  }
  held(seq).class_key = class_key;
  held(seq).last_used = ++n_uses_;
  held(seq).pinned = false;
  return length(seq);
}

Pos PrefixCache::take_chunks(const ChunkMatch &match) {
  const SeqId seq = match.seq;
  trim(seq, match.chunks.back().from + match.chunks.back().n);
  Pos at = match.n_prefix;
  Pos n_gone = 0;
  for (const Chunk &chunk : match.chunks) {
    const Pos end = chunk.from - n_gone;
    if (end > at) {
      drop(seq, at, end);
    }
    n_gone += end - at;
    at += chunk.n;
  }
  held(seq).last_used = ++n_uses_;
  held(seq).pinned = false;
  return length(seq);
}

void PrefixCache::forget(SeqId seq) {
  kv_.trim(seq, 0);
  budget_.trim(seq, 0);
  held(seq).keys.clear();
  held(seq).n_exact = 0;
  held(seq).dropped_at = 0;
  held(seq).pinned = false;
}

void PrefixCache::trim(SeqId seq, Pos n) {
  if (n == length(seq)) {
    return;
  }
  kv_.trim(seq, n);
  budget_.trim(seq, n);
  held(seq).keys.resize(static_cast<std::size_t>(n));
  held(seq).n_exact = std::min(held(seq).n_exact, n);
  held(seq).pinned = held(seq).pinned && n > 0;
}

Pos PrefixCache::trim_to_usable(SeqId seq, Pos n) {
  trim(seq, kv_.usable_prefix(seq, n) == n ? n : 0);
  return length(seq);
}

void PrefixCache::drop(SeqId seq, Pos begin, Pos end) {
  const Pos n_moved = length(seq) - end;
  kv_.drop(seq, begin, end);
  budget_.trim(seq, begin);
  budget_.grow(seq, n_moved);
  Held &own = held(seq);
  own.keys.erase(own.keys.begin() + begin, own.keys.begin() + end);
  own.n_exact = std::min(own.n_exact, begin);
  own.dropped_at = ++n_uses_;
}

void PrefixCache::make_private(SeqId seq, Pos n, SeqId holder) {
  const Held &own = held(seq);
  const Held &other = held(holder);
  const auto end = std::ranges::mismatch(own.keys, other.keys).in1;
  if (own.class_key == other.class_key && end - own.keys.begin() > n) {
    trim_to_usable(holder, n);
  }
}

SavedPrefix PrefixCache::save(SeqId seq) {
  Held &own = held(seq);
  // Upstream computes moved cells anew in the next decode; until then they are not to be read.
  if (own.dropped_at > last_append_) {
    trim(seq, own.n_exact);
  }
  if (length(seq) == 0) {
    return {};
  }
  return {own.keys, own.n_exact, kv_.save(seq)};
}

bool PrefixCache::restore(SeqId seq, const SavedPrefix &saved, ClassKey class_key) {
  const SavedPrefix before = save(seq);
  const bool was_pinned = is_pinned(seq);
  forget(seq);
  const auto fits = [&](const SavedPrefix &one) {
    return kv_.restore(seq, one.state) && kv_.length(seq) == static_cast<Pos>(one.keys.size());
  };
  const bool taken = fits(saved);
  if (!taken) {
    kv_.trim(seq, 0);
    if (before.keys.empty() || !fits(before)) {
      kv_.trim(seq, 0);
      return false;
    }
  }
  Held &own = held(seq);
  const SavedPrefix &now = taken ? saved : before;
  own.keys = now.keys;
  own.n_exact = now.n_exact;
  own.class_key = taken ? class_key : own.class_key;
  own.pinned = !taken && was_pinned;
  own.last_used = ++n_uses_;
  budget_.grow(seq, static_cast<Pos>(own.keys.size()));
  return taken;
}

} // namespace llamabox
