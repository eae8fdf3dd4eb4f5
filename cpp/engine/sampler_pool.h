// Verifies the rows of a step: one job for each sequence, side by side where that is worth a fork
// and a join. A job touches its sampler, its rows and the vocabulary; nothing of upstream's
// context, whose getters change it, so the engine resolves all rows before.
// Thread rule: engine thread; the jobs run on the crew's threads and are joined within run().
// Guarantee: the verdicts are those of one thread, whatever the crew. Jobs keep their buffers from
// step to step.
// Covered by sampler_pool_test.
#pragma once

#include "model/crew.h"
#include "spec/verify.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <random>
#include <span>
#include <vector>

namespace llamabox {

struct SampleJob {
  Sampler *sampler = nullptr;
  std::vector<std::span<const float>> rows; // of the last committed token, then of each draft
  const Draft *draft = nullptr;
  std::minstd_rand *random = nullptr; // of the sequence, for drafts drawn by chance
  Verdict verdict;
  std::exception_ptr failure; // what is no Error
};

class SamplerPool {
public:
  // Logits of a step below which one thread is done before others have begun.
  static constexpr std::size_t kMinLogits = std::size_t{1} << 18U;

  // Without a crew one thread does all.
  SamplerPool(Crew *crew, std::int32_t n_vocab) : crew_(crew), n_vocab_(n_vocab) {}

  void clear() { n_jobs_ = 0; }
  // A job with no rows yet; valid until the next call. REQUIRES: all of it outlives run().
  SampleJob &add(Sampler &sampler, const Draft &draft, std::minstd_rand &random);
  void run();
  // In the order of add().
  std::span<const SampleJob> jobs() const { return std::span(jobs_).first(n_jobs_); }

private:
  Crew *crew_;
  std::int32_t n_vocab_;
  std::vector<SampleJob> jobs_;
  std::size_t n_jobs_ = 0;
};

} // namespace llamabox
