// Bytes that several clients take from and give back to.
// Thread rule: any; a leaf mutex inside. Guarantee: never more is taken than the capacity.
// Covered by rpc_kept_test.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace llamabox {

class Share;

class Budget {
public:
  explicit Budget(std::uint64_t capacity) : capacity_(capacity) {}

  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t used() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return used_;
  }
  std::uint64_t free() const { return capacity_ - used(); }

  bool take(std::uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (bytes > capacity_ - used_) {
      return false;
    }
    used_ += bytes;
    return true;
  }

  void give_back(std::uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    used_ -= bytes;
  }

  // None when so much is not left.
  std::optional<Share> share(std::uint64_t bytes);

private:
  mutable std::mutex mutex_;
  const std::uint64_t capacity_;
  std::uint64_t used_ = 0;
};

// A part of a budget, which must outlive it; given back at the end.
class Share {
public:
  Share() = default;
  Share(Budget &budget, std::uint64_t bytes) : budget_(&budget), bytes_(bytes) {}
  Share(Share &&other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
  Share &operator=(Share &&other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Share() {
    if (budget_ != nullptr) {
      budget_->give_back(bytes_);
    }
  }

private:
  Budget *budget_ = nullptr;
  std::uint64_t bytes_ = 0;
};

inline std::optional<Share> Budget::share(std::uint64_t bytes) {
  return take(bytes) ? std::optional<Share>(std::in_place, *this, bytes) : std::nullopt;
}

} // namespace llamabox
