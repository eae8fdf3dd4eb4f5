// A snapshot of what the engine does and has done, for metrics and health.
// Thread rule: Stats is a value of the engine thread; SharedStats is its copy for any thread.
// Covered by scheduler_test and the boundary tests.
#pragma once

#include "base/histogram.h"
#include "base/thread_annotations.h"

#include <cstdint>

namespace llamabox {

struct Stats {
  // Now.
  std::int32_t n_slots = 0;
  std::int32_t n_slots_busy = 0;
  std::int32_t n_waiting = 0;  // sequences that wait for a slot, and requests being encoded
  std::int32_t n_kv_cells = 0; // in all
  std::int32_t n_kv_used = 0;  // held by running and retained sequences
  bool healthy = true;         // false after a broken invariant

  // Since the start.
  std::uint64_t n_requests = 0;
  std::uint64_t n_prompt_tokens = 0; // run through the model
  std::uint64_t n_cached_tokens = 0; // taken from KV instead
  std::uint64_t n_generated_tokens = 0;
  std::uint64_t n_draft_tokens = 0;
  std::uint64_t n_draft_accepted = 0;
  std::uint64_t n_preempted = 0;
  std::uint64_t n_steps = 0;
  double prefill_seconds = 0; // steps' time, shared out by rows
  double decode_seconds = 0;
  Histogram step_ms{{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}};
  Histogram ttft_ms{{5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000}};
};

// The last published snapshot.
class SharedStats {
public:
  void set(const Stats &stats) {
    MutexLock lock(mutex_);
    stats_ = stats;
  }
  Stats get() const {
    MutexLock lock(mutex_);
    return stats_;
  }

private:
  mutable Mutex mutex_;
  Stats stats_ GUARDED_BY(mutex_);
};

} // namespace llamabox
