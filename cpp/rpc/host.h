// What the sessions of one server share: its devices with their budgets and turns, and the cache.
// Thread rule: any.
// Guarantee: clients together never hold more of a device than its capacity.
// Covered by rpc_session_test.
#pragma once

#include "rpc/budget.h"
#include "rpc/device.h"
#include "rpc/turns.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace llamabox {

class TensorCache;

class RpcSeat {
public:
  RpcSeat(std::unique_ptr<RpcDevice> the_device, std::uint64_t capacity_bytes)
      : device(std::move(the_device)), budget(capacity_bytes) {}

  // What clients are told.
  RpcMemory memory() const {
    return {std::min(device->memory().free_bytes, budget.free()), budget.capacity()};
  }

  const std::unique_ptr<RpcDevice> device;
  Budget budget; // of buffers
  Turns turns;
};

struct RpcHost {
  explicit RpcHost(std::uint64_t graph_bytes) : graphs(graph_bytes) {}

  Budget graphs; // kept of all clients, in the memory of this machine
  std::vector<std::unique_ptr<RpcSeat>> seats;
  TypeTable types{};
  TensorCache *cache = nullptr; // none: nothing is kept
};

} // namespace llamabox
