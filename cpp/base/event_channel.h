// The way out of the engine: a step's events in one push, one wake-up at most, one drain.
// Thread rule: push_batch from the engine thread, drain from the loop thread.
// Guarantee: nothing is lost or reordered; the descriptor is readable exactly while events wait.
// Covered by event_channel_test.
#pragma once

#include "base/event.h"
#include "base/thread_annotations.h"
#include "base/wake_fd.h"

#include <vector>

namespace llamabox {

class EventChannel {
public:
  int fd() const { return wake_.fd(); }

  // Leaves `events` empty, without its memory where that could be handed over as it is.
  void push_batch(std::vector<Event> &events);
  std::vector<Event> drain();

private:
  WakeFd wake_;
  Mutex mutex_;
  std::vector<Event> events_ GUARDED_BY(mutex_);
};

} // namespace llamabox
