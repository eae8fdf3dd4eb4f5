#include "rpc/graph.h"

#include "rpc/reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_set>

namespace llamabox {
namespace {

constexpr std::uint64_t kMaxCheckedBytes = std::uint64_t{1} << 28;

using TensorIds = std::unordered_map<std::uint64_t, const RpcTensor *>;

const RpcTensor *find_tensor(std::uint64_t id, const TensorIds &known) {
  if (id == 0) {
    return nullptr;
  }
  const auto found = known.find(id);
  if (found == known.end()) {
    throw BadMessage("a graph names a tensor that does not come before it");
  }
  return found->second;
}

// Some backends find a view's memory through what it is a view of.
void take_view(const RpcTensor *whole, RpcTensor &view) {
  if (whole == nullptr || whole->buffer != view.buffer || view.buffer == nullptr) {
    view.view_offs = 0;
    return;
  }
  if (view.offset < whole->offset || view.offset - whole->offset != view.view_offs) {
    throw BadMessage("a view is not where it says");
  }
  view.view_src = whole;
}

// A cast names itself as the target that it copies to; nothing else may.
bool is_own_target(const WireTensor &wire, std::size_t source) {
  return wire.src[source] == wire.id && source == 1 &&
         wire.op == static_cast<std::uint32_t>(RpcOp::kCpy);
}

void take_tensors(MessageReader &reader, RpcGraph &graph, TensorIds &known,
                  const RpcBuffers &buffers, const TypeTable &types) {
  const auto n_tensors = reader.take<std::uint32_t>();
  if (reader.left() != std::size_t{n_tensors} * sizeof(WireTensor)) {
    throw BadMessage("a graph is not as long as it says");
  }
  graph.tensors.reserve(n_tensors); // addresses stay
  known.reserve(n_tensors);
  for (std::uint32_t i = 0; i < n_tensors; ++i) {
    const auto wire = reader.take<WireTensor>();
    RpcTensor tensor = check_tensor(wire, find_buffer(wire.buffer, buffers), types);
    // Where it will stand, once it is checked.
    const RpcTensor *own = graph.tensors.data() + graph.tensors.size();
    for (std::size_t k = 0; k < kRpcSources; ++k) {
      tensor.src[k] = is_own_target(wire, k) ? own : find_tensor(wire.src[k], known);
    }
    take_view(find_tensor(wire.view_src, known), tensor);
    if (tensor.empty()) {
      tensor.op = static_cast<std::uint32_t>(RpcOp::kNone);
    }
    graph.tensors.push_back(tensor);
    const std::uint64_t id = wire.id;
    if (id == 0 || !known.emplace(id, &graph.tensors.back()).second) {
      throw BadMessage("two tensors of a graph have one id");
    }
  }
}

bool runs(const RpcTensor &node) { return !is_view(node.op); }

// A client leaves out branches by a flag: what they would read need not be there, indices least of
// all. Kernels never see such a node here.
bool is_left_out(const RpcTensor &node) { return runs(node) && (node.flags & kRpcComputes) == 0; }

// What is computed elsewhere is only memory here.
void make_leaves(RpcGraph &graph) {
  const std::unordered_set<const RpcTensor *> nodes(graph.nodes.begin(), graph.nodes.end());
  if (nodes.size() != graph.nodes.size()) {
    throw BadMessage("a graph runs one node twice");
  }
  for (RpcTensor &tensor : graph.tensors) {
    if (runs(tensor) && !nodes.contains(&tensor)) {
      tensor.op = static_cast<std::uint32_t>(RpcOp::kNone);
    }
  }
}

// The uses inside this graph are counted here: kernels are fused where a result has one use.
void count_uses(RpcGraph &graph) {
  std::unordered_map<const RpcTensor *, std::int32_t> uses;
  for (const RpcTensor *node : graph.nodes) {
    for (const RpcTensor *source : node->src) {
      ++uses[source];
    }
  }
  for (RpcTensor &tensor : graph.tensors) {
    const auto found = uses.find(&tensor);
    tensor.use_count = std::max(tensor.use_count, found == uses.end() ? 0 : found->second);
  }
}

bool has_check(const GraphPiece &piece, const ValueCheck &check) {
  return std::any_of(piece.checks.begin(), piece.checks.end(), [&](const ValueCheck &known) {
    return known.tensor == check.tensor && known.rule.below == check.rule.below;
  });
}

void cut(RpcGraph &graph) {
  GraphPiece piece;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const RpcTensor &node = *graph.nodes[i];
    if (!runs(node)) {
      continue;
    }
    if (const std::optional<ValueRule> rule = value_rule(node)) {
      const ValueCheck check{node.src[rule->source], *rule};
      if (check.tensor->bytes > kMaxCheckedBytes) {
        throw BadMessage("too many indices to check");
      }
      const auto written = [&](const RpcTensor *earlier) {
        return runs(*earlier) && overlap(*earlier, *check.tensor);
      };
      const auto first = graph.nodes.begin();
      if (std::any_of(first + static_cast<std::ptrdiff_t>(piece.begin),
                      first + static_cast<std::ptrdiff_t>(i), written)) {
        piece.end = i;
        graph.pieces.push_back(std::move(piece));
        piece = GraphPiece{i, i, {}};
      }
      if (!has_check(piece, check)) {
        piece.checks.push_back(check);
      }
    }
  }
  piece.end = graph.nodes.size();
  graph.pieces.push_back(std::move(piece));
}

template <typename T> T value_at(std::span<const std::byte> bytes, std::uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

bool value_holds(const ValueCheck &check, std::span<const std::byte> bytes, std::uint64_t at) {
  if (!check.rule.below) {
    return !std::isnan(value_at<float>(bytes, at));
  }
  const std::int64_t value = check.tensor->type == RpcType::kI64
                                 ? value_at<std::int64_t>(bytes, at)
                                 : value_at<std::int32_t>(bytes, at);
  return value >= 0 && value < *check.rule.below;
}

} // namespace

bool RpcGraph::uses(const RpcBuffer &buffer) const {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const RpcTensor &tensor) { return tensor.buffer == &buffer; });
}

const RpcBuffer *find_buffer(std::uint64_t handle, const RpcBuffers &buffers) {
  if (handle == 0) {
    return nullptr;
  }
  const auto found = buffers.find(handle);
  if (found == buffers.end()) {
    throw BadMessage("unknown buffer");
  }
  return &found->second;
}

std::unique_ptr<RpcGraph> check_graph(std::span<const std::byte> message, const RpcBuffers &buffers,
                                      const TypeTable &types) {
  MessageReader reader(message);
  auto graph = std::make_unique<RpcGraph>();
  graph->device = reader.take<std::uint32_t>();
  graph->uid = reader.take<std::uint64_t>();
  const auto n_nodes = reader.take<std::uint32_t>();
  if (n_nodes == 0 || n_nodes > kMaxGraphNodes) {
    throw BadMessage("a graph of " + std::to_string(n_nodes) + " nodes");
  }
  std::vector<std::uint64_t> ids;
  ids.reserve(n_nodes);
  for (std::uint32_t i = 0; i < n_nodes; ++i) {
    ids.push_back(reader.take<std::uint64_t>());
  }
  TensorIds known;
  take_tensors(reader, *graph, known, buffers, types);
  for (const std::uint64_t id : ids) {
    const RpcTensor *node = find_tensor(id, known);
    if (node == nullptr) {
      throw BadMessage("a graph has a node without an id");
    }
    if (is_left_out(*node)) {
      continue;
    }
    if (runs(*node)) {
      check_op(*node);
      if (node->buffer->device != graph->device) {
        throw BadMessage("a graph for one device uses memory of another");
      }
    }
    graph->nodes.push_back(node);
  }
  make_leaves(*graph);
  count_uses(*graph);
  cut(*graph);
  return graph;
}

bool values_hold(const ValueCheck &check, std::span<const std::byte> bytes) {
  const RpcTensor &tensor = *check.tensor;
  for (std::int64_t row = 0; row < tensor.n_rows(); ++row) {
    const auto i1 = static_cast<std::uint64_t>(row % tensor.ne[1]);
    const auto i2 = static_cast<std::uint64_t>(row / tensor.ne[1] % tensor.ne[2]);
    const auto i3 = static_cast<std::uint64_t>(row / tensor.ne[1] / tensor.ne[2]);
    const std::uint64_t begin = i1 * tensor.nb[1] + i2 * tensor.nb[2] + i3 * tensor.nb[3];
    for (std::int64_t i0 = 0; i0 < tensor.ne[0]; ++i0) {
      if (!value_holds(check, bytes, begin + static_cast<std::uint64_t>(i0) * tensor.nb[0])) {
        return false;
      }
    }
  }
  return true;
}

} // namespace llamabox
