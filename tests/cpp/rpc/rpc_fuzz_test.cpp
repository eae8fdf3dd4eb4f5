#include <doctest/doctest.h>

#include "rpc_mutations.h"
#include "rpc_ops.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

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

// A session that no real client has, with every op and command.
std::vector<std::vector<std::byte>> invented(RpcRig &rig) {
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
  Hello hello{};
  put_own_mark(hello.caps);
  say(RpcCommand::kHello, Bytes().add(hello).bytes);
  say(RpcCommand::kSupportsOp, Bytes().add(*sizes).bytes);
  say(RpcCommand::kAllocBuffer, Bytes().add(AllocRequest{0, 512}).bytes);
  say(RpcCommand::kFreeBuffer, Bytes().add(buffer.handle).bytes);
  say(RpcCommand::kBufferGetBase, Bytes().add(buffer.handle).bytes);
  say(RpcCommand::kBufferClear, Bytes().add(ClearRequest{buffer.handle, 1}).bytes);
  say(RpcCommand::kGetDeviceMemory, Bytes().add(std::uint32_t{0}).bytes);
  return messages;
}

// Sessions of real clients as tests/corpus/rpc/record.py took them off the wire.
std::vector<std::vector<Message>> recordings() {
  std::vector<std::filesystem::path> paths;
  for (const auto &entry : std::filesystem::directory_iterator(LLAMABOX_RPC_CORPUS)) {
    if (entry.path().extension() == ".session") {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::vector<Message>> sessions;
  for (const std::filesystem::path &path : paths) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    std::vector<Message> &session = sessions.emplace_back();
    for (std::size_t at = 0; at + kMessageHead <= bytes.size();) {
      std::uint64_t payload = 0;
      std::memcpy(&payload, bytes.data() + at + 1, sizeof payload);
      REQUIRE(payload <= bytes.size() - at - kMessageHead);
      Message &message = session.emplace_back(kMessageHead + payload);
      std::memcpy(message.data(), bytes.data() + at, message.size());
      at += message.size();
    }
  }
  REQUIRE_FALSE(sessions.empty());
  return sessions;
}

std::uint64_t allocated_bytes(const std::vector<Message> &session) {
  std::uint64_t sum = 0;
  for (const Message &message : session) {
    if (message[0] == static_cast<std::byte>(RpcCommand::kAllocBuffer)) {
      AllocRequest request;
      std::memcpy(&request, message.data() + kMessageHead, sizeof request);
      sum += request.size;
    }
  }
  return sum;
}

// A session with a fake device; what is told to it is counted.
class Victim {
public:
  explicit Victim(std::uint64_t capacity) : rig_(capacity) {}
  ~Victim() {
    rig_.session.reset();
    CHECK(rig_.device->n_buffers == 0);
    CHECK(rig_.host.seats[0]->budget.used() == 0);
  }
  Victim(const Victim &) = delete;
  Victim &operator=(const Victim &) = delete;

  RpcRig &rig() { return rig_; }

  // Whether the message was taken. The session is asked on after a refusal, which the server would
  // not do: it must be safe then, too, since it still has to be destroyed.
  bool tell(const Message &message) {
    MemoryStream stream;
    stream.input.assign(message.begin() + 1, message.end());
    const auto command = static_cast<RpcCommand>(message[0]);
    try {
      if (command == RpcCommand::kHello) {
        rig_.session->greet(command, stream);
      } else {
        rig_.session->handle(command, stream);
      }
      return true;
    } catch (const BadMessage &) {
    } catch (const EndOfStream &) {
    }
    return false;
  }

private:
  RpcRig rig_;
};

std::uint64_t number_from(const char *variable, std::uint64_t otherwise) {
  const char *given = std::getenv(variable);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

struct Told {
  std::size_t n_mutated = 0;
  std::size_t n_refused = 0;
};

// The session from its beginning, with changed messages of its own in between.
void mistreat(Victim &victim, const std::vector<Message> &session, Mutator &mutator, Told &told) {
  constexpr std::size_t kAfterEach = 4;
  for (std::size_t i = 0; i < session.size(); ++i) {
    victim.tell(session[i]);
    for (std::size_t n = mutator.below(kAfterEach); n > 0; --n) {
      const std::size_t which = mutator.below(2) == 0 ? i : mutator.below(session.size());
      ++told.n_mutated;
      told.n_refused += victim.tell(mutator.mutated(session[which])) ? 0 : 1;
    }
  }
}

} // namespace

TEST_CASE("recorded sessions of real clients are taken as they are") {
  for (const std::vector<Message> &session : recordings()) {
    Victim victim(allocated_bytes(session));
    for (const Message &message : session) {
      CAPTURE(static_cast<int>(message[0]));
      CHECK(victim.tell(message));
    }
  }
}

TEST_CASE("mutated messages are refused or do what they say, never more") {
  // The fake device throws a logic_error for every byte beyond a buffer.
  const std::size_t n_messages = number_from("LLAMABOX_FUZZ_MESSAGES", 20000);
  Mutator mutator(number_from("LLAMABOX_FUZZ_SEED", 20260711));
  const std::vector<std::vector<Message>> sessions = recordings();
  Told told;
  while (told.n_mutated < n_messages) {
    const std::size_t which = mutator.below(sessions.size() + 1);
    if (which < sessions.size()) {
      Victim victim(allocated_bytes(sessions[which]) + (1 << 20));
      mistreat(victim, sessions[which], mutator, told);
    } else { // one that has every op of the list
      Victim victim(4 << 20);
      mistreat(victim, invented(victim.rig()), mutator, told);
    }
  }
  MESSAGE(told.n_mutated << " mutated messages, " << told.n_refused << " refused");
  CHECK(told.n_refused > n_messages / 100);
  CHECK(told.n_refused < told.n_mutated);
}
