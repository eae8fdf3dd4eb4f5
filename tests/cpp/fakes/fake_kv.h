// KV memory that really holds what it was given: cells with a row's key, shared by sequences as
// unified memory shares them. The fake runner reads its history from here, so a wrong prefix, a
// stale cell or a lost tail changes the next token and fails an equality test.
#pragma once

#include "model/batch.h"
#include "model/kv_memory.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace llamabox {

class FakeKv final : public KvMemory {
public:
  FakeKv(KvTraits traits, std::int32_t n_seqs)
      : traits_(traits), seqs_(static_cast<std::size_t>(n_seqs)) {}

  KvTraits traits() const override { return traits_; }
  Pos length(SeqId seq) const override { return static_cast<Pos>(held(seq).size()); }

  Pos usable_prefix(SeqId seq, Pos n) const override {
    const bool all_or_nothing =
        traits_.kind == KvKind::kRecurrent || traits_.kind == KvKind::kHybrid;
    if (all_or_nothing) {
      return n == length(seq) ? n : 0;
    }
    // A sliding window forgets: only what is still in the window of position n can go on.
    const bool in_window = traits_.n_window == 0 || length(seq) - n < traits_.n_window;
    return in_window ? n : 0;
  }

  void trim(SeqId seq, Pos n) override {
    ++n_trims;
    held(seq).resize(static_cast<std::size_t>(n));
  }

  void share(SeqId from, SeqId to, Pos n) override {
    ++n_shares;
    held(to).assign(held(from).begin(), held(from).begin() + n);
  }

  // Cells that are really in use, shared ones counted once.
  std::int32_t n_used() const { return *n_used_; }

  bool has_room(std::int32_t n_rows) const { return n_used() + n_rows <= traits_.n_cells; }

  // `salt` stands for what else the row was computed with.
  void append(const Row &row, std::uint64_t salt = 0) {
    // An embedding stands for itself by its first value, as a token does by its id.
    const auto key = row.embd ? static_cast<std::int64_t>(row.embd[0] * 1e6F) : row.token;
    // The last holder of a cell gives it back.
    const auto give_back = [used = n_used_](const Cell *cell) {
      delete cell;
      --*used;
    };
    ++*n_used_;
    held(row.seq).emplace_back(new Cell{key + static_cast<std::int64_t>(salt << 20U), row.pos},
                               give_back);
  }

  // A number made of everything the first n rows of `seq` hold.
  std::uint64_t digest(SeqId seq, Pos n) const {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (Pos i = 0; i < n; ++i) {
      const Cell &cell = *held(seq)[static_cast<std::size_t>(i)];
      hash = (hash ^ static_cast<std::uint64_t>(cell.key)) * 0x100000001b3u;
      hash = (hash ^ static_cast<std::uint64_t>(cell.pos[1])) * 0x100000001b3u;
    }
    return hash;
  }

  int n_trims = 0;
  int n_shares = 0;

private:
  struct Cell {
    std::int64_t key;
    Positions pos;
  };
  using Held = std::vector<std::shared_ptr<Cell>>;

  Held &held(SeqId seq) { return seqs_[static_cast<std::size_t>(seq)]; }
  const Held &held(SeqId seq) const { return seqs_[static_cast<std::size_t>(seq)]; }

  KvTraits traits_;
  std::vector<Held> seqs_;
  std::shared_ptr<std::int32_t> n_used_ = std::make_shared<std::int32_t>(0);
};

} // namespace llamabox
