// A client's graph after its checks, and how it is cut: indices that the graph itself computes can
// only be checked once they are there, so the nodes run in pieces with checks in between.
// Thread rule: pure; a graph belongs to one session. Covered by rpc_graph_test.
#pragma once

#include "rpc/op_rules.h"

#include <cstddef>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace llamabox {

using RpcBuffers = std::unordered_map<std::uint64_t, RpcBuffer>;

constexpr std::size_t kMaxGraphNodes = 65536;
constexpr std::uint64_t kMaxMessageBytes = std::uint64_t{64} << 20; // all but tensor data

struct ValueCheck {
  const RpcTensor *tensor = nullptr;
  ValueRule rule;
};

// Nodes [begin, end) run once all of `checks` hold.
struct GraphPiece {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::vector<ValueCheck> checks;
};

struct RpcGraph {
  std::uint32_t device = 0;
  std::uint64_t uid = 0;          // 0: not kept
  std::vector<RpcTensor> tensors; // sources before what is computed from them
  std::vector<const RpcTensor *> nodes;
  std::vector<GraphPiece> pieces;

  bool uses(const RpcBuffer &buffer) const;
};

// Finds the buffer a wire tensor names; null for none. ERRORS: BadMessage for an unknown one.
const RpcBuffer *find_buffer(std::uint64_t handle, const RpcBuffers &buffers);

// REQUIRES: `message` is the whole payload. The graph points into itself: keep it where it is.
// ERRORS: BadMessage.
std::unique_ptr<RpcGraph> check_graph(std::span<const std::byte> message, const RpcBuffers &buffers,
                                      const TypeTable &types);

// Whether the values of a tensor obey the rule; `bytes` are those of its span.
bool values_hold(const ValueCheck &check, std::span<const std::byte> bytes);

} // namespace llamabox
