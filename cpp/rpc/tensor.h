// A tensor of a client after its checks: a shape that cannot overflow, bytes that lie inside a
// buffer of the same client, sources that are checked tensors themselves.
// Thread rule: plain values. Guarantee: `bytes` counts exactly what ggml's own formula counts.
// Covered by rpc_graph_test.
#pragma once

#include "rpc/wire.h"

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace llamabox {

// Ends one connection: what came over it is not what a client of the protocol sends.
class BadMessage : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// Elements of one block and bytes of one block; `block` 0: no such type.
struct TypeFacts {
  std::uint32_t block = 0;
  std::uint32_t bytes = 0;
  bool quantised = false;
};
using TypeTable = std::array<TypeFacts, kRpcTypes>;

// Memory of a client on a device.
struct RpcBuffer {
  std::uint64_t handle = 0;   // never used twice
  std::uint32_t device = 0;   // place among the server's devices
  std::uint64_t base = 0;     // what the client is told; no real address
  std::uint64_t size = 0;     // bytes
  void *storage = nullptr;    // the device's own
  std::uint64_t reserved = 0; // bytes taken from the device's budget
};

struct RpcTensor {
  RpcType type = RpcType::kF32;
  TypeFacts facts;
  std::array<std::int64_t, kRpcDims> ne{};
  std::array<std::uint64_t, kRpcDims> nb{};
  std::uint32_t op = 0;
  std::array<std::int32_t, kRpcParams> params{};
  std::int32_t flags = 0;
  const RpcBuffer *buffer = nullptr; // none: not on this server
  std::uint64_t offset = 0;          // in the buffer
  std::uint64_t bytes = 0;           // from the first to the last byte; 0 when empty
  std::array<const RpcTensor *, kRpcSources> src{};
  const RpcTensor *view_src = nullptr;
  std::uint64_t view_offs = 0;
  std::int32_t use_count = 0;

  bool empty() const { return ne[0] == 0 || ne[1] == 0 || ne[2] == 0 || ne[3] == 0; }
  std::int64_t n_elements() const { return ne[0] * ne[1] * ne[2] * ne[3]; }
  std::int64_t n_rows() const { return ne[1] * ne[2] * ne[3]; }
  std::uint64_t row_bytes() const {
    return static_cast<std::uint64_t>(ne[0]) / facts.block * facts.bytes;
  }
  std::uint64_t packed_bytes() const { return row_bytes() * static_cast<std::uint64_t>(n_rows()); }
  float float_param(std::size_t i) const;

  // Whether dimensions above `from` follow each other without a gap; the first is always dense.
  bool dense_from(std::size_t from) const;
  bool dense() const { return dense_from(0); }
  bool dense_rows() const { return nb[0] == facts.bytes; }
  bool same_shape(const RpcTensor &other) const { return ne == other.ne; }
  bool is_float() const {
    return type == RpcType::kF32 || type == RpcType::kF16 || type == RpcType::kBf16;
  }
};

// Checks everything but sources: type, shape, strides, place. `buffer` is the one that the wire
// names, or null when it names none. ERRORS: BadMessage.
RpcTensor check_tensor(const WireTensor &wire, const RpcBuffer *buffer, const TypeTable &types);

} // namespace llamabox
