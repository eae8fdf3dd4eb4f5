// Every op of the server's list in a form that its kernel takes, as a graph of one node: the rules
// are tested with these, and the kernels that they guard.
// Thread rule: pure functions.
#pragma once

#include "rpc_rig.h"

#include "rpc/graph.h"

#include <memory>
#include <utility>
#include <vector>

namespace llamabox {

// One op with its sources, each in its own part of one buffer.
struct OneOp {
  RpcOp op;
  RpcType type;
  std::vector<std::uint32_t> ne;
  std::vector<std::pair<RpcType, std::vector<std::uint32_t>>> sources;
  std::vector<std::int32_t> params;
  int own_source = -1; // the source that is the target itself
};

inline constexpr std::uint64_t kBase = std::uint64_t{1} << 40;
inline constexpr std::uint64_t kBufferBytes = 1 << 20;

struct Built {
  std::vector<WireTensor> tensors; // the node is the last
  RpcBuffers buffers;

  std::unique_ptr<RpcGraph> check() const {
    return check_graph(graph_payload(1, {tensors.back().id}, tensors), buffers, test_types());
  }
  bool passes() const {
    try {
      check();
      return true;
    } catch (const BadMessage &) {
      return false;
    }
  }
};

inline Built build(const OneOp &one) {
  Built built;
  RpcBuffer buffer;
  buffer.handle = 7;
  buffer.base = kBase;
  buffer.size = kBufferBytes;
  built.buffers.emplace(buffer.handle, buffer);
  WireTensor node = wire(100, one.type, one.ne);
  node.op = static_cast<std::uint32_t>(one.op);
  node.buffer = buffer.handle;
  node.data = kBase;
  for (std::size_t i = 0; i < one.params.size(); ++i) {
    node.op_params[i] = one.params[i];
  }
  for (std::size_t i = 0; i < one.sources.size(); ++i) {
    WireTensor source = wire(i + 1, one.sources[i].first, one.sources[i].second);
    source.buffer = buffer.handle;
    source.data = kBase + (static_cast<int>(i) == one.own_source ? 0 : (i + 1) * 65536);
    built.tensors.push_back(source);
    node.src[i] = source.id;
  }
  built.tensors.push_back(node);
  return built;
}

// Every op in a form that its kernel takes.
inline std::vector<OneOp> good_ops() {
  constexpr RpcType kF32 = RpcType::kF32;
  constexpr RpcType kF16 = RpcType::kF16;
  constexpr RpcType kI32 = RpcType::kI32;
  constexpr RpcType kI64 = RpcType::kI64;
  constexpr auto kQ4 = static_cast<RpcType>(2);
  const std::int32_t half = 0x3f000000;
  return {
      {RpcOp::kDup, kF16, {8, 4}, {{kF32, {8, 4}}}, {}},
      {RpcOp::kAdd, kF32, {8, 4}, {{kF32, {8, 4}}, {kF32, {8}}}, {}},
      {RpcOp::kAddId, kF32, {8, 2, 3}, {{kF32, {8, 2, 3}}, {kF32, {8, 5}}, {kI32, {2, 3}}}, {}},
      {RpcOp::kSub, kF32, {8}, {{kF32, {8}}, {kF32, {8}}}, {}},
      {RpcOp::kMul, kF16, {8}, {{kF16, {8}}, {kF32, {4}}}, {}},
      {RpcOp::kDiv, kF32, {8}, {{kF32, {8}}, {kF32, {1}}}, {}},
      {RpcOp::kSqr, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kSqrt, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kLog, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kSin, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kCos, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kSumRows, kF32, {1, 4}, {{kF32, {8, 4}}}, {}},
      {RpcOp::kRepeat, kF32, {8, 4}, {{kF32, {8}}}, {}},
      {RpcOp::kConcat, kF32, {8, 5}, {{kF32, {8, 2}}, {kF32, {8, 3}}}, {1}},
      {RpcOp::kNorm, kF32, {8, 4}, {{kF32, {8, 4}}}, {half}},
      {RpcOp::kRmsNorm, kF32, {8, 4}, {{kF32, {8, 4}}}, {half}},
      {RpcOp::kL2Norm, kF32, {8, 4}, {{kF32, {8, 4}}}, {half}},
      {RpcOp::kMulMat, kF32, {5, 3}, {{kQ4, {32, 5}}, {kF32, {32, 3}}}, {}},
      {RpcOp::kMulMatId,
       kF32,
       {5, 2, 3},
       {{kQ4, {32, 5, 4}}, {kF32, {32, 1, 3}}, {kI32, {2, 3}}},
       {}},
      {RpcOp::kScale, kF32, {8}, {{kF32, {8}}}, {half}},
      {RpcOp::kCpy, kF16, {8, 2}, {{kF32, {16}}, {kF16, {8, 2}}}, {}, 1},
      {RpcOp::kCont, kF32, {8, 2}, {{kF32, {8, 2}}}, {}},
      {RpcOp::kGetRows, kF32, {32, 3}, {{kQ4, {32, 9}}, {kI32, {3}}}, {}},
      {RpcOp::kSetRows, kQ4, {32, 9}, {{kF32, {32, 3}}, {kI64, {3}}, {kQ4, {32, 9}}}, {}, 2},
      {RpcOp::kSoftMax, kF32, {8, 4, 2}, {{kF32, {8, 4, 2}}, {kF16, {8, 4}}, {kF32, {2}}}, {half}},
      {RpcOp::kRope, kF32, {8, 2, 3}, {{kF32, {8, 2, 3}}, {kI32, {3}}, {kF32, {4}}}, {0, 8, 2}},
      {RpcOp::kClamp, kF32, {8}, {{kF32, {8}}}, {0, half}},
      {RpcOp::kArgsort, kI32, {8, 2}, {{kF32, {8, 2}}}, {1}},
      {RpcOp::kTopK, kI32, {3, 2}, {{kF32, {8, 2}}}, {}},
      {RpcOp::kFlashAttnExt,
       kF32,
       {16, 4, 2},
       {{kF32, {8, 2, 4}}, {kF16, {8, 6, 2}}, {kF16, {16, 6, 2}}, {kF16, {6, 2}}, {kF32, {4}}},
       {half}},
      {RpcOp::kSsmConv, kF32, {6, 2}, {{kF32, {5, 6}}, {kF32, {4, 6}}}, {}},
      {RpcOp::kSsmScan,
       kF32,
       {60},
       {{kF32, {4, 3, 2, 5}},
        {kF32, {3, 2, 1, 2}},
        {kF32, {2, 1, 2}},
        {kF32, {4, 2}},
        {kF32, {4, 1, 1, 2}},
        {kF32, {4, 1, 1, 2}},
        {kI32, {2}}},
       {1}},
      {RpcOp::kUnary, kF32, {8, 4}, {{kF32, {8, 4}}}, {10}},
      {RpcOp::kFill, kF32, {8, 4}, {{kF32, {8, 4}}}, {half}},
      {RpcOp::kMean, kF32, {1, 4}, {{kF32, {8, 4}}}, {}},
      {RpcOp::kGroupNorm, kF32, {8, 4, 6}, {{kF32, {8, 4, 6}}}, {3, half}},
      {RpcOp::kLeakyRelu, kF32, {8, 4}, {{kF32, {8, 4}}}, {half}},
      {RpcOp::kIm2col,
       kF16,
       {18, 4, 3, 2},
       {{kF16, {3, 3, 2, 5}}, {kF32, {8, 5, 2, 2}}},
       {2, 2, 1, 1, 1, 1, 1}},
      {RpcOp::kIm2col, kF32, {6, 8, 2}, {{kF32, {3, 2, 5}}, {kF32, {8, 2, 2}}}, {1, 0, 1, 0, 1, 0}},
      {RpcOp::kIm2col3d,
       kF32,
       {24, 8, 5, 6},
       {{kF16, {3, 1, 2, 20}}, {kF32, {8, 5, 4, 8}}},
       {1, 1, 2, 1, 0, 1, 1, 1, 1, 4}},
      {RpcOp::kConv2d,
       kF32,
       {4, 3, 5, 2},
       {{kF16, {3, 3, 2, 5}}, {kF32, {8, 5, 2, 2}}},
       {2, 2, 1, 1, 1, 1}},
      {RpcOp::kPool2d, kF32, {4, 2, 3}, {{kF32, {8, 4, 3}}}, {1, 2, 2, 2, 2, 0, 0}},
      {RpcOp::kUpscale, kF32, {16, 8, 3}, {{kF32, {8, 4, 3}}}, {1 | (1 << 8)}},
      {RpcOp::kPad, kF32, {11, 4, 3}, {{kF32, {8, 4, 3}}}, {1, 2, 0, 0, 0, 0, 0, 0, 1}},
      {RpcOp::kArange, kF32, {3}, {}, {0, 0x40400000, 0x3f800000}}, // 0 to 3 in steps of 1
      {RpcOp::kTimestepEmbedding, kF32, {8, 3}, {{kF32, {3}}}, {8, 10000}},
      {RpcOp::kGlu, kF32, {4, 4}, {{kF32, {8, 4}}}, {2}},
  };
}

} // namespace llamabox
