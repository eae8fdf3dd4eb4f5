// What an RPC server does and has done, for metrics: sums over its clients, and the memory of each
// device.
// Thread rule: plain value. Covered by rpc_server_test.
#pragma once

#include "rpc/session.h"

#include <cstdint>
#include <vector>

namespace llamabox {

struct RpcSeatStats {
  std::uint64_t capacity_bytes = 0; // that clients may hold together
  std::uint64_t used_bytes = 0;     // that they hold now
};

struct RpcStats {
  std::uint64_t n_clients = 0;         // now
  std::uint64_t n_clients_taken = 0;   // since the start
  std::uint64_t n_clients_refused = 0; // one too many, or no thread for it
  std::uint64_t n_bad_ends = 0;        // clients let go for what they sent
  RpcCounts counts;                    // of all clients; held and peak bytes are 0
  std::vector<RpcSeatStats> seats;     // of each device
};

} // namespace llamabox
