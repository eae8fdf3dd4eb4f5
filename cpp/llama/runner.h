// Runs batches through a llama.cpp context.
// Thread rule: engine thread, except limits().
// Guarantee: as in model/runner.h, a lost RPC server included; a batch that upstream would abort
// the process for is kFailed.
// One batch object is kept and refilled, and all rows of a step are resolved by one call.
// Covered by tests/cpp/llama/runner_test.cpp.
#pragma once

#include "llama/adapters.h"
#include "llama/context.h"
#include "model/runner.h"

#include "llama.h"

#include <memory>
#include <vector>

namespace llamabox {

class LlamaRunner final : public Runner {
public:
  // REQUIRES: context and adapters outlive the runner.
  LlamaRunner(LoadedContext &context, LoadedAdapters &adapters);

  RunnerLimits limits() const override { return limits_; }
  void set_loras(std::span<const LoraScale> loras) override;
  DecodeStatus decode(const Batch &batch) override;
  std::span<const float> logits(std::int32_t row) override;

private:
  struct FreeBatch {
    void operator()(llama_batch_ext *batch) const { llama_batch_ext_free(batch); }
  };

  bool fill(const Batch &batch);
  bool add(const Row &row);

  LoadedContext &owner_;
  LoadedAdapters &adapters_;
  llama_context *context_;
  RunnerLimits limits_;
  std::int32_t n_slots_;
  std::int32_t n_outputs_max_;
  std::unique_ptr<llama_batch_ext, FreeBatch> batch_;
  const bool has_servers_;                  // a part of the model may be on another machine
  std::vector<std::int32_t> output_of_row_; // -1: the row asked for no logits
  const float *outputs_ = nullptr;          // of the last decode, null until first asked for
};

} // namespace llamabox
