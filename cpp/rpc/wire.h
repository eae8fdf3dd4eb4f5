// What goes over the wire of ggml's RPC protocol 8.0.0: commands, records and their sizes, and the
// numbers of the ops and types it names. Little-endian, packed; read with memcpy, never by pointer.
// A request is one byte of command, eight of length, the payload; a reply is length and payload.
// Thread rule: plain values. Covered by rpc_graph_test; ggml_device.cpp asserts that ggml agrees.
#pragma once

#include <cstddef>
#include <cstdint>

namespace llamabox {

constexpr std::uint8_t kRpcMajor = 8;
constexpr std::uint8_t kRpcMinor = 0;
constexpr std::uint8_t kRpcPatch = 0;
constexpr std::size_t kRpcCaps = 24; // bytes of capabilities in a handshake; all zero is plain TCP
constexpr std::size_t kRpcDims = 4;
constexpr std::size_t kRpcSources = 10;
constexpr std::size_t kRpcParams = 16;
constexpr std::size_t kRpcName = 64;
constexpr std::int32_t kRpcComputes = 16; // the flag of a node that is run; others are skipped
constexpr std::size_t kRpcTypes = 43;
constexpr std::uint32_t kRpcOps = 101;

enum class RpcCommand : std::uint8_t {
  kAllocBuffer = 0,
  kGetAlignment = 1,
  kGetMaxSize = 2,
  kBufferGetBase = 3,
  kFreeBuffer = 4,
  kBufferClear = 5,
  kSetTensor = 6,
  kSetTensorHash = 7,
  kGetTensor = 8,
  kCopyTensor = 9,
  kGraphCompute = 10,
  kGetDeviceMemory = 11,
  kInitTensor = 12,
  kGetAllocSize = 13,
  kHello = 14,
  kDeviceCount = 15,
  kGraphRecompute = 16,
  kMemsetTensor = 17,
  kSetTensor2d = 18,
  kGetTensor2d = 19,
  kCommInit = 20,
  kCommAllreduce = 21,
  kCommFree = 22,
  // Ours: whether the server runs an op. Only after a handshake in which both ends are llamabox.
  kSupportsOp = 128,
};

#pragma pack(push, 1)
struct WireTensor {
  std::uint64_t id;
  std::uint32_t type;
  std::uint64_t buffer;
  std::uint32_t ne[kRpcDims]; // plain arrays: members of a packed record have no address
  std::uint32_t nb[kRpcDims];
  std::uint32_t op;
  std::int32_t op_params[kRpcParams];
  std::int32_t flags;
  std::uint64_t src[kRpcSources];
  std::uint64_t view_src;
  std::uint64_t view_offs;
  std::uint64_t data;
  char name[kRpcName];
  std::int32_t use_count;
};
#pragma pack(pop)
static_assert(sizeof(WireTensor) == 296);

// The element types that rules speak of; every other number below kRpcTypes is a quantised one.
enum class RpcType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kBf16 = 30,
};

// The ops this server runs. What is not here is refused, custom ops first of all.
enum class RpcOp : std::uint32_t {
  kNone = 0,
  kDup = 1,
  kAdd = 2,
  kAddId = 3,
  kSub = 6,
  kMul = 7,
  kDiv = 8,
  kSqr = 9,
  kSqrt = 10,
  kLog = 11,
  kSin = 12,
  kCos = 13,
  kSumRows = 15,
  kMean = 17,
  kRepeat = 20,
  kConcat = 22,
  kNorm = 24,
  kRmsNorm = 25,
  kGroupNorm = 27,
  kL2Norm = 28,
  kMulMat = 29,
  kMulMatId = 30,
  kScale = 32,
  kCpy = 34,
  kCont = 35,
  kReshape = 36,
  kView = 37,
  kPermute = 38,
  kTranspose = 39,
  kGetRows = 40,
  kSetRows = 42,
  kSoftMax = 46,
  kRope = 48,
  kClamp = 50,
  kIm2col = 52,
  kIm2col3d = 54,
  kConv2d = 56,
  kPool2d = 61,
  kUpscale = 63,
  kPad = 64,
  kArange = 67,
  kTimestepEmbedding = 68,
  kArgsort = 69,
  kTopK = 70,
  kLeakyRelu = 71,
  kFill = 73,
  kFlashAttnExt = 74,
  kSsmConv = 76,
  kSsmScan = 77,
  kUnary = 91,
  kGlu = 100,
};

} // namespace llamabox
