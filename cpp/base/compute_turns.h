// Whose turn it is to compute: an engine step, or a slice of the projector's graph. Two graphs on
// the same cores at once would slow each other far more than taking turns does.
// Thread rule: any thread; a thread holds at most one turn.
// Guarantee: turns come in the order in which they were asked for, so nobody is passed over twice.
// Covered by base_test and media_worker_test.
#pragma once

#include "base/thread_annotations.h"

#include <condition_variable>
#include <cstdint>

namespace llamabox {

class ComputeTurns {
public:
  // Waits until all who asked before have given their turn back.
  void take() {
    MutexLock lock(mutex_);
    const std::uint64_t mine = n_asked_++;
    changed_.wait(mutex_, [&]() REQUIRES_LOCK(mutex_) { return n_given_ == mine; });
  }

  void give() {
    {
      MutexLock lock(mutex_);
      ++n_given_;
    }
    changed_.notify_all();
  }

  // Whether somebody waits for the turn that the caller holds.
  bool is_wanted() {
    MutexLock lock(mutex_);
    return n_asked_ > n_given_ + 1;
  }

private:
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t n_asked_ GUARDED_BY(mutex_) = 0;
  std::uint64_t n_given_ GUARDED_BY(mutex_) = 0;
};

// Holds a turn while it lives; null: nobody else computes.
class ComputeTurn {
public:
  explicit ComputeTurn(ComputeTurns *turns) : turns_(turns) {
    if (turns_ != nullptr) {
      turns_->take();
    }
  }
  ~ComputeTurn() {
    if (turns_ != nullptr) {
      turns_->give();
    }
  }
  ComputeTurn(const ComputeTurn &) = delete;
  ComputeTurn &operator=(const ComputeTurn &) = delete;

private:
  ComputeTurns *turns_;
};

} // namespace llamabox
