// The way out of an engine: a step's events in one push, one wake-up at most, one drain.
// Thread rule: push_batch from the engine thread, drain from the loop thread.
// Guarantee: nothing is lost or reordered; the descriptor is readable exactly while events wait.
// Covered by event_channel_test.
#pragma once

#include "base/event.h"
#include "base/thread_annotations.h"
#include "base/wake_fd.h"

#include <iterator>
#include <utility>
#include <vector>

namespace llamabox {

template <class T> class Channel {
public:
  int fd() const { return wake_.fd(); }

  // Leaves `events` empty, without its memory where that could be handed over as it is.
  void push_batch(std::vector<T> &events) {
    if (events.empty()) {
      return;
    }
    bool was_empty = false;
    {
      MutexLock lock(mutex_);
      was_empty = events_.empty();
      if (was_empty) {
        events_.swap(events); // the usual case: the last ones have been drained
      }
      events_.insert(events_.end(), std::make_move_iterator(events.begin()),
                     std::make_move_iterator(events.end()));
    }
    events.clear();
    if (was_empty) {
      wake_.signal();
    }
  }

  std::vector<T> drain() {
    // Cleared before taking: a push in between signals again, at worst for nothing.
    wake_.clear();
    MutexLock lock(mutex_);
    return std::exchange(events_, {});
  }

private:
  WakeFd wake_;
  Mutex mutex_;
  std::vector<T> events_ GUARDED_BY(mutex_);
};

using EventChannel = Channel<Event>;

} // namespace llamabox
