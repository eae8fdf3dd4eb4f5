// A lock that is given in the order in which it was asked for, so that no client waits behind
// several graphs of another.
// Thread rule: any. Covered by rpc_session_test.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace llamabox {

class Turns {
public:
  void lock() {
    std::unique_lock<std::mutex> lock(mutex_);
    const std::uint64_t mine = next_++;
    changed_.wait(lock, [&] { return serving_ == mine; });
  }

  void unlock() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++serving_;
    }
    changed_.notify_all();
  }

  // Those in line now, without the one whose turn it is.
  std::size_t n_waiting() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return next_ - serving_ - 1;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t next_ = 0;
  std::uint64_t serving_ = 0;
};

} // namespace llamabox
