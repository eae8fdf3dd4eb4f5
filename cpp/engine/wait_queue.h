// Sequences that wait for a slot, by rank: their age, moved by their priority. A preempted sequence
// keeps its rank, so it comes back before everything that arrived after it.
// Thread rule: engine thread. Covered by wait_queue_test.
#pragma once

#include "engine/sequence.h"

#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <utility>
#include <vector>

namespace llamabox {

class WaitQueue {
public:
  using Iterator = std::list<std::unique_ptr<Sequence>>::iterator;

  // From the back, where most belong.
  void insert(std::unique_ptr<Sequence> sequence) {
    n_prompt_tokens_ += n_counted(*sequence);
    auto at = waiting_.end();
    while (at != waiting_.begin() && sequence->precedes(**std::prev(at))) {
      --at;
    }
    waiting_.insert(at, std::move(sequence));
  }

  Iterator begin() { return waiting_.begin(); }
  Iterator end() { return waiting_.end(); }
  bool empty() const { return waiting_.empty(); }
  std::int32_t size() const { return static_cast<std::int32_t>(waiting_.size()); }

  std::unique_ptr<Sequence> take(Iterator at) {
    std::unique_ptr<Sequence> sequence = std::move(*at);
    waiting_.erase(at);
    n_prompt_tokens_ -= n_counted(*sequence);
    return sequence;
  }

  void remove(const LiveRequest *request) {
    waiting_.remove_if([this, request](const auto &sequence) {
      const bool is_gone = sequence->request == request;
      n_prompt_tokens_ -= is_gone ? n_counted(*sequence) : 0;
      return is_gone;
    });
  }

  // Prompt tokens that wait, a prompt of several choices counted once.
  std::int64_t n_prompt_tokens() const { return n_prompt_tokens_; }

private:
  static std::int64_t n_counted(const Sequence &sequence) {
    return sequence.choice == 0 ? sequence.prompt->size() : 0;
  }

  std::list<std::unique_ptr<Sequence>> waiting_;
  std::int64_t n_prompt_tokens_ = 0;
};

} // namespace llamabox
