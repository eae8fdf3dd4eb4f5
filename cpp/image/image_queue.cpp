#include "image/image_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace llamabox {

void ImageQueue::fill(std::int32_t n_slots) {
  while (n_active() < n_slots && !waiting_.empty()) {
    active_.push_back(std::make_unique<ImageJob>(std::move(waiting_.front())));
    waiting_.pop_front();
  }
}

void ImageQueue::put_back(std::unique_ptr<ImageJob> job) {
  fill(n_slots_ - 1); // who came meanwhile has had no turn yet
  active_.push_back(std::move(job));
}

std::unique_ptr<ImageJob> ImageQueue::next() {
  fill(n_slots_);
  if (active_.empty()) {
    return nullptr;
  }
  std::unique_ptr<ImageJob> job = std::move(active_.front());
  active_.pop_front();
  return job;
}

std::vector<ImageJob> ImageQueue::take_cancelled() {
  std::vector<ImageJob> taken;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->cancelled()) {
      taken.push_back(std::move(*it));
      it = waiting_.erase(it);
    } else {
      ++it;
    }
  }
  for (auto it = active_.begin(); it != active_.end();) {
    if ((*it)->cancelled()) {
      taken.push_back(std::move(**it));
      it = active_.erase(it);
    } else {
      ++it;
    }
  }
  return taken;
}

std::vector<ImageJob> ImageQueue::take_all() {
  std::vector<ImageJob> taken;
  taken.reserve(active_.size() + waiting_.size());
  for (std::unique_ptr<ImageJob> &job : active_) {
    taken.push_back(std::move(*job));
  }
  active_.clear();
  std::move(waiting_.begin(), waiting_.end(), std::back_inserter(taken));
  waiting_.clear();
  return taken;
}

} // namespace llamabox
