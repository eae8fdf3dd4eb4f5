#include "rpc/session.h"

#include "base/clock.h"
#include "rpc/lone_op.h"
#include "rpc/messages.h"
#include "rpc/session_words.h"

#include <algorithm>

namespace llamabox {
namespace {

constexpr std::size_t kMaxBuffers = 65536;
constexpr std::uint64_t kAddressStep = std::uint64_t{1} << 20;

// The fixed length of a command's payload; none: it has its own rules.
std::optional<std::uint64_t> fixed_size(RpcCommand command) {
  switch (command) {
  case RpcCommand::kAllocBuffer:
    return sizeof(AllocRequest);
  case RpcCommand::kGetAlignment:
  case RpcCommand::kGetMaxSize:
  case RpcCommand::kGetDeviceMemory:
    return sizeof(std::uint32_t);
  case RpcCommand::kBufferGetBase:
  case RpcCommand::kFreeBuffer:
    return sizeof(std::uint64_t);
  case RpcCommand::kBufferClear:
    return sizeof(ClearRequest);
  case RpcCommand::kSetTensorHash:
    return sizeof(HashRequest);
  case RpcCommand::kGetTensor:
    return sizeof(RangeRequest);
  case RpcCommand::kCopyTensor:
    return 2 * sizeof(WireTensor);
  case RpcCommand::kInitTensor:
    return sizeof(WireTensor);
  case RpcCommand::kGetAllocSize:
    return sizeof(AllocSizeRequest);
  case RpcCommand::kDeviceCount:
    return 0;
  case RpcCommand::kGraphRecompute:
    return sizeof(RecomputeRequest);
  case RpcCommand::kMemsetTensor:
    return sizeof(MemsetRequest);
  case RpcCommand::kGetTensor2d:
    return sizeof(Range2dRequest);
  case RpcCommand::kCommInit:
    return sizeof(CommInitRequest);
  case RpcCommand::kSupportsOp:
    return sizeof(SupportRequest);
  default:
    return std::nullopt;
  }
}

std::int64_t now_ns() { return SteadyClock().now_ns(); }

void need_kernels(const RpcGraph &graph, const RpcDevice &device) {
  for (const RpcTensor *node : graph.nodes) {
    if (!is_view(node->op) && !device.supports(*node)) {
      throw BadMessage("op " + std::to_string(node->op) + ": the server has no kernel for it");
    }
  }
}

// Others wait for the device; nobody reads what a client that has left asked for.
void need_peer(const RpcStream &stream) {
  if (stream.peer_left()) {
    throw Disconnected("closed while its graph was to run");
  }
}

} // namespace

RpcSession::~RpcSession() {
  for (auto &[handle, buffer] : buffers_) {
    RpcSeat &place = *host_.seats[buffer.device];
    place.device->release(buffer);
    place.budget.give_back(buffer.reserved);
  }
}

void RpcSession::greet(RpcCommand command, RpcStream &stream) {
  if (command != RpcCommand::kHello || take<std::uint64_t>(stream) != kRpcCaps) {
    throw BadMessage("no handshake of protocol 8: the client is older or something else");
  }
  const auto hello = take<Hello>(stream);
  HelloReply answer{};
  is_own_ = has_own_mark(hello.caps);
  if (is_own_) {
    put_own_mark(answer.caps);
  }
  answer.major = kRpcMajor;
  answer.minor = kRpcMinor;
  answer.patch = kRpcPatch;
  reply(answer, stream);
}

void RpcSession::handle(RpcCommand command, RpcStream &stream) {
  const auto payload = take<std::uint64_t>(stream);
  if (const auto size = fixed_size(command); size && payload != *size) {
    throw BadMessage("a message of command " + std::to_string(static_cast<int>(command)) +
                     " has a wrong length");
  }
  ++counts_.n_messages;
  switch (command) {
  case RpcCommand::kAllocBuffer:
    return allocate(stream);
  case RpcCommand::kGetAlignment:
    return reply(seat(take<std::uint32_t>(stream)).device->alignment(), stream);
  case RpcCommand::kGetMaxSize:
    return reply(seat(take<std::uint32_t>(stream)).device->max_buffer_bytes(), stream);
  case RpcCommand::kBufferGetBase:
    return tell_base(stream);
  case RpcCommand::kFreeBuffer:
    return free_buffer(stream);
  case RpcCommand::kBufferClear:
    return clear_buffer(stream);
  case RpcCommand::kSetTensor:
    return set_tensor(payload, stream);
  case RpcCommand::kSetTensorHash:
    return set_tensor_hash(stream);
  case RpcCommand::kGetTensor:
    return get_tensor(stream);
  case RpcCommand::kCopyTensor:
    return copy_tensor(stream);
  case RpcCommand::kGraphCompute:
    return compute(payload, stream);
  case RpcCommand::kGetDeviceMemory:
    return tell_memory(stream);
  case RpcCommand::kInitTensor:
    return init_tensor(stream);
  case RpcCommand::kGetAllocSize:
    return tell_alloc_size(stream);
  case RpcCommand::kDeviceCount:
    return reply(static_cast<std::uint32_t>(host_.seats.size()), stream);
  case RpcCommand::kGraphRecompute:
    return recompute(stream);
  case RpcCommand::kMemsetTensor:
    return memset_tensor(stream);
  case RpcCommand::kSetTensor2d:
    return set_tensor_2d(payload, stream);
  case RpcCommand::kGetTensor2d:
    return get_tensor_2d(stream);
  case RpcCommand::kCommInit:
    // A server that dials or listens where a client says is a hole; the client does without.
    take<CommInitRequest>(stream);
    return reply(std::uint8_t{0}, stream);
  case RpcCommand::kSupportsOp:
    return tell_support(stream);
  default:
    throw BadMessage("unknown command " + std::to_string(static_cast<int>(command)));
  }
}

RpcSeat &RpcSession::seat(std::uint32_t device) {
  if (device >= host_.seats.size()) {
    throw BadMessage("unknown device");
  }
  return *host_.seats[device];
}

RpcTensor RpcSession::placed(const WireTensor &wire) const {
  const RpcBuffer *buffer = find_buffer(wire.buffer, buffers_);
  if (buffer == nullptr) {
    throw BadMessage("a tensor without a buffer");
  }
  return check_tensor(wire, buffer, host_.types);
}

void RpcSession::allocate(RpcStream &stream) {
  const auto request = take<AllocRequest>(stream);
  RpcSeat &place = seat(request.device);
  AllocReply answer{};
  const bool possible = request.size != 0 && request.size <= place.device->max_buffer_bytes() &&
                        buffers_.size() < kMaxBuffers && place.budget.take(request.size);
  RpcBuffer buffer;
  buffer.reserved = request.size;
  buffer.device = request.device;
  if (possible && !place.device->allocate(request.size, buffer)) {
    place.budget.give_back(request.size);
  } else if (possible) {
    buffer.handle = next_handle_++;
    buffer.base = next_base_;
    next_base_ += (buffer.size / kAddressStep + 2) * kAddressStep;
    buffers_.emplace(buffer.handle, buffer);
    counts_.held_bytes += buffer.size;
    counts_.peak_bytes = std::max(counts_.peak_bytes, counts_.held_bytes);
    answer = {buffer.handle, buffer.size};
  }
  reply(answer, stream);
}

void RpcSession::free_buffer(RpcStream &stream) {
  const auto handle = take<std::uint64_t>(stream);
  const auto found = buffers_.find(handle);
  if (found == buffers_.end()) {
    throw BadMessage("unknown buffer");
  }
  RpcBuffer &buffer = found->second;
  graphs_.forget(buffer);
  RpcSeat &place = seat(buffer.device);
  place.device->release(buffer);
  place.budget.give_back(buffer.reserved);
  counts_.held_bytes -= buffer.size;
  buffers_.erase(found);
}

void RpcSession::clear_buffer(RpcStream &stream) {
  const auto request = take<ClearRequest>(stream);
  const RpcBuffer *buffer = find_buffer(request.handle, buffers_);
  if (buffer == nullptr) {
    throw BadMessage("unknown buffer");
  }
  seat(buffer->device).device->clear(*buffer, request.value);
}

void RpcSession::tell_base(RpcStream &stream) {
  const RpcBuffer *buffer = find_buffer(take<std::uint64_t>(stream), buffers_);
  if (buffer == nullptr) {
    throw BadMessage("unknown buffer");
  }
  reply(buffer->base, stream);
}

void RpcSession::tell_memory(RpcStream &stream) {
  const RpcMemory memory = seat(take<std::uint32_t>(stream)).memory();
  reply(MemoryReply{memory.free_bytes, memory.total_bytes}, stream);
}

void RpcSession::tell_alloc_size(RpcStream &stream) {
  const auto request = take<AllocSizeRequest>(stream);
  const RpcSeat &place = seat(request.device);
  const auto checked = [&](const WireTensor &wire) {
    return check_tensor(wire, find_buffer(wire.buffer, buffers_), host_.types);
  };
  // Only these ask for room of their own, which then depends on what they read.
  const auto op = static_cast<RpcOp>(std::uint32_t{request.tensor.op});
  if (op == RpcOp::kMulMatId || op == RpcOp::kFlashAttnExt) {
    const LoneOp lone(request, checked);
    check_unplaced_op(lone.node());
    return reply(place.device->allocated_bytes(lone.node()), stream);
  }
  RpcTensor tensor = checked(request.tensor);
  tensor.op = static_cast<std::uint32_t>(RpcOp::kNone);
  reply(place.device->allocated_bytes(tensor), stream);
}

void RpcSession::tell_support(RpcStream &stream) {
  if (!is_own_) {
    throw BadMessage("a question about an op from a client that did not say it would ask");
  }
  const auto request = take<SupportRequest>(stream);
  const RpcDevice &device = *seat(request.device).device;
  const LoneOp lone(request, [&](const WireTensor &wire) {
    return check_tensor(wire, find_buffer(wire.buffer, buffers_), host_.types);
  });
  const bool can = can_run(lone.node(), [&](const auto &node) { return device.supports(node); });
  reply(static_cast<std::uint8_t>(can ? 1 : 0), stream);
}

void RpcSession::init_tensor(RpcStream &stream) {
  RpcTensor tensor = placed(take<WireTensor>(stream));
  tensor.op = static_cast<std::uint32_t>(RpcOp::kNone);
  RpcDevice &device = *seat_of(tensor).device;
  need_range(tensor, 0, device.allocated_bytes(tensor)); // a device may clear its padding
  device.init(tensor);
}

void RpcSession::compute(std::uint64_t payload, RpcStream &stream) {
  if (payload > kMaxMessageBytes) {
    throw BadMessage("a graph is too large");
  }
  std::vector<std::byte> message(payload);
  stream.read(message.data(), message.size());
  ReadyGraph fresh;
  fresh.graph = check_graph(message, buffers_, host_.types);
  const std::uint32_t device = fresh.graph->device;
  need_kernels(*fresh.graph, *seat(device).device);
  fresh.prepared = seat(device).device->prepare(*fresh.graph);
  if (fresh.graph->uid == 0) { // it will not be asked for again
    run(fresh, stream);
  } else {
    run(graphs_.keep(std::move(fresh)), stream);
  }
}

void RpcSession::recompute(RpcStream &stream) {
  const auto request = take<RecomputeRequest>(stream);
  seat(request.device);
  run(graphs_.find(request.device, request.uid), stream);
}

void RpcSession::run(ReadyGraph &ready, const RpcStream &stream) {
  RpcSeat &place = seat(ready.graph->device);
  const std::int64_t asked_ns = now_ns();
  const std::lock_guard<Turns> turn(place.turns);
  const std::int64_t begin_ns = now_ns();
  counts_.wait_ns += static_cast<std::uint64_t>(begin_ns - asked_ns);
  const Abandoned abandoned = [&] { return stream.peer_left(); };
  std::vector<std::byte> values;
  for (const GraphPiece &piece : ready.graph->pieces) {
    need_peer(stream);
    for (const ValueCheck &check : piece.checks) {
      values.resize(check.tensor->bytes);
      place.device->read(*check.tensor, 0, values.data(), values.size());
      if (!values_hold(check, values)) {
        throw BadMessage("a graph reads an index out of range, or sorts what is no number");
      }
    }
    if (!place.device->run(*ready.prepared, piece.begin, piece.end, abandoned)) {
      need_peer(stream);
      throw BadMessage("a computation failed");
    }
  }
  counts_.compute_ns += static_cast<std::uint64_t>(now_ns() - begin_ns);
  ++counts_.n_graphs;
}

} // namespace llamabox
