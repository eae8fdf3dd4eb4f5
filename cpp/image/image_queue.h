// Whose image is next: as many requests as there are slots take turns, image by image, and the
// others wait in the order they came.
// Thread rule: the worker thread only. Guarantee: a request with many images holds up another one
// that has a slot by one image at a time. Covered by image_queue_test.
#pragma once

#include "base/request_registry.h"
#include "image/image_event.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace llamabox {

// An accepted request and how far it is. Times are nanoseconds of the engine's clock.
struct ImageJob {
  Ticket ticket;
  ImageRequest request;
  std::int64_t submitted_ns = 0;
  std::int32_t n_done = 0;         // images
  std::int64_t first_turn_ns = -1; // -1: not yet
  std::int64_t first_step_ns = -1;
  ImageUsage usage;

  bool cancelled() const { return ticket.cancelled->load(std::memory_order_acquire); }
};

class ImageQueue {
public:
  explicit ImageQueue(std::int32_t n_slots) : n_slots_(n_slots) {}

  void add(ImageJob job) { waiting_.push_back(std::move(job)); }

  // The request whose turn it is, taken out; none waits when it is null. Give it back with
  // `put_back`, behind the others, unless it has ended.
  std::unique_ptr<ImageJob> next();
  void put_back(std::unique_ptr<ImageJob> job);

  // Takes out those that were cancelled.
  std::vector<ImageJob> take_cancelled();
  std::vector<ImageJob> take_all();

  bool empty() const { return active_.empty() && waiting_.empty(); }
  // Those that have a slot; the one that next() gave is not counted.
  std::int32_t n_active() const { return static_cast<std::int32_t>(active_.size()); }
  std::int32_t n_waiting() const { return static_cast<std::int32_t>(waiting_.size()); }

private:
  void fill(std::int32_t n_slots);

  std::int32_t n_slots_;
  std::deque<std::unique_ptr<ImageJob>> active_;
  std::deque<ImageJob> waiting_;
};

} // namespace llamabox
