// A snapshot of what the engine does and has done, for metrics and health.
// Thread rule: Stats is a value of the engine thread; SharedStats is its copy for any thread.
// Covered by scheduler_test and the boundary tests.
#pragma once

#include "base/histogram.h"
#include "base/thread_annotations.h"
#include "base/types.h"

#include <cstdint>
#include <vector>

namespace llamabox {

// One seat of the batch as it stood after the last step; counts are tokens.
struct SlotStats {
  RequestId request = 0;     // 0: free
  bool decoding = false;     // false while the prompt is read
  std::int32_t n_prompt = 0; // of its sequence
  std::int32_t n_generated = 0;
  std::int32_t n_held = 0; // in KV; of a free slot, the prefix it retains
};

struct Stats {
  // Now.
  std::int32_t n_slots = 0;
  std::int32_t n_slots_busy = 0;
  std::int32_t n_waiting = 0;       // sequences that wait for a slot, and requests being encoded
  std::int32_t n_kv_cells = 0;      // in all
  std::int32_t n_kv_used = 0;       // held by running and retained sequences
  std::uint64_t n_parked_bytes = 0; // in RAM, of KV
  bool healthy = true;              // false after a broken invariant or a lost device
  std::vector<SlotStats> slots;

  // Since the start.
  std::uint64_t n_requests = 0;
  std::uint64_t n_prompt_tokens = 0;   // run through the model
  std::uint64_t n_cached_tokens = 0;   // taken from KV instead
  std::uint64_t n_shared_tokens = 0;   // of these, in cells that another sequence holds too
  std::uint64_t n_joined_tokens = 0;   // of these, waited for while another request read them
  std::uint64_t n_parked_tokens = 0;   // copied from KV to RAM
  std::uint64_t n_restored_tokens = 0; // of the cached ones, copied back
  std::uint64_t n_generated_tokens = 0;
  std::uint64_t n_draft_tokens = 0;
  std::uint64_t n_draft_accepted = 0;
  std::uint64_t n_preempted = 0;
  std::uint64_t n_preempted_tokens = 0; // of KV, that they did not find again
  std::uint64_t n_context_shifts = 0;
  std::uint64_t n_looked_up_tokens = 0; // prompt tokens that KV was searched for
  std::uint64_t n_steps = 0;
  std::uint64_t n_encode_passes = 0; // over texts for embeddings and scores
  std::uint64_t n_encoded_texts = 0;
  std::uint64_t n_media_encoded = 0; // chunks of pictures and sounds
  std::uint64_t n_media_cached = 0;  // of them, those whose embeddings were still there
  double prefill_seconds = 0;        // steps' time, shared out by rows
  double decode_seconds = 0;
  Histogram step_ms{{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}};
  // The bounds of the OpenTelemetry conventions for generative models, so that both worlds agree.
  Histogram ttft_ms{{1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000}};
  Histogram itl_ms{{10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2500}};
  Histogram e2e_ms{{10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 81920}};
  Histogram queue_ms{{1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000}};
  // By its place in the draft, from 1.
  Histogram draft_places{{1, 2, 3, 4, 6, 8, 12, 16}};          // of each token drafted
  Histogram accepted_draft_places{{1, 2, 3, 4, 6, 8, 12, 16}}; // of each one accepted
  Histogram prompt_tokens{{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144}}; // per request
  Histogram output_tokens{{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144}}; // per choice
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
