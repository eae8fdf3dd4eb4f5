#include <doctest/doctest.h>

#include "rpc_ops.h"

#include <random>

using namespace llamabox;

namespace {

// A graph of one node for each op of the list.
void say_every_op(RpcRig &rig, std::vector<std::vector<std::byte>> &messages) {
  const AllocReply buffer = rig.allocate(kBufferBytes);
  const std::uint64_t base = rig.base(buffer.handle);
  for (const OneOp &one : good_ops()) {
    std::vector<WireTensor> tensors = build(one).tensors;
    for (WireTensor &tensor : tensors) {
      tensor.buffer = buffer.handle;
      tensor.data = tensor.data - kBase + base;
    }
    messages.push_back(
        message(RpcCommand::kGraphCompute, graph_payload(0, {tensors.back().id}, tensors)));
  }
}

// A session that a client could have had, as messages; the fuzzer changes one or more of them.
std::vector<std::vector<std::byte>> recorded(RpcRig &rig) {
  const AllocReply buffer = rig.allocate(1 << 16);
  const std::uint64_t base = rig.base(buffer.handle);
  std::vector<std::vector<std::byte>> messages;
  const auto place = [&](WireTensor tensor, std::uint64_t offset) {
    tensor.buffer = buffer.handle;
    tensor.data = base + offset;
    return tensor;
  };
  const auto say = [&](RpcCommand command, const std::vector<std::byte> &payload) {
    messages.push_back(message(command, payload));
  };
  const WireTensor weights = place(wire(1, static_cast<RpcType>(2), {32, 8}), 0);
  const WireTensor rows = place(wire(2, RpcType::kF32, {32, 3}), 4096);
  const WireTensor ids = place(wire(3, RpcType::kI32, {3}), 8192);
  WireTensor product = place(wire(4, RpcType::kF32, {8, 3}), 12288);
  product.op = static_cast<std::uint32_t>(RpcOp::kMulMat);
  product.src[0] = 1;
  product.src[1] = 2;
  WireTensor picked = place(wire(5, RpcType::kF32, {32, 3}), 16384);
  picked.op = static_cast<std::uint32_t>(RpcOp::kGetRows);
  picked.src[0] = 1;
  picked.src[1] = 3;
  WireTensor view = place(wire(6, RpcType::kF32, {8}), 12288 + 32);
  view.op = static_cast<std::uint32_t>(RpcOp::kView);
  view.view_src = 4;
  view.view_offs = 32;
  view.src[0] = 4;
  Bytes set;
  set.add(SetRequest{rows, 0, 0}).add(std::uint64_t{1}).add(std::uint64_t{2});
  say(RpcCommand::kSetTensor, set.bytes);
  say(RpcCommand::kGetTensor, Bytes().add(RangeRequest{product, 0, 96}).bytes);
  say(RpcCommand::kGetTensor2d, Bytes().add(Range2dRequest{product, 0, 8, 3, 32}).bytes);
  say(RpcCommand::kGraphCompute,
      graph_payload(9, {4, 5, 6}, {weights, rows, product, ids, picked, view}));
  say(RpcCommand::kGraphRecompute, Bytes().add(RecomputeRequest{0, 9}).bytes);
  say_every_op(rig, messages);
  say(RpcCommand::kCopyTensor, Bytes().add(rows).add(picked).bytes);
  say(RpcCommand::kMemsetTensor, Bytes().add(MemsetRequest{rows, 0, 12, 1}).bytes);
  say(RpcCommand::kInitTensor, Bytes().add(weights).bytes);
  say(RpcCommand::kSetTensorHash, Bytes().add(HashRequest{weights, 0, 5}).bytes);
  auto sizes = std::make_unique<AllocSizeRequest>();
  *sizes = {0, product, {weights, rows}};
  say(RpcCommand::kGetAllocSize, Bytes().add(*sizes).bytes);
  say(RpcCommand::kAllocBuffer, Bytes().add(AllocRequest{0, 512}).bytes);
  say(RpcCommand::kFreeBuffer, Bytes().add(buffer.handle).bytes);
  say(RpcCommand::kBufferGetBase, Bytes().add(buffer.handle).bytes);
  say(RpcCommand::kBufferClear, Bytes().add(ClearRequest{buffer.handle, 1}).bytes);
  say(RpcCommand::kGetDeviceMemory, Bytes().add(std::uint32_t{0}).bytes);
  return messages;
}

std::vector<std::byte> mutated(std::vector<std::byte> bytes, std::mt19937_64 &random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  constexpr std::uint64_t kInteresting[] = {0,          1,          2,          31,
                                            0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 40,
                                            1ULL << 63, UINT64_MAX, 255,        4096};
  const std::size_t n_changes = 1 + below(4);
  for (std::size_t i = 0; i < n_changes && bytes.size() > 9; ++i) {
    const std::size_t at = 9 + below(bytes.size() - 9);
    const std::size_t width = std::min<std::size_t>(std::size_t{1} << below(4), bytes.size() - at);
    const std::uint64_t value =
        below(3) == 0 ? random() : kInteresting[below(std::size(kInteresting))] + below(3) - 1;
    if (below(3) == 0) {
      bytes[at] ^= static_cast<std::byte>(1U << below(8));
    } else {
      std::memcpy(bytes.data() + at, &value, width);
    }
  }
  if (below(16) == 0) {
    bytes[0] = static_cast<std::byte>(below(26));
  }
  if (below(8) == 0) { // another length, told truly or not
    bytes.resize(9 + below(bytes.size() + 64));
    if (below(4) != 0) {
      const std::uint64_t payload = bytes.size() - 9;
      std::memcpy(bytes.data() + 1, &payload, sizeof payload);
    }
  }
  return bytes;
}

} // namespace

TEST_CASE("mutated messages end a session with a refusal or do what they say, never more") {
  // The fake device throws a logic_error for every byte beyond a buffer.
  const char *wanted = std::getenv("LLAMABOX_FUZZ_MESSAGES");
  const std::size_t n_messages = wanted == nullptr ? 20000 : std::strtoull(wanted, nullptr, 10);
  std::mt19937_64 random(20260711);
  std::size_t n_sent = 0;
  std::size_t n_refused = 0;
  while (n_sent < n_messages) {
    RpcRig rig(4 << 20);
    const std::vector<std::vector<std::byte>> messages = recorded(rig);
    for (std::size_t i = 0; i < 64; ++i) {
      const auto &original = messages[random() % messages.size()];
      MemoryStream stream;
      const std::vector<std::byte> bytes = random() % 4 == 0 ? original : mutated(original, random);
      stream.input.assign(bytes.begin() + 1, bytes.end());
      ++n_sent;
      try {
        rig.session->handle(static_cast<RpcCommand>(bytes[0]), stream);
      } catch (const BadMessage &) {
        ++n_refused;
        break;
      } catch (const EndOfStream &) {
        break;
      }
    }
    rig.session.reset();
    REQUIRE(rig.device->n_buffers == 0);
    REQUIRE(rig.host.seats[0]->memory().free_bytes == 1 << 20);
  }
  CHECK(n_refused > n_messages / 100);
}
