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
  const auto is_kept = [](const ImageJob &job) { return !job.cancelled(); };
  const auto first = std::stable_partition(waiting_.begin(), waiting_.end(), is_kept);
  std::move(first, waiting_.end(), std::back_inserter(taken));
  waiting_.erase(first, waiting_.end());
  const auto first_active =
      std::stable_partition(active_.begin(), active_.end(),
                            [&](const std::unique_ptr<ImageJob> &job) { return is_kept(*job); });
  for (auto it = first_active; it != active_.end(); ++it) {
    taken.push_back(std::move(**it));
  }
  active_.erase(first_active, active_.end());
  return taken;
}

std::vector<ImageJob> ImageQueue::take_all() {
  std::vector<ImageJob> taken;
  for (std::unique_ptr<ImageJob> &job : active_) {
    taken.push_back(std::move(*job));
  }
  active_.clear();
  std::move(waiting_.begin(), waiting_.end(), std::back_inserter(taken));
  waiting_.clear();
  return taken;
}

} // namespace llamabox
