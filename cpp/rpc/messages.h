// The payloads of fixed size, or the fixed beginnings of those that end with tensor data.
// Thread rule: plain values, packed as on the wire. Covered by rpc_session_test, whose client
// builds the same bytes, and by the tests against ggml's own client.
#pragma once

#include "rpc/wire.h"

#include <algorithm>
#include <iterator>

namespace llamabox {

#pragma pack(push, 1)
// Capabilities are those of RDMA, of which no end of ours has any; the last bytes say whether an
// end is llamabox.
struct Hello {
  std::uint8_t caps[kRpcCaps];
};
struct HelloReply {
  std::uint8_t major;
  std::uint8_t minor;
  std::uint8_t patch;
  std::uint8_t padding;
  std::uint8_t caps[kRpcCaps];
};
struct AllocRequest {
  std::uint32_t device;
  std::uint64_t size;
};
struct AllocReply {
  std::uint64_t handle;
  std::uint64_t size;
};
struct ClearRequest {
  std::uint64_t handle;
  std::uint8_t value;
};
struct MemoryReply {
  std::uint64_t free_bytes;
  std::uint64_t total_bytes;
};
struct AllocSizeRequest {
  std::uint32_t device;
  WireTensor tensor;
  WireTensor src[kRpcSources];
};
using SupportRequest = AllocSizeRequest; // no tensor of it has a buffer
struct SetRequest {                      // then the data
  WireTensor tensor;
  std::uint8_t keep; // whether the data belongs into the cache
  std::uint64_t offset;
};
struct HashRequest {
  WireTensor tensor;
  std::uint64_t offset;
  std::uint64_t hash; // FNV-1a of 64 bits
};
struct Set2dRequest { // then the data, row after row
  WireTensor tensor;
  std::uint64_t offset;
  std::uint64_t size;
  std::uint64_t n_copies;
  std::uint64_t stride;
};
struct MemsetRequest {
  WireTensor tensor;
  std::uint64_t offset;
  std::uint64_t size;
  std::uint8_t value;
};
struct RangeRequest {
  WireTensor tensor;
  std::uint64_t offset;
  std::uint64_t size;
};
using Range2dRequest = Set2dRequest;
struct RecomputeRequest {
  std::uint32_t device;
  std::uint64_t uid;
};
struct CommInitRequest {
  std::uint32_t numbers[4];
  char host[64];
};
#pragma pack(pop)

// What an end that is llamabox puts at the end of its capabilities. The last byte is the number of
// the list of ops with its rules: another number means that the other end's answers are not known
// here, and that the two speak like stock ends.
inline constexpr std::uint8_t kOwnMark[] = {'l', 'l', 'a', 'm', 'a', 'b', 'x', 1};

inline void put_own_mark(std::uint8_t (&caps)[kRpcCaps]) {
  std::copy(std::begin(kOwnMark), std::end(kOwnMark), std::end(caps) - std::size(kOwnMark));
}
inline bool has_own_mark(const std::uint8_t (&caps)[kRpcCaps]) {
  return std::equal(std::begin(kOwnMark), std::end(kOwnMark), std::end(caps) - std::size(kOwnMark));
}

static_assert(sizeof(HelloReply) == 28);
static_assert(sizeof(AllocSizeRequest) == 4 + 11 * sizeof(WireTensor));
static_assert(sizeof(SetRequest) == sizeof(WireTensor) + 9);
static_assert(sizeof(CommInitRequest) == 80);

} // namespace llamabox
