// Threads that do the parts of one piece of work side by side, the caller among them.
// Thread rule: run() by the engine thread. Guarantee: when run() returns every part was done once,
// and what the parts wrote is seen. Covered by sampler_pool_test through the fakes, and on the
// compute threads by tests/cpp/llama/crew_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace llamabox {

class Crew {
public:
  virtual ~Crew() = default;
  virtual std::int32_t n_threads() const = 0;
  // Calls part(i) for i below n_parts. REQUIRES: part throws nothing, and may run beside itself.
  virtual void run(std::size_t n_parts, const std::function<void(std::size_t)> &part) = 0;
};

} // namespace llamabox
