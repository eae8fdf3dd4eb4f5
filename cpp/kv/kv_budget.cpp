#include "kv/kv_budget.h"

#include <algorithm>

namespace llamabox {

void KvBudget::share(SeqId from, SeqId to, Pos n) {
  // The first cells of `from` may themselves belong to another; `to` then points at the owner of
  // the part beyond, which is `from`, or at the same source when all of it is borrowed.
  const Seq &source = at(from);
  const SeqId owner = n <= source.shared ? source.source : from;
  grow(to, n);
  set_shared(to, n, owner);
}

// What `seq` borrows, and from whom.
void KvBudget::set_shared(SeqId seq, Pos n, SeqId source) {
  Seq &own = at(seq);
  n_used_ += own.shared - n;
  if (own.shared > 0) {
    std::erase(at(own.source).sharers, seq);
  }
  own.shared = n;
  own.source = source;
  if (n > 0) {
    at(source).sharers.push_back(seq);
  }
}

// The cells of `seq` from owned_from on belong to the one that borrows most of them from now on;
// others who borrow them reach them through it.
void KvBudget::pass_on(SeqId seq, Pos owned_from) {
  const std::vector<SeqId> sharers = at(seq).sharers;
  const auto heir =
      std::ranges::max_element(sharers, {}, [&](SeqId sharer) { return at(sharer).shared; });
  if (heir == sharers.end() || at(*heir).shared <= owned_from) {
    return;
  }
  for (const SeqId sharer : sharers) {
    if (sharer != *heir && at(sharer).shared > owned_from) {
      set_shared(sharer, at(sharer).shared, *heir);
    }
  }
  set_shared(*heir, owned_from, seq);
}

void KvBudget::trim(SeqId seq, Pos n) {
  const Pos borrowed = at(seq).shared;
  if (!at(seq).sharers.empty()) {
    pass_on(seq, std::max(n, borrowed));
    // Whoever still borrows from it reaches at most what it keeps; what it borrowed itself is
    // passed on.
    const std::vector<SeqId> sharers = at(seq).sharers;
    for (const SeqId sharer : sharers) {
      if (at(sharer).shared <= borrowed) {
        set_shared(sharer, at(sharer).shared, at(seq).source);
      }
    }
  }
  n_used_ -= at(seq).length - n;
  at(seq).length = n;
  if (borrowed > n) {
    set_shared(seq, n, at(seq).source);
  }
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
  Pos shared = at(seq).shared;
  for (const SeqId sharer : at(seq).sharers) {
    shared = std::max(shared, at(sharer).shared);
  }
  return std::min(shared, length(seq));
}

std::int32_t KvBudget::n_freed_by_drop(SeqId seq) const { return length(seq) - n_shared(seq); }

} // namespace llamabox
