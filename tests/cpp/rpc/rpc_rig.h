// A client in memory: builds the bytes of messages, and a device whose memory are vectors and whose
// computations only count.
// Whatever a session asks of the device is checked against its buffers.
#pragma once

#include "rpc/messages.h"
#include "rpc/session.h"
#include "rpc/tensor_cache.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <vector>

namespace llamabox {

inline TypeTable test_types() {
  TypeTable types{};
  types[0] = {1, 4, false};
  types[1] = {1, 2, false};
  types[2] = {32, 18, true};
  types[8] = {32, 34, true};
  types[26] = {1, 4, false};
  types[27] = {1, 8, false};
  types[30] = {1, 2, false};
  return types;
}

inline WireTensor wire(std::uint64_t id, RpcType type, std::vector<std::uint32_t> ne) {
  WireTensor tensor{};
  ne.resize(kRpcDims, 1);
  const TypeFacts facts = test_types()[static_cast<std::size_t>(type)];
  tensor.id = id;
  tensor.type = static_cast<std::uint32_t>(type);
  tensor.flags = kRpcComputes;
  std::uint32_t stride = facts.bytes;
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    tensor.ne[i] = ne[i];
    tensor.nb[i] = stride;
    stride = i == 0 ? stride * (ne[0] / facts.block) : stride * ne[i];
  }
  return tensor;
}

inline WireTensor at(WireTensor tensor, const AllocReply &buffer, std::uint64_t address) {
  tensor.buffer = buffer.handle;
  tensor.data = address;
  return tensor;
}

// Eight numbers and their squares, the tensors 1 and 2 of a graph.
inline std::vector<WireTensor> squares(const AllocReply &buffer, std::uint64_t base) {
  WireTensor node = at(wire(2, RpcType::kF32, {8}), buffer, base + 512);
  node.op = static_cast<std::uint32_t>(RpcOp::kSqr);
  node.src[0] = 1;
  return {at(wire(1, RpcType::kF32, {8}), buffer, base), node};
}

class Bytes {
public:
  template <typename T> Bytes &add(const T &value) {
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof value);
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return *this;
  }
  std::vector<std::byte> bytes;
};

inline std::vector<std::byte> message(RpcCommand command, const std::vector<std::byte> &payload) {
  Bytes all;
  all.add(static_cast<std::uint8_t>(command)).add(std::uint64_t{payload.size()});
  all.bytes.insert(all.bytes.end(), payload.begin(), payload.end());
  return all.bytes;
}

inline std::vector<std::byte> graph_payload(std::uint64_t uid,
                                            const std::vector<std::uint64_t> &nodes,
                                            const std::vector<WireTensor> &tensors) {
  Bytes payload;
  payload.add(std::uint32_t{0}).add(uid).add(static_cast<std::uint32_t>(nodes.size()));
  for (const std::uint64_t node : nodes) {
    payload.add(node);
  }
  payload.add(static_cast<std::uint32_t>(tensors.size()));
  for (const WireTensor &tensor : tensors) {
    payload.add(tensor);
  }
  return payload.bytes;
}

// The end of what a client sent.
struct EndOfStream : std::runtime_error {
  EndOfStream() : std::runtime_error("end") {}
};

class MemoryStream final : public RpcStream {
public:
  void read(void *data, std::size_t n) override {
    if (input.size() - at < n) {
      throw EndOfStream();
    }
    std::copy_n(input.begin() + static_cast<std::ptrdiff_t>(at), n, static_cast<std::byte *>(data));
    at += n;
  }
  void write(const void *data, std::size_t n) override {
    const auto *first = static_cast<const std::byte *>(data);
    output.insert(output.end(), first, first + n);
  }

  bool peer_left() const override { return left; }

  std::vector<std::byte> input;
  std::size_t at = 0;
  std::vector<std::byte> output;
  bool left = false;
};

class FakeDevice final : public RpcDevice {
public:
  struct Graph final : PreparedGraph {};

  std::uint64_t alignment() const override { return 32; }
  std::uint64_t max_buffer_bytes() const override { return std::uint64_t{1} << 30; }
  RpcMemory memory() const override { return {1 << 20, 1 << 20}; }

  bool allocate(std::uint64_t bytes, RpcBuffer &buffer) override {
    const std::lock_guard<std::mutex> lock(mutex);
    storages.emplace_back(bytes);
    buffer.storage = &storages.back();
    buffer.size = bytes;
    ++n_buffers;
    return true;
  }
  void release(RpcBuffer &buffer) override {
    of(buffer).clear();
    of(buffer).shrink_to_fit();
    const std::lock_guard<std::mutex> lock(mutex);
    --n_buffers;
  }
  std::uint64_t allocated_bytes(const RpcTensor &tensor) const override { return tensor.bytes; }
  void clear(const RpcBuffer &buffer, std::uint8_t value) override {
    std::fill(of(buffer).begin(), of(buffer).end(), std::byte{value});
  }
  void init(const RpcTensor &tensor) override { range(tensor, 0, tensor.bytes); }
  void write(const RpcTensor &tensor, std::uint64_t offset, const void *data,
             std::size_t n) override {
    std::byte *target = range(tensor, offset, n);
    if (n > 0) {
      std::memcpy(target, data, n);
    }
  }
  void read(const RpcTensor &tensor, std::uint64_t offset, void *data, std::size_t n) override {
    const std::byte *from = range(tensor, offset, n);
    if (n > 0) {
      std::memcpy(data, from, n);
    }
  }
  bool supports(const RpcTensor &node) const override { return node.op != unknown_op; }
  std::unique_ptr<PreparedGraph> prepare(const RpcGraph &graph) override {
    // Everything a kernel could touch is there.
    for (const RpcTensor &tensor : graph.tensors) {
      if (tensor.buffer != nullptr) {
        range(tensor, 0, tensor.bytes);
      }
    }
    return std::make_unique<Graph>();
  }
  bool run(PreparedGraph &, std::size_t begin, std::size_t end, const Abandoned &) override {
    pieces.emplace_back(begin, end);
    return true;
  }

  std::mutex mutex; // of storages and n_buffers
  std::deque<std::vector<std::byte>> storages;
  std::vector<std::pair<std::size_t, std::size_t>> pieces;
  int n_buffers = 0;
  std::uint32_t unknown_op = kRpcOps; // an op that there is no kernel for; none at first

private:
  static std::vector<std::byte> &of(const RpcBuffer &buffer) {
    return *static_cast<std::vector<std::byte> *>(buffer.storage);
  }
  static std::byte *range(const RpcTensor &tensor, std::uint64_t offset, std::uint64_t n) {
    std::vector<std::byte> &storage = of(*tensor.buffer);
    if (tensor.offset + offset + n > storage.size()) {
      throw std::logic_error("a session reached beyond a buffer");
    }
    return storage.data() + tensor.offset + offset;
  }
};

// A host with one fake device, and a client of it.
class RpcRig {
public:
  explicit RpcRig(std::uint64_t capacity = 1 << 20, std::uint64_t graph_bytes = 1 << 20)
      : host(graph_bytes) {
    host.types = test_types();
    auto owned = std::make_unique<FakeDevice>();
    device = owned.get();
    host.seats.push_back(std::make_unique<RpcSeat>(std::move(owned), capacity));
    session = std::make_unique<RpcSession>(host);
  }

  // The reply without its length; empty where there is none. ERRORS: as the session.
  std::vector<std::byte> send(RpcCommand command, const std::vector<std::byte> &payload) {
    MemoryStream stream;
    stream.left = client_left;
    const std::vector<std::byte> all = message(command, payload);
    stream.input.assign(all.begin() + 1, all.end());
    session->handle(command, stream);
    CHECK(stream.at == stream.input.size());
    if (stream.output.empty()) {
      return {};
    }
    std::uint64_t size = 0;
    std::memcpy(&size, stream.output.data(), sizeof size);
    CHECK(size == stream.output.size() - sizeof size);
    return {stream.output.begin() + sizeof size, stream.output.end()};
  }

  template <typename T> T ask(RpcCommand command, const std::vector<std::byte> &payload) {
    const std::vector<std::byte> reply = send(command, payload);
    REQUIRE(reply.size() == sizeof(T));
    T value;
    std::memcpy(&value, reply.data(), sizeof value);
    return value;
  }

  AllocReply allocate(std::uint64_t bytes) {
    return ask<AllocReply>(RpcCommand::kAllocBuffer, Bytes().add(AllocRequest{0, bytes}).bytes);
  }
  std::uint64_t base(std::uint64_t handle) {
    return ask<std::uint64_t>(RpcCommand::kBufferGetBase, Bytes().add(handle).bytes);
  }

  RpcHost host;
  FakeDevice *device = nullptr;
  std::unique_ptr<RpcSession> session;
  bool client_left = false;
};

} // namespace llamabox
