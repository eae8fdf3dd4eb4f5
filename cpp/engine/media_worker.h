// The thread that runs the projector: between the prompt workers and the scheduler, for prompts
// with pictures and sounds. It computes in turns with the engine's steps, a slice at a time, so
// that streams go on; requests take turns chunk by chunk.
// Thread rule: put from any thread. Guarantee: every arrival put comes out, with all its
// embeddings, an error, or cancelled or late; one that is cancelled comes out within a slice.
// Covered by media_worker_test.
#pragma once

#include "base/clock.h"
#include "base/compute_turns.h"
#include "base/inbox.h"
#include "base/thread_annotations.h"
#include "engine/media_cache.h"
#include "engine/prompt_worker.h"
#include "model/media.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>

namespace llamabox {

// Whether the arrival has media without embeddings.
bool needs_encoding(const Arrival &arrival);

// What a worker works with; all of it outlives the worker.
struct MediaWorkerContext {
  MediaEncoder &encoder;
  std::int32_t n_cached = 0; // chunks whose embeddings are kept
  const Clock &clock;
  ComputeTurns &turns;
  Inbox<Arrival> &arrivals;
};

class MediaWorker final : private SliceGate {
public:
  explicit MediaWorker(MediaWorkerContext context);
  ~MediaWorker() override; // ends the encoding that runs; what waits is dropped
  MediaWorker(const MediaWorker &) = delete;
  MediaWorker &operator=(const MediaWorker &) = delete;

  // REQUIRES: needs_encoding(arrival).
  void put(Arrival arrival);

private:
  // A request on its way; its prompt is its own until it is handed over.
  struct Job {
    Arrival arrival;
    std::unique_ptr<Prompt> prompt;
    std::size_t n_done = 0; // spans

    bool is_whole() const { return n_done == prompt->media.size(); }
  };

  void run();
  std::optional<Job> take_job();
  void put_back(Job job);
  void encode_next(Job &job);
  void hand_over(Job job);
  void hand_over_ended();
  bool is_over(const Job &job) const;

  bool pass() override;
  std::int64_t slice_ns() const override { return slice_ns_; }

  MediaWorkerContext context_;
  MediaCache cache_;
  const Job *current_ = nullptr; // that is being encoded
  std::int64_t slice_ns_;        // as long as the turn of somebody else was
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  std::thread thread_; // last: it uses the others
};

} // namespace llamabox
