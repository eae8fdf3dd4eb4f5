// What stands in for runner and memory where the model only encodes texts: there are no cells and
// nothing is decoded. Requests for text are refused before they come here (ModelInfo::generates).
// Thread rule: as the interfaces. Covered by scheduler_encode_test and text_encoder_test.
#pragma once

#include "model/kv_memory.h"
#include "model/runner.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

class NoRunner final : public Runner {
public:
  // `n_ctx` is what the shell shows: the tokens of one text.
  explicit NoRunner(std::int32_t n_ctx) : n_ctx_(n_ctx) {}

  RunnerLimits limits() const override { return {.n_ctx = n_ctx_, .n_batch = 1, .n_ubatch = 1}; }
  void set_loras(std::span<const LoraScale> /*loras*/) override {}
  DecodeStatus decode(const Batch & /*batch*/) override { return DecodeStatus::kFailed; }
  std::span<const float> logits(std::int32_t /*row*/) override { return {}; }

private:
  std::int32_t n_ctx_;
};

class NoMemory final : public KvMemory {
public:
  KvTraits traits() const override { return {}; }
  Pos length(SeqId /*seq*/) const override { return 0; }
  Pos usable_prefix(SeqId /*seq*/, Pos /*n*/) const override { return 0; }
  void trim(SeqId /*seq*/, Pos /*n*/) override {}
  void share(SeqId /*from*/, SeqId /*to*/, Pos /*n*/) override {}
  void drop(SeqId /*seq*/, Pos /*begin*/, Pos /*end*/) override {}
  std::vector<std::uint8_t> save(SeqId /*seq*/) override { return {}; }
  bool restore(SeqId /*seq*/, std::span<const std::uint8_t> /*state*/) override { return false; }
};

} // namespace llamabox
