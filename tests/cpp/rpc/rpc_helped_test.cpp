// A device that lacks kernels, with the CPU beside it: the bytes of a device that has them all.
#include <doctest/doctest.h>

#include "rpc_ops.h"

#include "rpc/ggml_device.h"
#include "rpc/helped_device.h"

#include <algorithm>
#include <set>

using namespace llamabox;

namespace {

const std::atomic<bool> kNeverStops{false};

std::unique_ptr<RpcDevice> cpu() {
  RpcDeviceInfo info;
  return make_ggml_device(std::nullopt, 1, kNeverStops, info);
}

// The CPU without its kernels of some ops; a graph that asks for one all the same throws.
class PickyDevice final : public OuterDevice {
public:
  explicit PickyDevice(std::set<RpcOp> lacks) : OuterDevice(cpu()), lacks_(std::move(lacks)) {}

  bool supports(const RpcTensor &node) const override {
    return !lacks_.contains(static_cast<RpcOp>(node.op)) && inner().supports(node);
  }
  std::unique_ptr<PreparedGraph> prepare(const RpcGraph &graph) override {
    nodes_ = graph.nodes;
    return OuterDevice::prepare(graph);
  }
  bool run(PreparedGraph &graph, std::size_t begin, std::size_t end,
           const Abandoned &abandoned) override {
    for (std::size_t i = begin; i < end; ++i) {
      if (!is_view(nodes_[i]->op) && !supports(*nodes_[i])) {
        throw std::logic_error("a kernel that there is not");
      }
    }
    return OuterDevice::run(graph, begin, end, abandoned);
  }

private:
  const std::set<RpcOp> lacks_;
  std::vector<const RpcTensor *> nodes_; // of the last graph
};

std::unique_ptr<RpcDevice> helped(std::set<RpcOp> lacks) {
  return std::make_unique<HelpedDevice>(std::make_unique<PickyDevice>(std::move(lacks)), cpu());
}

// A client's tensors in one buffer, and the graph of those that compute.
class Sketch {
public:
  WireTensor &add(RpcType type, std::vector<std::uint32_t> ne) {
    WireTensor tensor = wire(tensors_.size() + 1, type, std::move(ne));
    tensor.buffer = kHandle;
    tensor.data = kBase + kPlace * tensors_.size();
    tensors_.push_back(tensor);
    return tensors_.back();
  }
  std::uint64_t leaf(RpcType type, std::vector<std::uint32_t> ne) {
    return add(type, std::move(ne)).id;
  }
  std::uint64_t node(RpcOp op, std::vector<std::uint32_t> ne, std::vector<std::uint64_t> sources,
                     std::vector<std::int32_t> params = {}, RpcType type = RpcType::kF32) {
    WireTensor &tensor = add(type, std::move(ne));
    tensor.op = static_cast<std::uint32_t>(op);
    std::copy(sources.begin(), sources.end(), tensor.src);
    std::copy(params.begin(), params.end(), tensor.op_params);
    nodes_.push_back(tensor.id);
    return tensor.id;
  }
  // A node that writes into one of its sources.
  void in_place(const OneOp &one, std::vector<std::uint64_t> sources, std::uint64_t own) {
    const std::uint64_t address = tensors_[own - 1].data;
    node(one.op, one.ne, std::move(sources), one.params, one.type);
    tensors_.back().data = address;
    tensors_.back().view_src = own;
  }
  std::uint64_t shaped(std::uint64_t of, std::vector<std::uint32_t> ne) {
    const WireTensor whole = tensors_[of - 1];
    const std::uint64_t id =
        node(RpcOp::kReshape, std::move(ne), {of}, {}, static_cast<RpcType>(whole.type));
    tensors_.back().data = whole.data;
    tensors_.back().view_src = of;
    return id;
  }

  // The bytes of the last tensor after the graph ran on a device; leaves hold small numbers.
  std::vector<std::byte> run(RpcDevice &device) const {
    RpcBuffers buffers;
    RpcBuffer &buffer = buffers[kHandle];
    buffer.handle = kHandle;
    buffer.base = kBase;
    REQUIRE(device.allocate(kPlace * tensors_.size(), buffer));
    const auto graph = check_graph(graph_payload(0, nodes_, tensors_), buffers, ggml_type_table());
    for (const RpcTensor &tensor : graph->tensors) {
      fill(tensor, device);
    }
    const auto prepared = device.prepare(*graph);
    for (const GraphPiece &piece : graph->pieces) {
      const bool ran = device.run(*prepared, piece.begin, piece.end, [] { return false; });
      CHECK(ran);
    }
    const RpcTensor &last = *graph->nodes.back();
    std::vector<std::byte> bytes(last.bytes);
    device.read(last, 0, bytes.data(), bytes.size());
    device.release(buffer);
    return bytes;
  }

private:
  static constexpr std::uint64_t kHandle = 7;
  static constexpr std::uint64_t kPlace = 1 << 16; // bytes for each tensor

  static void fill(const RpcTensor &tensor, RpcDevice &device) {
    if (tensor.op != static_cast<std::uint32_t>(RpcOp::kNone)) {
      return;
    }
    std::vector<std::byte> bytes(tensor.bytes);
    if (tensor.type == RpcType::kF32) {
      std::vector<float> values(tensor.bytes / sizeof(float));
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(i * 37 % 64) / 16 - 2;
      }
      std::memcpy(bytes.data(), values.data(), bytes.size());
    } else if (tensor.type == RpcType::kF16) {
      for (std::size_t i = 0; i < bytes.size(); i += 2) {
        const auto half = static_cast<std::uint16_t>(0x3000 + i * 53 % 0x0c00); // 0.125 to 1
        std::memcpy(bytes.data() + i, &half, sizeof half);
      }
    }
    device.write(tensor, 0, bytes.data(), bytes.size());
  }

  std::vector<WireTensor> tensors_;
  std::vector<std::uint64_t> nodes_;
};

// A piece of an image model: convolution by columns, group norm, activation, twice the size.
Sketch image_block() {
  Sketch sketch;
  const auto kernel = sketch.leaf(RpcType::kF16, {3, 3, 2, 6});
  const auto image = sketch.leaf(RpcType::kF32, {8, 5, 2});
  const auto columns = sketch.node(RpcOp::kIm2col, {18, 8, 5}, {kernel, image},
                                   {1, 1, 1, 1, 1, 1, 1}, RpcType::kF16);
  const auto flat = sketch.shaped(columns, {18, 40});
  const auto product = sketch.node(RpcOp::kMulMat, {40, 6}, {flat, sketch.shaped(kernel, {18, 6})});
  const auto planes = sketch.shaped(product, {8, 5, 6});
  const auto normed = sketch.node(RpcOp::kGroupNorm, {8, 5, 6}, {planes}, {3, 0x358637bd});
  const auto active = sketch.node(RpcOp::kUnary, {8, 5, 6}, {normed}, {10});
  const auto larger = sketch.node(RpcOp::kUpscale, {16, 10, 6}, {active}, {0});
  sketch.node(RpcOp::kAdd, {16, 10, 6}, {larger, larger});
  return sketch;
}

} // namespace

TEST_CASE("a graph with three ops that the device lacks gives the bytes of one that has them") {
  const Sketch sketch = image_block();
  const std::vector<std::byte> wanted = sketch.run(*cpu());
  CHECK(std::any_of(wanted.begin(), wanted.end(), [](std::byte b) { return b != std::byte{0}; }));
  const std::set<RpcOp> three{RpcOp::kIm2col, RpcOp::kGroupNorm, RpcOp::kUpscale};
  CHECK(sketch.run(*helped(three)) == wanted);
  CHECK(sketch.run(*helped({})) == wanted);
  PickyDevice alone(three);
  CHECK_THROWS_AS(sketch.run(alone), std::logic_error);
}

TEST_CASE("every op of the list may be the one that a device lacks") {
  for (const OneOp &one : good_ops()) {
    CAPTURE(static_cast<int>(one.op));
    const auto run = [&](RpcDevice &device) {
      Sketch sketch;
      std::vector<std::uint64_t> sources;
      for (const auto &[type, ne] : one.sources) {
        sources.push_back(sketch.leaf(type, ne));
      }
      if (one.own_source >= 0) { // the target is a view of it
        const auto own = static_cast<std::size_t>(one.own_source);
        sketch.in_place(one, sources, sources[own]);
      } else {
        sketch.node(one.op, one.ne, sources, one.params, one.type);
      }
      return sketch.run(device);
    };
    CHECK(run(*helped({one.op})) == run(*cpu()));
  }
}

TEST_CASE("a device and its helper have the kernels of both") {
  const RpcTensor row = check_tensor(wire(1, RpcType::kF32, {8}), nullptr, ggml_type_table());
  RpcTensor node = row;
  node.op = static_cast<std::uint32_t>(RpcOp::kSqr);
  node.src[0] = &row;
  CHECK_FALSE(PickyDevice({RpcOp::kSqr}).supports(node));
  CHECK(helped({RpcOp::kSqr})->supports(node));
}
