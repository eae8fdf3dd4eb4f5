// The memory of a llama.cpp context as the engine sees it. What differs between kinds of model is
// decided here once: recurrent and hybrid states cannot go back, a sliding window can only go back
// while the window before the new end is still held, and sequences share cells only where copying
// a sequence changes no data.
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

private:
  void check(SeqId seq) const;

  llama_context *context_;
  llama_memory_t memory_;
  RowPositions &rows_;
  std::int32_t n_slots_;
  bool can_cut_; // a tail can be removed
  KvTraits traits_;
};

} // namespace llamabox
