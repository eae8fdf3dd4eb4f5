// A mailbox, bounded by its producers: many threads put, the owner takes all, or several owners
// take one each. A taker sleeps on a condition variable, until a time only where it names one.
// Thread rule: put, nudge and close from any thread; take_all from one owner, take_one from many.
// Guarantee: items come out in the order they went in; after close() a waiting owner returns.
// Covered by base_test.
#pragma once

#include "base/thread_annotations.h"
#include "base/types.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace llamabox {

template <class T> class Inbox {
public:
  void put(T item) {
    {
      MutexLock lock(mutex_);
      items_.push_back(std::move(item));
      signalled_ = true;
    }
    signal_.notify_one();
  }

  // Wakes the owner without an item: a flag elsewhere changed.
  void nudge() {
    {
      MutexLock lock(mutex_);
      signalled_ = true;
    }
    signal_.notify_one();
  }

  void close() {
    {
      MutexLock lock(mutex_);
      closed_ = true;
      signalled_ = true;
    }
    signal_.notify_all();
  }

  // Everything put so far; sleeps until there is an item, a nudge or a close, but no longer than
  // `wait_ns`: 0 is not at all, kNever for ever.
  std::vector<T> take_all(std::int64_t wait_ns) {
    MutexLock lock(mutex_);
    const auto is_ready = [this]() REQUIRES_LOCK(mutex_) { return signalled_ || closed_; };
    if (wait_ns == kNever) {
      signal_.wait(mutex_, is_ready);
    } else if (wait_ns > 0) {
      signal_.wait_for(mutex_, std::chrono::nanoseconds(wait_ns), is_ready);
    }
    signalled_ = false;
    std::vector<T> taken(std::make_move_iterator(items_.begin()),
                         std::make_move_iterator(items_.end()));
    items_.clear();
    return taken;
  }

  // The oldest item; sleeps until there is one. None: closed.
  std::optional<T> take_one() {
    MutexLock lock(mutex_);
    signal_.wait(mutex_, [this]() REQUIRES_LOCK(mutex_) { return !items_.empty() || closed_; });
    if (closed_) {
      return std::nullopt;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  bool closed() {
    MutexLock lock(mutex_);
    return closed_;
  }

private:
  Mutex mutex_;
  std::condition_variable_any signal_;
  std::deque<T> items_ GUARDED_BY(mutex_);
  bool signalled_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
};

} // namespace llamabox
