// The accepted requests that have not ended: who they are, whether they were cancelled, and how
// many still wait for a slot.
// Thread rule: any thread; one leaf mutex. Guarantee: an id is handed out once and ended once; the
// count of waiting requests never exceeds the limit.
// Covered by base_test.
#pragma once

#include "base/thread_annotations.h"
#include "base/types.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace llamabox {

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

struct Ticket {
  RequestId id = 0; // 0: refused, the queue is full or closed
  CancelFlag cancelled;
};

class RequestRegistry {
public:
  explicit RequestRegistry(std::int32_t n_queue) : n_queue_(n_queue) {}

  Ticket accept() {
    MutexLock lock(mutex_);
    if (closed_ || n_waiting_ >= n_queue_) {
      return {};
    }
    ++n_waiting_;
    auto flag = std::make_shared<std::atomic<bool>>(false);
    live_.emplace(++last_id_, Live{flag, true});
    return {last_id_, std::move(flag)};
  }

  // The request has its first slot and no longer counts as waiting.
  void admitted(RequestId id) {
    MutexLock lock(mutex_);
    if (const auto it = live_.find(id); it != live_.end()) {
      stop_waiting(it->second);
    }
  }

  // False: the id is unknown or has ended already.
  bool ended(RequestId id) {
    MutexLock lock(mutex_);
    const auto it = live_.find(id);
    if (it == live_.end()) {
      return false;
    }
    stop_waiting(it->second);
    live_.erase(it);
    return true;
  }

  // From here on nothing is accepted; returns what was accepted and has not ended.
  std::vector<RequestId> close() {
    MutexLock lock(mutex_);
    closed_ = true;
    std::vector<RequestId> ids;
    ids.reserve(live_.size());
    for (const auto &[id, live] : live_) {
      ids.push_back(id);
    }
    return ids;
  }

  // False: nothing to cancel.
  bool cancel(RequestId id) {
    MutexLock lock(mutex_);
    const auto it = live_.find(id);
    if (it == live_.end()) {
      return false;
    }
    if (!it->second.cancelled->exchange(true, std::memory_order_acq_rel)) {
      cancelled_.push_back(id);
    }
    return true;
  }

  // Cancelled since the last call; some may not have reached the scheduler yet, or have ended.
  std::vector<RequestId> take_cancelled() {
    MutexLock lock(mutex_);
    return std::exchange(cancelled_, {});
  }

  std::int32_t n_waiting() const {
    MutexLock lock(mutex_);
    return n_waiting_;
  }

  std::size_t n_live() const {
    MutexLock lock(mutex_);
    return live_.size();
  }

private:
  struct Live {
    CancelFlag cancelled;
    bool waiting;
  };

  void stop_waiting(Live &live) REQUIRES_LOCK(mutex_) {
    n_waiting_ -= live.waiting ? 1 : 0;
    live.waiting = false;
  }

  const std::int32_t n_queue_;
  mutable Mutex mutex_;
  std::unordered_map<RequestId, Live> live_ GUARDED_BY(mutex_);
  std::vector<RequestId> cancelled_ GUARDED_BY(mutex_);
  std::int32_t n_waiting_ GUARDED_BY(mutex_) = 0;
  RequestId last_id_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

} // namespace llamabox
