// Changes to messages of a client that know where tensors and their fields are, so that most of
// what they make gets past the lengths and is refused, or taken, for what it says.
// Thread rule: one thread for each generator of random numbers.
#pragma once

#include "rpc/messages.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <vector>

namespace llamabox {

using Message = std::vector<std::byte>; // command, length, payload

constexpr std::size_t kMessageHead = 9;

// One field of a tensor on the wire.
struct WireField {
  std::size_t offset;
  std::size_t width;
  std::size_t count; // of them in a row
};
inline constexpr WireField kWireFields[] = {
    {offsetof(WireTensor, type), 4, 1},      {offsetof(WireTensor, buffer), 8, 1},
    {offsetof(WireTensor, ne), 4, kRpcDims}, {offsetof(WireTensor, nb), 4, kRpcDims},
    {offsetof(WireTensor, op), 4, 1},        {offsetof(WireTensor, op_params), 4, kRpcParams},
    {offsetof(WireTensor, src), 8, 3},       {offsetof(WireTensor, view_src), 8, 1},
    {offsetof(WireTensor, view_offs), 8, 1}, {offsetof(WireTensor, data), 8, 1},
    {offsetof(WireTensor, use_count), 4, 1}, {offsetof(WireTensor, id), 8, 1},
};

class Mutator {
public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  Message mutated(Message message) {
    const std::vector<std::size_t> tensors = tensors_of(message);
    for (std::size_t n = 1 + below(3); n > 0; --n) {
      if (tensors.empty() || below(5) == 0) {
        change_bytes(message);
      } else {
        change_tensor(message, tensors);
      }
    }
    if (below(16) == 0) {
      message[0] = static_cast<std::byte>(below(26));
    }
    if (below(12) == 0) {
      change_length(message);
    }
    return message;
  }

private:
  // Where the tensors of a message begin.
  static std::vector<std::size_t> tensors_of(const Message &message) {
    std::size_t at = kMessageHead;
    std::size_t n = 0;
    switch (static_cast<RpcCommand>(message[0])) {
    case RpcCommand::kGraphCompute: {
      constexpr std::size_t kBeforeNodes = 12;
      std::uint32_t n_nodes = 0;
      if (message.size() >= at + kBeforeNodes + 4) {
        std::memcpy(&n_nodes, message.data() + at + kBeforeNodes, sizeof n_nodes);
      }
      at += kBeforeNodes + 4 + std::size_t{n_nodes} * 8 + 4;
      n = message.size();
      break;
    }
    case RpcCommand::kGetAllocSize:
    case RpcCommand::kSupportsOp:
      at += 4;
      n = kRpcSources + 1;
      break;
    case RpcCommand::kCopyTensor:
      n = 2;
      break;
    case RpcCommand::kSetTensor:
    case RpcCommand::kSetTensorHash:
    case RpcCommand::kGetTensor:
    case RpcCommand::kInitTensor:
    case RpcCommand::kMemsetTensor:
    case RpcCommand::kSetTensor2d:
    case RpcCommand::kGetTensor2d:
      n = 1;
      break;
    default:
      break;
    }
    std::vector<std::size_t> found;
    while (found.size() < n && at + sizeof(WireTensor) <= message.size()) {
      found.push_back(at);
      at += sizeof(WireTensor);
    }
    return found;
  }

  void change_tensor(Message &message, const std::vector<std::size_t> &tensors) {
    const std::size_t at = tensors[below(tensors.size())];
    const std::size_t other = tensors[below(tensors.size())];
    const WireField &field = kWireFields[below(std::size(kWireFields))];
    const std::size_t place = field.offset + below(field.count) * field.width;
    switch (below(7)) {
    case 0: // the same field of another tensor
      std::copy_n(message.begin() + to(other + place), field.width,
                  message.begin() + to(at + place));
      break;
    case 1: // all of another tensor but its name
      std::copy_n(message.begin() + to(other + 8), sizeof(WireTensor) - 8,
                  message.begin() + to(at + 8));
      break;
    case 2:
      reshape(message, at);
      break;
    case 3: // a little more or less
      change_by(message, at + place, field.width);
      break;
    case 4: { // an op that has its sources already
      const auto op = static_cast<std::uint32_t>(below(kRpcOps + 1));
      std::memcpy(message.data() + at + offsetof(WireTensor, op), &op, sizeof op);
      break;
    }
    default:
      put(message, at + place, field.width);
    }
  }

  // A whole shape, dense, so that only its fitting to others is wrong.
  void reshape(Message &message, std::size_t at) {
    WireTensor tensor;
    std::memcpy(&tensor, message.data() + at, sizeof tensor);
    const std::size_t dim = below(kRpcDims);
    constexpr std::uint32_t kFactors[] = {0, 1, 2, 3, 32, 4096};
    const std::uint32_t factor = kFactors[below(std::size(kFactors))];
    tensor.ne[dim] = below(2) == 0 ? tensor.ne[dim] * factor : factor;
    for (std::size_t i = std::max<std::size_t>(dim, 1); i + 1 < kRpcDims; ++i) {
      tensor.nb[i + 1] = tensor.nb[i] * tensor.ne[i];
    }
    std::memcpy(message.data() + at, &tensor, sizeof tensor);
  }

  void change_by(Message &message, std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    std::memcpy(&value, message.data() + at, width);
    switch (below(5)) {
    case 0:
      ++value;
      break;
    case 1:
      --value;
      break;
    case 2:
      value *= 2;
      break;
    case 3:
      value /= 2;
      break;
    default:
      value += std::uint64_t{1} << below(24);
    }
    std::memcpy(message.data() + at, &value, width);
  }

  void put(Message &message, std::size_t at, std::size_t width) {
    constexpr std::uint64_t kInteresting[] = {0,          1,          2,          31,
                                              0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 40,
                                              1ULL << 63, UINT64_MAX, 255,        4096};
    const std::uint64_t value =
        below(3) == 0 ? random_() : kInteresting[below(std::size(kInteresting))] + below(3) - 1;
    std::memcpy(message.data() + at, &value, std::min(width, message.size() - at));
  }

  void change_bytes(Message &message) {
    if (message.size() <= kMessageHead) {
      return;
    }
    const std::size_t at = kMessageHead + below(message.size() - kMessageHead);
    if (below(3) == 0) {
      message[at] ^= static_cast<std::byte>(1U << below(8));
    } else {
      put(message, at, std::size_t{1} << below(4));
    }
  }

  // Another length, told truly or not.
  void change_length(Message &message) {
    message.resize(kMessageHead + below(message.size() + 64));
    if (below(4) != 0) {
      const std::uint64_t payload = message.size() - kMessageHead;
      std::memcpy(message.data() + 1, &payload, sizeof payload);
    }
  }

  static std::ptrdiff_t to(std::size_t at) { return static_cast<std::ptrdiff_t>(at); }

  std::mt19937_64 random_;
};

} // namespace llamabox
