#include "kv/prefix_cache.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

namespace llamabox {
namespace {

// Of holders that give equally much, so many are compared for the one that loses least.
constexpr int kMostCompared = 16;

} // namespace

PrefixCache::PrefixCache(KvMemory &kv, std::size_t n_parked_bytes)
    : kv_(kv), traits_(kv.traits()), held_(static_cast<std::size_t>(traits_.n_seqs)),
      budget_(traits_.n_seqs), parking_(kv, n_parked_bytes) {}

std::vector<SeqId> PrefixCache::ids(bool bound) const {
  std::vector<SeqId> found;
  for (SeqId seq = 0; seq < static_cast<SeqId>(held_.size()); ++seq) {
    if (held(seq).bound == bound) {
      found.push_back(seq);
    }
  }
  return found;
}

PrefixMatch PrefixCache::best_match(Keys keys, const PrefixRoot &root) const {
  PrefixMatch best;
  int n_equal = 0;
  tree_.find(root, keys, [&](const PrefixHolder &found) {
    if (found.n < best.n || n_equal == kMostCompared) {
      return false; // nor do those after it have as much
    }
    const SeqId seq = found.holder;
    const bool may_take = traits_.can_share || !held(seq).bound;
    const Pos n_held = may_take ? std::min(found.n, length(seq)) : 0;
    const Pos n = n_held > 0 ? kv_.usable_prefix(seq, n_held) : 0;
    const auto rank = [&](SeqId one) { return std::pair(held(one).bound, length(one)); };
    n_equal = n > best.n ? 1 : n_equal + (n > 0 ? 1 : 0);
    if (n > best.n || (n > 0 && n == best.n && rank(seq) < rank(best.seq))) {
      best = {seq, n};
    }
    return true;
  });
  return best;
}

Underway PrefixCache::underway(Keys keys, const PrefixRoot &root) const {
  Underway best;
  prefills_.find(root, keys, [&](const PrefixHolder &found) {
    if (found.n > length(found.holder)) {
      best = {found.holder, held(found.holder).binding, found.n};
    }
    return best.seq == kNoSeq;
  });
  return best;
}

bool PrefixCache::is_underway(const Underway &prefill) const {
  return prefill.seq != kNoSeq && held(prefill.seq).bound &&
         held(prefill.seq).binding == prefill.binding && length(prefill.seq) < prefill.n &&
         tree_.length(prefill.seq) >= prefill.n;
}

ChunkMatch PrefixCache::best_chunks(Keys keys, const PrefixRoot &root, Pos n_min) const {
  ChunkMatch best;
  for (const SeqId seq : retained()) {
    const Held &own = held(seq);
    const auto end = std::ranges::mismatch(own.keys, keys).in1;
    const Pos n_prefix = std::min(static_cast<Pos>(end - own.keys.begin()), own.n_exact);
    const bool suits = own.root == root && n_prefix < length(seq) &&
                       (n_prefix == 0 || kv_.usable_prefix(seq, n_prefix) == n_prefix);
    if (!suits) {
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

// The id that a new sequence gets: where nothing is lost, else where least is.
SeqId PrefixCache::id_for(const PrefixMatch &match) const {
  const bool can_take = match.n > 0 && !held(match.seq).bound;
  const Pos n_held = can_take ? length(match.seq) : 0;
  const bool is_kept = can_take && held(match.seq).pinned && match.n * 2 < n_held;
  if (can_take && (match.n == n_held || (!traits_.can_share && !is_kept))) {
    return match.seq;
  }
  const std::vector<SeqId> free = ids(false);
  const auto empty = std::ranges::find(free, 0, [&](SeqId seq) { return length(seq); });
  if (empty != free.end()) {
    return *empty;
  }
  if (can_take && !is_kept && match.n * 2 >= n_held) {
    return match.seq; // its tail goes: less than any other would lose
  }
  return *std::ranges::min_element(free, {}, [&](SeqId seq) {
    return std::tuple(held(seq).pinned, seq == match.seq, held(seq).last_used);
  });
}

SeqId PrefixCache::bind(const PrefixMatch &match, const Binding &binding) {
  const SeqId seq = id_for(match);
  if (seq == match.seq) {
    trim(seq, match.n);
  } else {
    evict(seq);
    if (match.n > 0 && traits_.can_share) {
      share(match.seq, seq, match.n);
    }
  }
  Held &own = held(seq);
  own.root = binding.root;
  own.bound = true;
  own.pinned = false;
  own.parked = false;
  own.last_used = own.binding = ++n_uses_;
  seat(seq, binding.slot);
  if (tree_.contains(seq)) {
    tree_.erase(seq);
  }
  tree_.insert(seq, own.root, binding.keys);
  if (length(seq) < static_cast<Pos>(binding.keys.size())) {
    prefills_.insert(seq, own.root, binding.keys);
  }
  return seq;
}

SeqId PrefixCache::bind_chunks(const ChunkMatch &match, const Binding &binding) {
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
  Held &own = held(seq);
  own.bound = true;
  own.pinned = false;
  own.parked = false;
  own.last_used = own.binding = ++n_uses_;
  seat(seq, binding.slot);
  return seq;
}

void PrefixCache::share(SeqId from, SeqId to, Pos n) {
  kv_.share(from, to, n);
  n_shared_in_all_ += static_cast<std::uint64_t>(n);
  budget_.share(from, to, n);
  const auto &source = held(from).keys;
  held(to).keys.assign(source.begin(), source.begin() + n);
  held(to).n_exact = n;
}

// Of a slot, only the last sequence counts.
void PrefixCache::seat(SeqId seq, std::int32_t slot) {
  if (const std::int32_t before = held(seq).slot; before != kNoSlot) {
    seats_[static_cast<std::size_t>(before)] = kNoSeq;
  }
  held(seq).slot = slot;
  if (slot == kNoSlot) {
    return;
  }
  const auto at = static_cast<std::size_t>(slot);
  seats_.resize(std::max(seats_.size(), at + 1), kNoSeq);
  if (const SeqId last = std::exchange(seats_[at], seq); last != kNoSeq) {
    held(last).slot = kNoSlot;
  }
}

// It is read, or will not be.
void PrefixCache::end_prefill(SeqId seq) {
  if (prefills_.contains(seq)) {
    prefills_.erase(seq);
  }
}

void PrefixCache::release(SeqId seq) {
  Held &own = held(seq);
  own.bound = false;
  own.restoring = {};
  end_prefill(seq);
  if (length(seq) == 0) {
    forget(seq);
  } else {
    tree_.cut(seq, own.n_exact); // what it did not come to prefill
  }
}

void PrefixCache::index(SeqId seq) {
  const Held &own = held(seq);
  tree_.insert(seq, own.root, Keys(own.keys).first(static_cast<std::size_t>(own.n_exact)));
}

void PrefixCache::append(SeqId seq, Keys keys) {
  Held &own = held(seq);
  if (own.n_exact == length(seq)) {
    own.n_exact += static_cast<Pos>(keys.size());
    const Pos n_new = std::min(own.n_exact - tree_.length(seq), static_cast<Pos>(keys.size()));
    tree_.extend(seq, n_new > 0 ? keys.last(static_cast<std::size_t>(n_new)) : Keys());
  }
  own.keys.insert(own.keys.end(), keys.begin(), keys.end());
  own.last_used = last_append_ = ++n_uses_;
  budget_.grow(seq, static_cast<Pos>(keys.size()));
  if (prefills_.contains(seq) && length(seq) >= prefills_.length(seq)) {
    prefills_.erase(seq);
  }
}

void PrefixCache::forget(SeqId seq) {
  Held &own = held(seq);
  kv_.trim(seq, 0);
  budget_.trim(seq, 0);
  own.keys.clear();
  own.n_exact = 0;
  own.dropped_at = 0;
  own.pinned = false;
  own.parked = false;
  own.restoring = {};
  end_prefill(seq);
  if (own.bound) {
    tree_.cut(seq, 0);
    return;
  }
  seat(seq, kNoSlot);
  if (tree_.contains(seq)) {
    tree_.erase(seq);
  }
}

void PrefixCache::trim(SeqId seq, Pos n) {
  if (n == length(seq)) {
    return;
  }
  if (n == 0) {
    forget(seq);
    return;
  }
  stop_parking(seq);
  kv_.trim(seq, n);
  budget_.trim(seq, n);
  Held &own = held(seq);
  own.keys.resize(static_cast<std::size_t>(n));
  own.n_exact = std::min(own.n_exact, n);
  tree_.cut(seq, own.n_exact);
}

Pos PrefixCache::trim_to_usable(SeqId seq, Pos n) {
  trim(seq, kv_.usable_prefix(seq, n) == n ? n : 0);
  return length(seq);
}

void PrefixCache::drop(SeqId seq, Pos begin, Pos end) {
  stop_parking(seq);
  const Pos n_moved = length(seq) - end;
  kv_.drop(seq, begin, end);
  budget_.trim(seq, begin);
  budget_.grow(seq, n_moved);
  Held &own = held(seq);
  own.keys.erase(own.keys.begin() + begin, own.keys.begin() + end);
  own.n_exact = std::min(own.n_exact, begin);
  tree_.cut(seq, own.n_exact);
  own.dropped_at = ++n_uses_;
}

void PrefixCache::make_private(SeqId seq, Pos n, SeqId holder) {
  const Held &own = held(seq);
  const Held &other = held(holder);
  const auto end = std::ranges::mismatch(own.keys, other.keys).in1;
  if (own.root == other.root && end - own.keys.begin() > n) {
    trim_to_usable(holder, n);
  }
}

bool PrefixCache::evict_one(std::int32_t n, SeqId except) {
  SeqId victim = kNoSeq;
  const auto rank = [&](SeqId one) { return std::pair(held(one).pinned, held(one).last_used); };
  for (const SeqId seq : retained()) {
    const bool frees = seq != except && n_freed_by_drop(seq) > 0;
    if (frees && (victim == kNoSeq || rank(seq) < rank(victim))) {
      victim = seq;
    }
  }
  if (victim != kNoSeq) {
    shorten(victim, n);
  }
  return victim != kNoSeq;
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

bool PrefixCache::fits(SeqId seq, const SavedPrefix &saved) {
  const bool taken = !saved.keys.empty() && kv_.restore(seq, saved.state) &&
                     kv_.length(seq) == static_cast<Pos>(saved.keys.size());
  if (!taken) {
    kv_.trim(seq, 0);
  }
  return taken;
}

bool PrefixCache::restore(std::int32_t slot, const SavedPrefix &saved, const PrefixRoot &root) {
  const SeqId left = seq_of(slot);
  const SeqId seq = left == kNoSeq ? id_for({}) : left;
  const SavedPrefix before = save(seq);
  const bool was_pinned = is_pinned(seq);
  const std::int32_t was_in = held(seq).slot;
  forget(seq);
  const bool taken = fits(seq, saved);
  if (!taken && !fits(seq, before)) {
    return false;
  }
  Held &own = held(seq);
  const SavedPrefix &now = taken ? saved : before;
  own.keys = now.keys;
  own.n_exact = now.n_exact;
  own.root = taken ? root : own.root;
  own.pinned = taken || was_pinned;
  own.last_used = own.binding = ++n_uses_;
  budget_.grow(seq, static_cast<Pos>(own.keys.size()));
  index(seq);
  seat(seq, taken ? slot : was_in);
  return taken;
}

SeqId PrefixCache::seq_of(std::int32_t slot) const {
  const auto at = static_cast<std::size_t>(slot);
  return at < seats_.size() ? seats_[at] : kNoSeq;
}

std::vector<SeqId> PrefixCache::retained() const {
  std::vector<SeqId> found = ids(false);
  std::erase_if(found, [&](SeqId seq) { return length(seq) == 0; });
  return found;
}

std::int32_t PrefixCache::n_used_by_bound(const PrefixMatch &match) const {
  return budget_.n_used_by(ids(true), match.seq, match.n);
}

} // namespace llamabox
