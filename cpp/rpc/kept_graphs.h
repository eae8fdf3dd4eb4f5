// The graphs of one client that it may run again, by the number that it gave them.
// Thread rule: the session's. Guarantee: what is kept of all clients stays within the budget.
// Covered by rpc_kept_test.
#pragma once

#include "rpc/budget.h"
#include "rpc/device.h"

#include <cstdint>
#include <list>
#include <memory>

namespace llamabox {

struct ReadyGraph {
  std::unique_ptr<RpcGraph> graph;
  std::unique_ptr<PreparedGraph> prepared;
};

class KeptGraphs {
public:
  // REQUIRES: `memory` outlives this.
  explicit KeptGraphs(Budget &memory) : memory_(memory) {}

  // Replaces the graph of the same number; those not run for longest go when there is no room.
  // ERRORS: BadMessage when other clients have taken all there is.
  ReadyGraph &keep(ReadyGraph fresh);
  // ERRORS: BadMessage when there is none, or none any more.
  ReadyGraph &find(std::uint32_t device, std::uint64_t uid);
  // What uses the buffer cannot be run again.
  void forget(const RpcBuffer &buffer);

private:
  struct Kept {
    ReadyGraph ready;
    Share memory;
  };
  using Graphs = std::list<Kept>;

  Graphs::iterator place_of(std::uint32_t device, std::uint64_t uid);
  void keep_the_number_down(std::uint32_t device);
  Share room_for(const RpcGraph &graph);

  Budget &memory_;
  Graphs graphs_; // the one run last comes first, and is nearly always the one that is wanted
};

} // namespace llamabox
