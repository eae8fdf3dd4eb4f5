// The memory of a llama.cpp context as the engine sees it. What differs between kinds of model is
// decided here once: recurrent and hybrid states cannot go back, a sliding window can only go back
// while the window before the new end is still held, and sequences share cells only where copying
// a sequence changes no data, or no more than a window.
// Thread rule: engine thread, except traits(). Covered by tests/cpp/llama/kv_memory_test.cpp.
#pragma once

#include "llama/context.h"
#include "model/kv_memory.h"

#include "llama.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

class LlamaKvMemory final : public KvMemory {
public:
  // REQUIRES: the context outlives the object.
  explicit LlamaKvMemory(LoadedContext &context);

  KvTraits traits() const override { return traits_; }
  Pos length(SeqId seq) const override;
  Pos usable_prefix(SeqId seq, Pos n) const override;
  void trim(SeqId seq, Pos n) override;
  void share(SeqId from, SeqId to, Pos n) override;
  void drop(SeqId seq, Pos begin, Pos end) override;
  std::vector<std::uint8_t> save(SeqId seq) override;
  bool restore(SeqId seq, std::span<const std::uint8_t> state) override;
  std::vector<std::uint8_t> save_range(SeqId seq, Pos begin, Pos end) override;
  bool restore_range(SeqId seq, std::span<const std::uint8_t> state) override;

private:
  void check(SeqId seq) const;
  void make_window_private(SeqId seq);
  // Between RAM and cells; the bytes written, and whether all of them were read.
  std::size_t write(SeqId seq, std::span<std::uint8_t> state, llama_state_seq_flags flags = 0);
  bool read(SeqId seq, std::span<const std::uint8_t> state, llama_state_seq_flags flags = 0);

  llama_context *context_;
  llama_memory_t memory_;
  RowPositions &rows_;
  bool can_cut_; // a tail can be removed
  KvTraits traits_;
  SeqId scratch_ = kNoSeq;           // an id for ranges on their way; no sequence has it
  std::vector<std::uint8_t> window_; // of the copy under way; kept for its memory
};

} // namespace llamabox
