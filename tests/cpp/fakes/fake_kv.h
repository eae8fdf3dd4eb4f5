// KV memory that really holds what it was given: cells with a row's key, shared by sequences as
// unified memory shares them, and what each was computed from. The fake runner reads its history
// from here, so a wrong prefix, a stale or moved cell or a lost tail changes the next token and
// fails an equality test.
#pragma once

#include "model/batch.h"
#include "model/kv_memory.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace llamabox {

class FakeKv final : public KvMemory {
public:
  explicit FakeKv(KvTraits traits)
      : traits_(traits), seqs_(static_cast<std::size_t>(traits.n_seqs)) {}

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

  void drop(SeqId seq, Pos begin, Pos end) override {
    Held &cells = held(seq);
    if (!traits_.can_shift || begin < 0 || begin >= end || end > length(seq)) {
      throw std::logic_error("a memory cannot drop these tokens");
    }
    ++n_drops;
    for (auto cell = cells.begin() + end; cell != cells.end(); ++cell) {
      if (cell->use_count() > 1) {
        throw std::logic_error("a shared cell was moved");
      }
      for (Pos &pos : (*cell)->pos) {
        pos -= end - begin;
      }
    }
    cells.erase(cells.begin() + begin, cells.begin() + end);
  }

  std::vector<std::uint8_t> save(SeqId seq) override {
    ++n_saves;
    return save_range(seq, 0, length(seq));
  }

  std::vector<std::uint8_t> save_range(SeqId seq, Pos begin, Pos end) override {
    std::vector<std::uint8_t> state;
    for (Pos i = begin; i < end; ++i) {
      const auto &cell = held(seq)[static_cast<std::size_t>(i)];
      const Saved saved{cell->key, cell->past, cell->pos};
      const auto *bytes = reinterpret_cast<const std::uint8_t *>(&saved);
      state.insert(state.end(), bytes, bytes + sizeof(saved));
    }
    return state;
  }

  bool restore(SeqId seq, std::span<const std::uint8_t> state) override {
    held(seq).clear();
    return restore_range(seq, state);
  }

  bool restore_range(SeqId seq, std::span<const std::uint8_t> state) override {
    ++n_restores;
    Held &cells = held(seq);
    const std::size_t n = state.size() / sizeof(Saved);
    if (n_refusals-- > 0 || state.size() % sizeof(Saved) != 0 ||
        !has_room(static_cast<std::int32_t>(n))) {
      return false;
    }
    for (std::size_t i = 0; i < n; ++i) {
      Saved saved{};
      std::memcpy(&saved, state.data() + i * sizeof(Saved), sizeof(Saved));
      cells.push_back(make_cell(saved));
    }
    return true;
  }

  // Cells that are really in use, shared ones counted once.
  std::int32_t n_used() const { return *n_alive_; }

  bool has_room(std::int32_t n_rows) const { return n_used() + n_rows <= traits_.n_cells; }

  // `salt` stands for what else the row was computed with.
  void append(const Row &row, std::uint64_t salt = 0) {
    // An embedding stands for itself by its first value, as a token does by its id.
    const auto key = row.embd ? static_cast<std::int64_t>(row.embd[0] * 1e6F) : row.token;
    Held &cells = held(row.seq);
    const std::uint64_t past = cells.empty() ? kNoPast : mix(kNoPast, *cells.back());
    cells.push_back(make_cell({key + static_cast<std::int64_t>(salt << 20U), past, row.pos}));
  }

  // A number made of everything the first n rows of `seq` hold.
  std::uint64_t digest(SeqId seq, Pos n) const {
    std::uint64_t hash = kNoPast;
    for (Pos i = 0; i < n; ++i) {
      hash = mix(hash, *held(seq)[static_cast<std::size_t>(i)]);
    }
    return hash;
  }

  int n_trims = 0;
  int n_shares = 0;
  int n_drops = 0;
  int n_saves = 0;    // of all that a sequence holds
  int n_restores = 0; // of that or of ranges
  int n_refusals = 0; // of the next states to restore

private:
  // What a cell was computed from stays in it, also when its place or its neighbours change.
  struct Saved {
    std::int64_t key;
    std::uint64_t past; // a number made of all that the sequence held before it
    Positions pos;
  };

  struct Cell : Saved {
    Cell(const Saved &saved, std::shared_ptr<std::int32_t> n)
        : Saved(saved), n_alive(std::move(n)) {
      ++*n_alive;
    }
    Cell(const Cell &) = delete;
    Cell &operator=(const Cell &) = delete;
    ~Cell() { --*n_alive; }

    std::shared_ptr<std::int32_t> n_alive;
  };
  using Held = std::vector<std::shared_ptr<Cell>>;

  static constexpr std::uint64_t kNoPast = 0xcbf29ce484222325u;

  static std::uint64_t mix(std::uint64_t hash, const Saved &cell) {
    hash = (hash ^ static_cast<std::uint64_t>(cell.key)) * 0x100000001b3u;
    hash = (hash ^ static_cast<std::uint64_t>(cell.pos[1])) * 0x100000001b3u;
    return (hash ^ cell.past) * 0x100000001b3u;
  }

  std::shared_ptr<Cell> make_cell(const Saved &saved) {
    return std::make_shared<Cell>(saved, n_alive_);
  }

  Held &held(SeqId seq) { return seqs_[static_cast<std::size_t>(seq)]; }
  const Held &held(SeqId seq) const { return seqs_[static_cast<std::size_t>(seq)]; }

  KvTraits traits_;
  std::shared_ptr<std::int32_t> n_alive_ = std::make_shared<std::int32_t>(0);
  std::vector<Held> seqs_;
};

} // namespace llamabox
