#include "rpc/helped_device.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

namespace llamabox {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
// Of this machine's memory, for the copies of one node: nobody reserved it for clients.
constexpr std::uint64_t kMaxCopyBytes = std::uint64_t{8} << 30;

class HelpedGraph final : public PreparedGraph {
public:
  HelpedGraph(const RpcGraph &graph, RpcDevice &device)
      : nodes_(graph.nodes), on_device_(device.prepare(graph)) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!is_view(nodes_[i]->op) && !device.supports(*nodes_[i])) {
        elsewhere_.push_back(i);
      }
    }
  }

  const RpcTensor &node(std::size_t i) const { return *nodes_[i]; }
  PreparedGraph &on_device() { return *on_device_; }
  // The first node from `begin` on that the device cannot run, `end` where there is none.
  std::size_t next_elsewhere(std::size_t begin, std::size_t end) const {
    const auto next = std::lower_bound(elsewhere_.begin(), elsewhere_.end(), begin);
    return next == elsewhere_.end() ? end : std::min(*next, end);
  }

private:
  const std::vector<const RpcTensor *> nodes_;
  const std::unique_ptr<PreparedGraph> on_device_;
  std::vector<std::size_t> elsewhere_; // in order
};

// A node alone with its sources, as a graph whose memory is one buffer of the helper. What lies
// over each other on the device has copies of its own here: kernels read the values of before.
class LoneNode {
public:
  LoneNode(const RpcTensor &node, RpcDevice &helper) : helper_(helper) {
    graph_.tensors.reserve(kRpcSources + 1); // addresses stay
    std::uint64_t n_bytes = 0;
    for (const RpcTensor *source : node.src) {
      if (source != nullptr && source != &node) {
        add(*source, n_bytes);
        graph_.tensors.back().op = static_cast<std::uint32_t>(RpcOp::kNone);
      }
    }
    add(node, n_bytes);
    if (n_bytes > kMaxCopyBytes) {
      throw BadMessage("op " + std::to_string(node.op) + ": too large to be run beside the device");
    }
    if (!helper.allocate(n_bytes, buffer_)) {
      throw std::bad_alloc();
    }
    for (RpcTensor &tensor : graph_.tensors) {
      tensor.buffer = &buffer_;
      tensor.view_src = nullptr;
      tensor.view_offs = 0;
    }
    aim_sources(node);
    graph_.nodes.push_back(&target());
  }
  ~LoneNode() { helper_.release(buffer_); }
  LoneNode(const LoneNode &) = delete;
  LoneNode &operator=(const LoneNode &) = delete;

  const RpcGraph &graph() const { return graph_; }
  RpcTensor &target() { return graph_.tensors.back(); }
  std::size_t n_sources() const { return graph_.tensors.size() - 1; }
  const RpcTensor &copy_of_source(std::size_t i) const { return graph_.tensors[i]; }

private:
  void add(const RpcTensor &tensor, std::uint64_t &n_bytes) {
    graph_.tensors.push_back(tensor);
    graph_.tensors.back().offset = n_bytes;
    const std::uint64_t alignment = std::max<std::uint64_t>(helper_.alignment(), 1);
    n_bytes += (tensor.bytes + alignment) / alignment * alignment;
  }

  void aim_sources(const RpcTensor &node) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < kRpcSources; ++i) {
      if (node.src[i] == &node) {
        target().src[i] = &target();
      } else if (node.src[i] != nullptr) {
        target().src[i] = &graph_.tensors[next++];
      }
    }
    for (std::size_t i = 0; i < n_sources(); ++i) {
      graph_.tensors[i].src = {};
    }
  }

  RpcDevice &helper_;
  RpcBuffer buffer_;
  RpcGraph graph_;
};

// Whether something of the target's memory must still be there after the node ran.
bool keeps_content(const RpcTensor &node) {
  return !node.dense() || std::any_of(node.src.begin(), node.src.end(), [&](const auto *source) {
    return source != nullptr && overlap(*source, node);
  });
}

void copy(RpcDevice &from_device, const RpcTensor &from, RpcDevice &to_device,
          const RpcTensor &to) {
  std::vector<std::byte> chunk(std::min<std::uint64_t>(from.bytes, kChunkBytes));
  for (std::uint64_t done = 0; done < from.bytes;) {
    const std::size_t n = std::min<std::uint64_t>(from.bytes - done, kChunkBytes);
    from_device.read(from, done, chunk.data(), n);
    to_device.write(to, done, chunk.data(), n);
    done += n;
  }
}

} // namespace

std::unique_ptr<PreparedGraph> HelpedDevice::prepare(const RpcGraph &graph) {
  return std::make_unique<HelpedGraph>(graph, inner());
}

bool HelpedDevice::run(PreparedGraph &graph, std::size_t begin, std::size_t end,
                       const Abandoned &abandoned) {
  auto &helped = static_cast<HelpedGraph &>(graph);
  while (true) {
    const std::size_t next = helped.next_elsewhere(begin, end);
    if (!inner().run(helped.on_device(), begin, next, abandoned)) {
      return false;
    }
    if (next == end) {
      return true;
    }
    if (!run_elsewhere(helped.node(next), abandoned)) {
      return false;
    }
    begin = next + 1;
  }
}

bool HelpedDevice::run_elsewhere(const RpcTensor &node, const Abandoned &abandoned) {
  LoneNode lone(node, *helper_);
  std::size_t n_copied = 0;
  for (const RpcTensor *source : node.src) {
    if (source != nullptr && source != &node) {
      copy(inner(), *source, *helper_, lone.copy_of_source(n_copied++));
    }
  }
  if (keeps_content(node)) {
    copy(inner(), node, *helper_, lone.target());
  }
  const std::unique_ptr<PreparedGraph> prepared = helper_->prepare(lone.graph());
  if (!helper_->run(*prepared, 0, 1, abandoned)) {
    return false;
  }
  copy(*helper_, lone.target(), inner(), node);
  return true;
}

} // namespace llamabox
