// What a session needs of a device: memory, transfers and running checked graphs. The real one is
// GgmlDevice, alone or with a HelpedDevice around it; the fake one of the tests keeps its memory in
// vectors.
// Thread rule: run() only by whoever holds the device's turn; the rest from any session's thread,
// each on its own buffers. Guarantee asked of callers: every range was checked.
// Covered by rpc_session_test (fake) and test_rpc.py (real).
#pragma once

#include "rpc/graph.h"

#include <functional>
#include <memory>

namespace llamabox {

struct RpcMemory {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
};

// A graph in the device's own form. It refers to buffers that must outlive it.
class PreparedGraph {
public:
  virtual ~PreparedGraph() = default;
};

// Whether nobody waits for the result any more.
using Abandoned = std::function<bool()>;

class RpcDevice {
public:
  virtual ~RpcDevice() = default;

  virtual std::uint64_t alignment() const = 0;
  virtual std::uint64_t max_buffer_bytes() const = 0;
  // As the system sees it, before reservations.
  virtual RpcMemory memory() const = 0;
  // Fills storage and size; false when there is no memory.
  virtual bool allocate(std::uint64_t bytes, RpcBuffer &buffer) = 0;
  virtual void release(RpcBuffer &buffer) = 0;
  virtual std::uint64_t allocated_bytes(const RpcTensor &tensor) const = 0;

  virtual void clear(const RpcBuffer &buffer, std::uint8_t value) = 0;
  virtual void init(const RpcTensor &tensor) = 0;
  virtual void write(const RpcTensor &tensor, std::uint64_t offset, const void *data,
                     std::size_t n) = 0;
  virtual void read(const RpcTensor &tensor, std::uint64_t offset, void *data, std::size_t n) = 0;

  // Whether there is a kernel for a node that its op's rule lets pass. It need not have memory.
  virtual bool supports(const RpcTensor &node) const = 0;
  // REQUIRES: supports() holds for every node that is run; `graph` outlives the result.
  virtual std::unique_ptr<PreparedGraph> prepare(const RpcGraph &graph) = 0;
  // False when the computation failed, was stopped or, where the device can end it early, was
  // abandoned; that is asked now and then on the calling thread.
  virtual bool run(PreparedGraph &graph, std::size_t begin, std::size_t end,
                   const Abandoned &abandoned) = 0;
};

} // namespace llamabox
