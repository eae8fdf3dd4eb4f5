// How many KV cells sequences hold, with shared prefixes counted once. Sharing is free in unified
// memory, so the sum of lengths would refuse requests that fit.
// Thread rule: engine thread. Guarantee: n_used() equals the distinct cells held, as long as every
// grow, share and trim of the memory is told here; what one sequence does costs no more than a look
// at those who share with it.
// Covered by kv_budget_test, against a fake memory that counts real cells.
#pragma once

#include "base/types.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

class KvBudget {
public:
  explicit KvBudget(std::int32_t n_seqs) : seqs_(static_cast<std::size_t>(n_seqs)) {}

  void grow(SeqId seq, Pos n) {
    at(seq).length += n;
    n_used_ += n;
  }

  // `to`, which is empty, holds the first n tokens of `from` too.
  void share(SeqId from, SeqId to, Pos n);

  // `seq` keeps its first n tokens; cells that a sharer still holds become the sharer's.
  void trim(SeqId seq, Pos n);

  // Cells from this position on are held by `seq` alone.
  Pos n_shared(SeqId seq) const;

  Pos length(SeqId seq) const { return at(seq).length; }

  std::int32_t n_used() const { return n_used_; }

  // Cells that at least one of these sequences holds, or that are among the first n of `other`.
  std::int32_t n_used_by(std::span<const SeqId> seqs, SeqId other, Pos n) const;

  // Cells that dropping all of `seq` would free.
  std::int32_t n_freed_by_drop(SeqId seq) const;

private:
  struct Seq {
    Pos length = 0;
    Pos shared = 0;             // of length, cells that belong to `source`
    SeqId source = -1;          // meaningful while shared > 0
    std::vector<SeqId> sharers; // those whose source it is
  };

  void reach(std::vector<Pos> &reached, SeqId seq, Pos n) const;
  Seq &at(SeqId seq) { return seqs_[static_cast<std::size_t>(seq)]; }
  const Seq &at(SeqId seq) const { return seqs_[static_cast<std::size_t>(seq)]; }
  void set_shared(SeqId seq, Pos n, SeqId source);
  void pass_on(SeqId seq, Pos owned_from);

  std::vector<Seq> seqs_;
  std::int32_t n_used_ = 0;
};

} // namespace llamabox
