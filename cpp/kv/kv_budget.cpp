#include "kv/kv_budget.h"

#include <algorithm>

namespace llamabox {

void KvBudget::share(SeqId from, SeqId to, Pos n) {
  // The first cells of `from` may themselves belong to another; `to` then points at the owner of
  // the part beyond, which is `from`, or at the same source when all of it is borrowed.
  const Seq &source = at(from);
  at(to) = {n, n, n <= source.shared ? source.source : from};
}

KvBudget::Seq *KvBudget::longest_sharer(SeqId source) {
  Seq *longest = nullptr;
  for (Seq &seq : seqs_) {
    if (seq.shared > 0 && seq.source == source && (!longest || seq.shared > longest->shared)) {
      longest = &seq;
    }
  }
  return longest;
}

void KvBudget::trim(SeqId seq, Pos n) {
  Seq &trimmed = at(seq);
  const Pos owned_from = std::max(n, trimmed.shared);
  Seq *heir = longest_sharer(seq);
  if (heir && heir->shared > owned_from) {
    // The cells from owned_from on now belong to the heir; other sharers reach them through it.
    const auto heir_id = static_cast<SeqId>(heir - seqs_.data());
    for (Seq &sharer : seqs_) {
      if (&sharer != heir && sharer.source == seq && sharer.shared > owned_from) {
        sharer.source = heir_id;
      }
    }
    heir->shared = owned_from;
  }
  // Whoever still borrows from the trimmed sequence reaches at most what it keeps; what it borrowed
  // itself is passed on.
  for (Seq &sharer : seqs_) {
    if (sharer.shared > 0 && sharer.source == seq && sharer.shared <= trimmed.shared) {
      sharer.source = trimmed.source;
    }
  }
  trimmed.length = n;
  trimmed.shared = std::min(trimmed.shared, n);
}

std::int32_t KvBudget::n_used() const {
  std::int32_t n = 0;
  for (const Seq &seq : seqs_) {
    n += seq.length - seq.shared;
  }
  return n;
}

// The first n cells of a sequence are its own and those of the ones it borrows from.
void KvBudget::reach(std::vector<Pos> &reached, SeqId seq, Pos n) const {
  while (n > 0) {
    const auto at = static_cast<std::size_t>(seq);
    reached[at] = std::max(reached[at], n);
    n = std::min(n, seqs_[at].shared);
    seq = seqs_[at].source;
  }
}

std::int32_t KvBudget::n_used_by(std::span<const SeqId> seqs, SeqId other, Pos n) const {
  std::vector<Pos> reached(seqs_.size(), 0); // how far each one's own cells are needed
  reach(reached, other, n);
  for (const SeqId seq : seqs) {
    reach(reached, seq, length(seq));
  }
  std::int32_t n_used = 0;
  for (std::size_t at = 0; at < seqs_.size(); ++at) {
    n_used += std::max(0, reached[at] - seqs_[at].shared);
  }
  return n_used;
}

Pos KvBudget::n_shared(SeqId seq) const {
  Pos shared = seqs_[static_cast<std::size_t>(seq)].shared;
  for (const Seq &sharer : seqs_) {
    if (sharer.shared > 0 && sharer.source == seq) {
      shared = std::max(shared, sharer.shared);
    }
  }
  return std::min(shared, length(seq));
}

std::int32_t KvBudget::n_freed_by_drop(SeqId seq) const { return length(seq) - n_shared(seq); }

} // namespace llamabox
