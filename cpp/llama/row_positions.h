// Which position each row of a sequence has, for models whose positions do not count rows: with
// M-RoPE the rows of an image share positions, and memory can only be asked and cut by them.
// Thread rule: engine thread. Guarantee: for all other models nothing is kept, and a row's
// position is its index.
// Covered by tests/cpp/llama/media_test.cpp.
#pragma once

#include "base/types.h"

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace llamabox {

class RowPositions {
public:
  RowPositions(const llama_model *model, std::int32_t n_seqs)
      : counts_(is_mrope(llama_model_rope_type(model))),
        seqs_(counts_ ? static_cast<std::size_t>(n_seqs) : 0) {}

  // Whether rows are counted here at all.
  bool counts() const { return counts_; }

  void append(SeqId seq, Pos pos) {
    if (counts_) {
      held(seq).push_back(pos);
    }
  }

  // REQUIRES: counts().
  Pos length(SeqId seq) const { return static_cast<Pos>(held(seq).size()); }

  // The position at which the sequence is cut to keep its first n rows.
  Pos cut(SeqId seq, Pos n) const {
    return counts_ && n < length(seq) ? held(seq)[static_cast<std::size_t>(n)] : n;
  }

  // The most rows up to n that can be kept without those behind them.
  Pos separable(SeqId seq, Pos n) const {
    while (counts_ && n > 0 && n < length(seq) && cut(seq, n) == cut(seq, n - 1)) {
      --n;
    }
    return n;
  }

  void trim(SeqId seq, Pos n) {
    if (counts_ && n < length(seq)) {
      held(seq).resize(static_cast<std::size_t>(n));
    }
  }

  void share(SeqId from, SeqId to, Pos n) {
    if (counts_) {
      held(to).assign(held(from).begin(), held(from).begin() + n);
    }
  }

  // The sequence holds text of so many rows.
  void set_text(SeqId seq, Pos n) {
    if (counts_) {
      held(seq).resize(static_cast<std::size_t>(n));
      std::iota(held(seq).begin(), held(seq).end(), 0);
    }
  }

private:
  static bool is_mrope(llama_rope_type type) {
    return type == LLAMA_ROPE_TYPE_MROPE || type == LLAMA_ROPE_TYPE_IMROPE;
  }

  std::vector<Pos> &held(SeqId seq) { return seqs_[static_cast<std::size_t>(seq)]; }
  const std::vector<Pos> &held(SeqId seq) const { return seqs_[static_cast<std::size_t>(seq)]; }

  bool counts_;
  std::vector<std::vector<Pos>> seqs_;
};

} // namespace llamabox
