// What the sessions of one server share: its devices with their budgets and turns, and the cache.
// Thread rule: any; budgets are taken and given back under a leaf mutex.
// Guarantee: clients together never hold more of a device than its capacity.
// Covered by rpc_session_test.
#pragma once

#include "rpc/device.h"
#include "rpc/turns.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

namespace llamabox {

class TensorCache;

class RpcSeat {
public:
  RpcSeat(std::unique_ptr<RpcDevice> the_device, std::uint64_t capacity_bytes)
      : device(std::move(the_device)), capacity_(capacity_bytes) {}

  // What clients are told.
  RpcMemory memory() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return {std::min(device->memory().free_bytes, capacity_ - used_), capacity_};
  }

  std::uint64_t capacity_bytes() const { return capacity_; }
  std::uint64_t used_bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return used_;
  }

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

  const std::unique_ptr<RpcDevice> device;
  Turns turns;

private:
  mutable std::mutex mutex_;
  const std::uint64_t capacity_;
  std::uint64_t used_ = 0;
};

struct RpcHost {
  std::vector<std::unique_ptr<RpcSeat>> seats;
  TypeTable types{};
  TensorCache *cache = nullptr; // none: nothing is kept
};

} // namespace llamabox
