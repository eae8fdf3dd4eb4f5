#include "base/event_channel.h"

#include <iterator>
#include <utility>

namespace llamabox {

void EventChannel::push_batch(std::vector<Event> &events) {
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

std::vector<Event> EventChannel::drain() {
  // Cleared before taking: a push in between signals again, at worst for nothing.
  wake_.clear();
  MutexLock lock(mutex_);
  return std::exchange(events_, {});
}

} // namespace llamabox
