#include <doctest/doctest.h>

#include "rpc_rig.h"

#include <filesystem>
#include <limits>
#include <thread>

using namespace llamabox;

namespace {

std::vector<std::byte> set_payload(const WireTensor &tensor, std::uint64_t offset,
                                   const std::vector<std::byte> &data, std::uint8_t keep = 0) {
  Bytes payload;
  payload.add(SetRequest{tensor, keep, offset});
  payload.bytes.insert(payload.bytes.end(), data.begin(), data.end());
  return payload.bytes;
}

std::vector<std::byte> numbers(std::size_t n) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i) {
    bytes[i] = static_cast<std::byte>(i * 7);
  }
  return bytes;
}

} // namespace

TEST_CASE("the handshake is answered with the version and nothing else begins a connection") {
  RpcRig rig;
  MemoryStream stream;
  const std::vector<std::byte> hello = message(RpcCommand::kHello, Bytes().add(Hello{}).bytes);
  stream.input.assign(hello.begin() + 1, hello.end());
  rig.session->greet(RpcCommand::kHello, stream);
  REQUIRE(stream.output.size() == 8 + sizeof(HelloReply));
  CHECK(stream.output[8] == std::byte{kRpcMajor});
  MemoryStream other;
  other.input = stream.input;
  CHECK_THROWS_AS(rig.session->greet(RpcCommand::kDeviceCount, other), BadMessage);
  CHECK_THROWS_AS(rig.send(RpcCommand::kHello, Bytes().add(Hello{}).bytes), BadMessage);
}

TEST_CASE("a client of our own may ask about ops, and no other") {
  RpcRig rig;
  const auto greet = [&](const Hello &hello) {
    MemoryStream stream;
    const std::vector<std::byte> bytes = message(RpcCommand::kHello, Bytes().add(hello).bytes);
    stream.input.assign(bytes.begin() + 1, bytes.end());
    rig.session->greet(RpcCommand::kHello, stream);
    HelloReply reply;
    std::memcpy(&reply, stream.output.data() + 8, sizeof reply);
    return has_own_mark(reply.caps);
  };
  auto request = std::make_unique<SupportRequest>();
  *request = {};
  request->tensor = wire(9, RpcType::kF32, {8});
  request->tensor.op = static_cast<std::uint32_t>(RpcOp::kSqr);
  request->src[0] = wire(1, RpcType::kF32, {8});
  const auto ask = [&] {
    return rig.ask<std::uint8_t>(RpcCommand::kSupportsOp, Bytes().add(*request).bytes);
  };
  CHECK_THROWS_AS(ask(), BadMessage);
  CHECK_FALSE(greet(Hello{}));
  CHECK_THROWS_AS(ask(), BadMessage);
  Hello own{};
  put_own_mark(own.caps);
  own.caps[kRpcCaps - 1] = 0; // another list of ops
  CHECK_FALSE(greet(own));
  put_own_mark(own.caps);
  CHECK(greet(own));
  CHECK(ask() == 1);
  rig.device->unknown_op = request->tensor.op;
  CHECK(ask() == 0);
  rig.device->unknown_op = kRpcOps;
  request->tensor.op = 4; // not on the list
  CHECK(ask() == 0);
  request->tensor.op = static_cast<std::uint32_t>(RpcOp::kSqr);
  request->src[0].ne[0] = 4; // shapes that do not fit
  CHECK(ask() == 0);
  request->tensor.op = static_cast<std::uint32_t>(RpcOp::kView);
  CHECK(ask() == 1);
  request->tensor.op = static_cast<std::uint32_t>(RpcOp::kCpy); // a cast names itself
  request->src[0].ne[0] = 8;
  request->src[1] = request->tensor;
  CHECK(ask() == 1);
}

TEST_CASE("a graph with an op that nobody here has a kernel for ends the connection") {
  RpcRig rig;
  const AllocReply buffer = rig.allocate(4096);
  const auto graph = graph_payload(0, {2}, squares(buffer, rig.base(buffer.handle)));
  CHECK_NOTHROW(rig.send(RpcCommand::kGraphCompute, graph));
  rig.device->unknown_op = static_cast<std::uint32_t>(RpcOp::kSqr);
  CHECK_THROWS_AS(rig.send(RpcCommand::kGraphCompute, graph), BadMessage);
  CHECK(rig.device->pieces.size() == 1);
}

TEST_CASE("what is written is read back, in parts, in rows, filled and copied") {
  RpcRig rig;
  const AllocReply buffer = rig.allocate(4096);
  const std::uint64_t base = rig.base(buffer.handle);
  const WireTensor tensor = at(wire(1, RpcType::kF32, {16, 4}), buffer, base + 256);
  const std::vector<std::byte> data = numbers(256);
  CHECK(rig.send(RpcCommand::kSetTensor, set_payload(tensor, 0, data)).empty());
  CHECK(rig.send(RpcCommand::kGetTensor, Bytes().add(RangeRequest{tensor, 0, 256}).bytes) == data);
  const auto rows =
      rig.send(RpcCommand::kGetTensor2d, Bytes().add(Range2dRequest{tensor, 4, 8, 4, 64}).bytes);
  REQUIRE(rows.size() == 32);
  CHECK(rows[8] == data[68]);
  Bytes set_rows;
  set_rows.add(Set2dRequest{tensor, 0, 4, 2, 64}).add(std::uint64_t{0x0102030405060708});
  rig.send(RpcCommand::kSetTensor2d, set_rows.bytes);
  const WireTensor twin = at(wire(2, RpcType::kF32, {16, 4}), buffer, base + 1024);
  Bytes copy;
  copy.add(tensor).add(twin);
  CHECK(rig.ask<std::uint8_t>(RpcCommand::kCopyTensor, copy.bytes) == 1);
  rig.send(RpcCommand::kMemsetTensor, Bytes().add(MemsetRequest{twin, 8, 4, 9}).bytes);
  const auto copied =
      rig.send(RpcCommand::kGetTensor, Bytes().add(RangeRequest{twin, 0, 256}).bytes);
  CHECK(copied[0] == std::byte{8});
  CHECK(copied[64] == std::byte{4});
  CHECK(copied[8] == std::byte{9});
  CHECK(copied[12] == data[12]);
  rig.send(RpcCommand::kBufferClear, Bytes().add(ClearRequest{buffer.handle, 3}).bytes);
  const auto cleared =
      rig.send(RpcCommand::kGetTensor, Bytes().add(RangeRequest{twin, 0, 4}).bytes);
  CHECK(cleared == std::vector<std::byte>(4, std::byte{3}));
}

TEST_CASE("transfers beyond the buffer, or of rows over each other, end the connection") {
  RpcRig rig;
  const AllocReply buffer = rig.allocate(1024);
  const WireTensor tensor = at(wire(1, RpcType::kF32, {16}), buffer, rig.base(buffer.handle));
  const auto get = [&](std::uint64_t offset, std::uint64_t size) {
    return rig.send(RpcCommand::kGetTensor, Bytes().add(RangeRequest{tensor, offset, size}).bytes);
  };
  CHECK(get(1020, 4).size() == 4);
  CHECK_THROWS_AS(get(1020, 5), BadMessage);
  CHECK_THROWS_AS(get(UINT64_MAX, 4), BadMessage);
  CHECK_THROWS_AS(get(4, UINT64_MAX), BadMessage);
  CHECK_THROWS_AS(rig.send(RpcCommand::kSetTensor, set_payload(tensor, 1000, numbers(25))),
                  BadMessage);
  const auto get_rows = [&](std::uint64_t size, std::uint64_t n, std::uint64_t stride) {
    rig.send(RpcCommand::kGetTensor2d,
             Bytes().add(Range2dRequest{tensor, 0, size, n, stride}).bytes);
  };
  CHECK_NOTHROW(get_rows(4, 256, 4));
  CHECK_THROWS_AS(get_rows(4, 257, 4), BadMessage);
  CHECK_THROWS_AS(get_rows(8, 2, 4), BadMessage);
  CHECK_THROWS_AS(get_rows(8, UINT64_MAX, 0), BadMessage);
  CHECK_THROWS_AS(get_rows(8, UINT64_MAX / 8, UINT64_MAX / 2), BadMessage);
  CHECK_THROWS_AS(get_rows(0, 1, 1), BadMessage);
}

TEST_CASE("clients share the capacity, and what one held the others get when it is gone") {
  RpcRig rig(1000);
  CHECK(rig.allocate(0).handle == 0);
  CHECK(rig.allocate(1001).handle == 0);
  const AllocReply first = rig.allocate(600);
  CHECK(first.size == 600);
  RpcSession other(rig.host);
  MemoryStream stream;
  const auto ask = message(RpcCommand::kAllocBuffer, Bytes().add(AllocRequest{0, 401}).bytes);
  stream.input.assign(ask.begin() + 1, ask.end());
  other.handle(RpcCommand::kAllocBuffer, stream);
  CHECK(stream.output == Bytes().add(std::uint64_t{16}).add(AllocReply{}).bytes);
  const auto memory =
      rig.ask<MemoryReply>(RpcCommand::kGetDeviceMemory, Bytes().add(std::uint32_t{0}).bytes);
  CHECK(memory.total_bytes == 1000);
  CHECK(memory.free_bytes == 400);
  // Another client's handle means nothing.
  const auto free_it = message(RpcCommand::kFreeBuffer, Bytes().add(first.handle).bytes);
  stream.input.assign(free_it.begin() + 1, free_it.end());
  stream.at = 0;
  CHECK_THROWS_AS(other.handle(RpcCommand::kFreeBuffer, stream), BadMessage);
  rig.session.reset();
  CHECK(rig.device->n_buffers == 0);
  CHECK(rig.host.seats[0]->memory().free_bytes == 1000);
}

TEST_CASE("a handle is never used twice, and a freed buffer takes its graphs with it") {
  RpcRig rig;
  const AllocReply buffer = rig.allocate(4096);
  const auto tensors = squares(buffer, rig.base(buffer.handle));
  rig.send(RpcCommand::kGraphCompute, graph_payload(5, {2}, tensors));
  const auto again = Bytes().add(RecomputeRequest{0, 5}).bytes;
  rig.send(RpcCommand::kGraphRecompute, again);
  CHECK(rig.device->pieces.size() == 2);
  CHECK_THROWS_AS(rig.send(RpcCommand::kGraphRecompute, Bytes().add(RecomputeRequest{0, 6}).bytes),
                  BadMessage);
  rig.send(RpcCommand::kFreeBuffer, Bytes().add(buffer.handle).bytes);
  CHECK_THROWS_AS(rig.send(RpcCommand::kGraphRecompute, again), BadMessage);
  CHECK(rig.allocate(4096).handle != buffer.handle);
  CHECK(rig.session->counts().n_graphs == 2);
}

TEST_CASE("nothing is run for a client that has left") {
  RpcRig rig;
  const AllocReply buffer = rig.allocate(4096);
  const auto tensors = squares(buffer, rig.base(buffer.handle));
  rig.client_left = true;
  CHECK_THROWS_AS(rig.send(RpcCommand::kGraphCompute, graph_payload(0, {2}, tensors)),
                  Disconnected);
  CHECK(rig.device->pieces.empty());
  CHECK(rig.session->counts().n_graphs == 0);
}

TEST_CASE("indices out of range and numbers that cannot be sorted never reach a kernel") {
  RpcRig rig;
  const AllocReply buffer = rig.allocate(4096);
  const std::uint64_t base = rig.base(buffer.handle);
  const WireTensor table = at(wire(1, RpcType::kF32, {4, 3}), buffer, base);
  const WireTensor ids = at(wire(2, RpcType::kI32, {2}), buffer, base + 512);
  WireTensor node = at(wire(3, RpcType::kF32, {4, 2}), buffer, base + 1024);
  node.op = static_cast<std::uint32_t>(RpcOp::kGetRows);
  node.src[0] = 1;
  node.src[1] = 2;
  const auto run = [&](std::int32_t a, std::int32_t b) {
    rig.send(RpcCommand::kSetTensor, set_payload(ids, 0, Bytes().add(a).add(b).bytes));
    rig.send(RpcCommand::kGraphCompute, graph_payload(0, {3}, {table, ids, node}));
  };
  CHECK_NOTHROW(run(0, 2));
  CHECK_THROWS_AS(run(0, 3), BadMessage);
  CHECK_THROWS_AS(run(-1, 0), BadMessage);
  CHECK(rig.device->pieces.size() == 1);

  // A branch that is left out is not run, so that nobody has filled its indices.
  node.flags = 0;
  CHECK_NOTHROW(run(0, 3));
  CHECK(rig.device->pieces.back() == std::pair<std::size_t, std::size_t>{0, 0});
  node.flags = kRpcComputes;

  WireTensor sorted = at(wire(4, RpcType::kI32, {4, 3}), buffer, base + 2048);
  sorted.op = static_cast<std::uint32_t>(RpcOp::kArgsort);
  sorted.src[0] = 1;
  const auto sort = graph_payload(0, {4}, {table, sorted});
  CHECK_NOTHROW(rig.send(RpcCommand::kGraphCompute, sort));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  rig.send(RpcCommand::kSetTensor, set_payload(table, 8, Bytes().add(nan).bytes));
  CHECK_THROWS_AS(rig.send(RpcCommand::kGraphCompute, sort), BadMessage);
}

TEST_CASE("wrong lengths, unknown commands and unknown devices end the connection") {
  RpcRig rig;
  for (int command = 0; command < 256; ++command) {
    CAPTURE(command);
    const std::vector<std::byte> junk(command == 6 || command == 18 ? 10 : 3);
    CHECK_THROWS(rig.send(static_cast<RpcCommand>(command), junk));
  }
  CHECK_THROWS_AS(rig.send(RpcCommand::kGetAlignment, Bytes().add(std::uint32_t{1}).bytes),
                  BadMessage);
  CHECK(rig.ask<std::uint8_t>(RpcCommand::kCommInit, Bytes().add(CommInitRequest{}).bytes) == 0);
  CHECK(rig.ask<std::uint32_t>(RpcCommand::kDeviceCount, {}) == 1);
  CHECK(rig.ask<std::uint64_t>(RpcCommand::kGetAlignment, Bytes().add(std::uint32_t{0}).bytes) ==
        32);
}

TEST_CASE("the size of an op that grows is told only for shapes it takes") {
  RpcRig rig;
  auto request = std::make_unique<AllocSizeRequest>();
  *request = {};
  request->tensor = wire(1, RpcType::kF32, {8, 4});
  CHECK(rig.ask<std::uint64_t>(RpcCommand::kGetAllocSize, Bytes().add(*request).bytes) == 128);
  request->tensor.op = static_cast<std::uint32_t>(RpcOp::kFlashAttnExt);
  CHECK_THROWS_AS(rig.send(RpcCommand::kGetAllocSize, Bytes().add(*request).bytes), BadMessage);
}

TEST_CASE("turns are given in the order in which they are asked for") {
  Turns turns;
  turns.lock();
  std::vector<int> order;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::lock_guard<Turns> turn(turns);
      order.push_back(i);
    });
    // The thread is on its way into lock() once it said so; the next asks after it has queued.
    while (turns.n_waiting() < static_cast<std::size_t>(i) + 1) {
      std::this_thread::yield();
    }
  }
  turns.unlock();
  for (std::thread &thread : threads) {
    thread.join();
  }
  CHECK(order == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("a large weight is kept, found by its hash, and not believed when it is spoilt") {
  const auto folder = std::filesystem::temp_directory_path() / "llamabox-rpc-session-test";
  std::filesystem::remove_all(folder);
  TensorCache cache(folder, 1 << 20);
  RpcRig rig;
  rig.host.cache = &cache;
  const AllocReply buffer = rig.allocate(8192);
  const std::uint64_t base = rig.base(buffer.handle);
  const WireTensor tensor = at(wire(1, RpcType::kF32, {256}), buffer, base);
  const WireTensor twin = at(wire(2, RpcType::kF32, {256}), buffer, base + 4096);
  const std::vector<std::byte> data = numbers(1024);
  const HashRequest request{twin, 0, fnv1a(data)};
  const auto ask = [&] {
    return rig.ask<std::uint8_t>(RpcCommand::kSetTensorHash, Bytes().add(request).bytes);
  };
  CHECK(ask() == 0);
  rig.send(RpcCommand::kSetTensor, set_payload(tensor, 0, data, 1));
  CHECK(ask() == 1);
  CHECK(rig.send(RpcCommand::kGetTensor, Bytes().add(RangeRequest{twin, 0, 1024}).bytes) == data);
  CHECK(rig.session->counts().n_cache_hits == 1);
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);
    file.put('x');
  }
  CHECK(ask() == 0);
  CHECK(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}
