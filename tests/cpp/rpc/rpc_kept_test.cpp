// Graphs that may be run again: which are kept, and what they count for.
#include <doctest/doctest.h>

#include "rpc_rig.h"

using namespace llamabox;

namespace {

// What a kept graph of them counts for.
constexpr std::uint64_t kBytesOfSquares = std::uint64_t{2} * 2 * sizeof(RpcTensor);

// A session as one connection of a client: its buffer, and a graph kept over it.
void keep_squares(RpcSession &session, std::uint64_t uid) {
  const auto tell = [&](RpcCommand command, const std::vector<std::byte> &payload) {
    MemoryStream stream;
    const std::vector<std::byte> all = message(command, payload);
    stream.input.assign(all.begin() + 1, all.end());
    session.handle(command, stream);
    return stream.output;
  };
  AllocReply buffer;
  const auto allocated = tell(RpcCommand::kAllocBuffer, Bytes().add(AllocRequest{0, 1024}).bytes);
  std::memcpy(&buffer, allocated.data() + sizeof(std::uint64_t), sizeof buffer);
  std::uint64_t base = 0;
  const auto told = tell(RpcCommand::kBufferGetBase, Bytes().add(buffer.handle).bytes);
  std::memcpy(&base, told.data() + sizeof(std::uint64_t), sizeof base);
  tell(RpcCommand::kGraphCompute, graph_payload(uid, {2}, squares(buffer, base)));
}

} // namespace

TEST_CASE("the graphs kept of all clients share one budget, and the oldest make room") {
  RpcRig rig(1 << 20, 3 * kBytesOfSquares);
  const AllocReply buffer = rig.allocate(4096);
  const auto tensors = squares(buffer, rig.base(buffer.handle));
  const auto compute = [&](std::uint64_t uid) {
    rig.send(RpcCommand::kGraphCompute, graph_payload(uid, {2}, tensors));
  };
  const auto recompute = [&](std::uint64_t uid) {
    rig.send(RpcCommand::kGraphRecompute, Bytes().add(RecomputeRequest{0, uid}).bytes);
  };
  compute(1);
  compute(2);
  compute(2); // takes the place of the one before
  compute(0); // not kept
  CHECK(rig.host.graphs.used() == 2 * kBytesOfSquares);
  compute(3);
  recompute(1);
  compute(4);
  CHECK(rig.host.graphs.free() == 0);
  CHECK_THROWS_AS(recompute(2), BadMessage);
  recompute(1);
  recompute(3);
  recompute(4);
  RpcSession other(rig.host);
  CHECK_THROWS_AS(keep_squares(other, 1), BadMessage);
  rig.send(RpcCommand::kFreeBuffer, Bytes().add(buffer.handle).bytes);
  CHECK(rig.host.graphs.used() == 0);
  {
    RpcSession third(rig.host);
    keep_squares(third, 1);
    CHECK(rig.host.graphs.used() == kBytesOfSquares);
  }
  CHECK(rig.host.graphs.used() == 0);
}

TEST_CASE("a client may run again each of its last 1,024 graphs of a device") {
  RpcRig rig(1 << 20, 1026 * kBytesOfSquares);
  const AllocReply buffer = rig.allocate(4096);
  const auto tensors = squares(buffer, rig.base(buffer.handle));
  for (std::uint64_t uid = 1; uid <= 1025; ++uid) {
    rig.send(RpcCommand::kGraphCompute, graph_payload(uid, {2}, tensors));
  }
  for (std::uint64_t uid = 2; uid <= 1025; ++uid) {
    rig.send(RpcCommand::kGraphRecompute, Bytes().add(RecomputeRequest{0, uid}).bytes);
  }
  CHECK_THROWS_AS(rig.send(RpcCommand::kGraphRecompute, Bytes().add(RecomputeRequest{0, 1}).bytes),
                  BadMessage);
}
