// Sequences that wait for a slot, by priority and then by age. A preempted sequence keeps its age,
// so it comes back before everything that arrived after it.
// Thread rule: engine thread. Covered by wait_queue_test.
#pragma once

#include "engine/sequence.h"

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

namespace llamabox {

class WaitQueue {
public:
  using Iterator = std::list<std::unique_ptr<Sequence>>::iterator;

  void insert(std::unique_ptr<Sequence> sequence) {
    const auto at = std::ranges::find_if(
        waiting_, [&](const auto &other) { return goes_before(*sequence, *other); });
    waiting_.insert(at, std::move(sequence));
  }

  Iterator begin() { return waiting_.begin(); }
  Iterator end() { return waiting_.end(); }
  bool empty() const { return waiting_.empty(); }
  std::int32_t size() const { return static_cast<std::int32_t>(waiting_.size()); }

  std::unique_ptr<Sequence> take(Iterator at) {
    std::unique_ptr<Sequence> sequence = std::move(*at);
    waiting_.erase(at);
    return sequence;
  }

  void remove(const LiveRequest *request) {
    waiting_.remove_if([request](const auto &sequence) { return sequence->request == request; });
  }

  // Prompt tokens that wait, a prompt of several choices counted once.
  std::int64_t n_prompt_tokens() const {
    std::int64_t n = 0;
    for (const auto &sequence : waiting_) {
      n += sequence->choice == 0 ? sequence->prompt->size() : 0;
    }
    return n;
  }

private:
  static bool goes_before(const Sequence &a, const Sequence &b) {
    return a.priority != b.priority ? a.priority > b.priority : a.order < b.order;
  }

  std::list<std::unique_ptr<Sequence>> waiting_;
};

} // namespace llamabox
