// A crew of plain threads, made anew for every run, so that a thread sanitizer sees all that they
// share.
// Thread rule: as the interface. Covered by its users.
#pragma once

#include "model/crew.h"

#include <atomic>
#include <thread>
#include <vector>

namespace llamabox {

class ThreadCrew final : public Crew {
public:
  explicit ThreadCrew(std::int32_t n_threads) : n_threads_(n_threads) {}

  std::int32_t n_threads() const override { return n_threads_; }

  void run(std::size_t n_parts, const std::function<void(std::size_t)> &part) override {
    ++n_runs;
    std::atomic<std::size_t> next{0};
    const auto take = [&] {
      for (std::size_t i = next++; i < n_parts; i = next++) {
        part(i);
      }
    };
    std::vector<std::thread> others;
    for (std::int32_t i = 1; i < n_threads_; ++i) {
      others.emplace_back(take);
    }
    take();
    for (std::thread &other : others) {
      other.join();
    }
  }

  int n_runs = 0;

private:
  std::int32_t n_threads_;
};

} // namespace llamabox
