#include "rpc/kept_graphs.h"

#include <algorithm>
#include <optional>

namespace llamabox {
namespace {

// Of a device. A client forgets all of its numbers when it has so many, so that it never asks for
// one that was not among the last so many.
constexpr std::ptrdiff_t kMaxGraphs = 1024;
// Twice: as it was checked, and in the form of the device, which is about as large.
constexpr std::uint64_t kBytesOfTensor = 2 * sizeof(RpcTensor);

} // namespace

ReadyGraph &KeptGraphs::keep(ReadyGraph fresh) {
  const auto before = place_of(fresh.graph->device, fresh.graph->uid);
  if (before != graphs_.end()) {
    graphs_.erase(before);
  }
  keep_the_number_down(fresh.graph->device);
  Share memory = room_for(*fresh.graph);
  return graphs_.emplace_front(std::move(fresh), std::move(memory)).ready;
}

ReadyGraph &KeptGraphs::find(std::uint32_t device, std::uint64_t uid) {
  const auto found = place_of(device, uid);
  if (found == graphs_.end()) {
    throw BadMessage("an unknown graph is to be run again");
  }
  graphs_.splice(graphs_.begin(), graphs_, found);
  return found->ready;
}

void KeptGraphs::forget(const RpcBuffer &buffer) {
  graphs_.remove_if([&](const Kept &kept) { return kept.ready.graph->uses(buffer); });
}

KeptGraphs::Graphs::iterator KeptGraphs::place_of(std::uint32_t device, std::uint64_t uid) {
  return std::find_if(graphs_.begin(), graphs_.end(), [&](const Kept &kept) {
    return kept.ready.graph->uid == uid && kept.ready.graph->device == device;
  });
}

void KeptGraphs::keep_the_number_down(std::uint32_t device) {
  const auto is_of_device = [&](const Kept &kept) { return kept.ready.graph->device == device; };
  if (std::count_if(graphs_.begin(), graphs_.end(), is_of_device) >= kMaxGraphs) {
    const auto oldest = std::find_if(graphs_.rbegin(), graphs_.rend(), is_of_device);
    graphs_.erase(std::next(oldest).base());
  }
}

Share KeptGraphs::room_for(const RpcGraph &graph) {
  const std::uint64_t bytes = graph.tensors.size() * kBytesOfTensor;
  while (true) {
    if (std::optional<Share> share = memory_.share(bytes)) {
      return std::move(*share);
    }
    if (graphs_.empty()) {
      throw BadMessage("the graphs kept of all clients take too much memory");
    }
    graphs_.pop_back();
  }
}

} // namespace llamabox
