#include "rpc/op_rules.h"

#include "rpc/image_rules.h"
#include "rpc/matrix_rules.h"
#include "rpc/rule_words.h"

#include <algorithm>
#include <iterator>

namespace llamabox {
namespace {

constexpr std::int32_t kUnaryOps = 22;
constexpr std::int32_t kUnaryXielu = 17; // takes parameters that no text graph sends
constexpr std::int32_t kGluOps = 7;

void check_binary(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  const RpcTensor &b = source(node, 1);
  need(a.is_float() && (b.type == a.type || b.type == RpcType::kF32) &&
           (node.type == a.type || (node.type == RpcType::kF32 && b.type == RpcType::kF32)),
       "element types that cannot be combined");
  need_strides(a.dense_rows());
  need_shape(node.same_shape(a) && repeats_to(b, a));
}

void check_float_rows(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need_type(a, RpcType::kF32);
  need_type(node, RpcType::kF32);
  need_strides(a.dense_rows());
  need_shape(node.same_shape(a));
}

void check_dense_floats(const RpcTensor &node) {
  check_float_rows(node);
  need_strides(source(node, 0).dense());
}

void check_norm(const RpcTensor &node) {
  check_float_rows(node);
  need_params(node.float_param(0) >= 0);
}

void check_unary(const RpcTensor &node) {
  const std::int32_t kind = node.params[0];
  need_params(kind >= 0 && kind < kUnaryOps && kind != kUnaryXielu);
  check_float_rows(node);
  need_strides(source(node, 0).dense_from(1));
}

void check_glu(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need_params(node.params[0] >= 0 && node.params[0] < kGluOps);
  need_type(a, RpcType::kF32);
  need_type(node, RpcType::kF32);
  need_strides(a.dense_from(1));
  std::array<std::int64_t, kRpcDims> ne = a.ne;
  if (const RpcTensor *b = node.src[1]) {
    need_type(*b, RpcType::kF32);
    need_strides(b->dense_from(1));
    need_shape(b->same_shape(a));
  } else {
    need_shape(a.ne[0] % 2 == 0);
    ne[0] /= 2;
  }
  need_shape(node.ne == ne);
}

void check_sum_rows(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need_type(a, RpcType::kF32);
  need_type(node, RpcType::kF32);
  need_strides(a.dense_rows());
  need_shape(node.ne[0] == 1 && node.ne[1] == a.ne[1] && node.ne[2] == a.ne[2] &&
             node.ne[3] == a.ne[3]);
}

void check_repeat(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need(a.type == RpcType::kF32 || a.type == RpcType::kF16, "elements that cannot be repeated");
  need_type(node, a.type);
  need_strides(a.dense_rows());
  need_shape(repeats_to(a, node));
}

void check_concat(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  const RpcTensor &b = source(node, 1);
  need(a.type == RpcType::kF32 || a.type == RpcType::kF16 || a.type == RpcType::kI32,
       "elements that cannot be joined");
  need_type(b, a.type);
  need_type(node, a.type);
  need_params(node.params[0] >= 0 && node.params[0] < static_cast<std::int32_t>(kRpcDims));
  const auto dim = static_cast<std::size_t>(node.params[0]);
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    need_shape(i == dim ? node.ne[i] == a.ne[i] + b.ne[i]
                        : node.ne[i] == a.ne[i] && node.ne[i] == b.ne[i]);
  }
}

// Upstream plans memory for what it converts to and from blocks only for one op, by the row of the
// target, where the kernel keeps rows of the source.
void check_copied_types(std::uint32_t op, const RpcTensor &from, const RpcTensor &to) {
  if (from.type == to.type) {
    need_strides(!from.facts.quantised || (from.dense() && to.dense()) ||
                 (from.same_shape(to) && from.dense_rows() && to.dense_rows()));
    return;
  }
  const bool number_pair = (from.type == RpcType::kF32 && to.type == RpcType::kI32) ||
                           (from.type == RpcType::kI32 && to.type == RpcType::kF32);
  if (number_pair || (from.is_float() && to.is_float())) {
    return;
  }
  need(static_cast<RpcOp>(op) == RpcOp::kCpy, "elements that this op does not convert");
  if (from.facts.quantised) {
    need(is_weight_type(from), "elements that cannot be converted");
    need_type(to, RpcType::kF32);
    need_strides(from.dense() && to.dense());
    need_shape(from.same_shape(to));
    return;
  }
  need(from.is_float() && is_cell_type(to), "elements that cannot be converted");
  need_strides(from.dense_rows() && to.dense());
  need_shape(divides(to.facts.block, from.ne[0]) && from.ne[0] <= to.ne[0]);
  need_row(from);
}

void check_dup(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need_shape(node.n_elements() == a.n_elements());
  check_copied_types(node.op, a, node);
}

void check_cpy(const RpcTensor &node) {
  need(same_place(source(node, 1), node), "a target that is not its own source");
  check_dup(node);
}

void check_sorted(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need_type(a, RpcType::kF32);
  need_type(node, RpcType::kI32);
  need_strides(a.dense());
  need_row(a);
  need_shape(node.ne[1] == a.ne[1] && node.ne[2] == a.ne[2] && node.ne[3] == a.ne[3]);
}

void check_argsort(const RpcTensor &node) {
  check_sorted(node);
  need_shape(node.same_shape(source(node, 0)));
  need_params(node.params[0] == 0 || node.params[0] == 1);
}

void check_top_k(const RpcTensor &node) {
  check_sorted(node);
  need_shape(node.ne[0] <= source(node, 0).ne[0]);
}

struct OpRule {
  RpcOp op;
  std::uint32_t needed;  // bit i: source i must be there
  std::uint32_t allowed; // bit i: source i may be there
  bool dense_target;     // the target's elements follow each other
  void (*check)(const RpcTensor &);
};

constexpr OpRule kRules[] = {
    {RpcOp::kDup, 0b1, 0b1, true, check_dup},
    {RpcOp::kAdd, 0b11, 0b11, true, check_binary},
    {RpcOp::kAddId, 0b111, 0b111, true, check_add_id},
    {RpcOp::kSub, 0b11, 0b11, true, check_binary},
    {RpcOp::kMul, 0b11, 0b11, true, check_binary},
    {RpcOp::kDiv, 0b11, 0b11, true, check_binary},
    {RpcOp::kSqr, 0b1, 0b1, true, check_float_rows},
    {RpcOp::kSqrt, 0b1, 0b1, true, check_float_rows},
    {RpcOp::kLog, 0b1, 0b1, true, check_float_rows},
    {RpcOp::kSin, 0b1, 0b1, true, check_float_rows},
    {RpcOp::kCos, 0b1, 0b1, true, check_float_rows},
    {RpcOp::kSumRows, 0b1, 0b1, true, check_sum_rows},
    {RpcOp::kRepeat, 0b1, 0b11, true, check_repeat},
    {RpcOp::kConcat, 0b11, 0b11, true, check_concat},
    {RpcOp::kNorm, 0b1, 0b1, true, check_norm},
    {RpcOp::kRmsNorm, 0b1, 0b1, true, check_norm},
    {RpcOp::kL2Norm, 0b1, 0b1, true, check_norm},
    {RpcOp::kMulMat, 0b11, 0b11, true, check_mul_mat},
    {RpcOp::kMulMatId, 0b111, 0b111, true, check_mul_mat_id},
    {RpcOp::kScale, 0b1, 0b1, true, check_dense_floats},
    {RpcOp::kCpy, 0b11, 0b11, false, check_cpy},
    {RpcOp::kCont, 0b1, 0b1, true, check_dup},
    {RpcOp::kGetRows, 0b11, 0b11, true, check_get_rows},
    {RpcOp::kSetRows, 0b111, 0b111, false, check_set_rows},
    {RpcOp::kSoftMax, 0b1, 0b111, true, check_soft_max},
    {RpcOp::kRope, 0b11, 0b111, false, check_rope},
    {RpcOp::kClamp, 0b1, 0b1, true, check_dense_floats},
    {RpcOp::kArgsort, 0b1, 0b1, true, check_argsort},
    {RpcOp::kTopK, 0b1, 0b1, true, check_top_k},
    {RpcOp::kFlashAttnExt, 0b111, 0b11111, true, check_flash_attn},
    {RpcOp::kSsmConv, 0b11, 0b11, true, check_ssm_conv},
    {RpcOp::kSsmScan, 0b1111111, 0b1111111, true, check_ssm_scan},
    {RpcOp::kMean, 0b1, 0b1, true, check_mean},
    {RpcOp::kGroupNorm, 0b1, 0b1, true, check_group_norm},
    {RpcOp::kLeakyRelu, 0b1, 0b1, true, check_leaky_relu},
    {RpcOp::kIm2col, 0b11, 0b11, true, check_im2col},
    {RpcOp::kIm2col3d, 0b11, 0b11, true, check_im2col_3d},
    {RpcOp::kConv2d, 0b11, 0b11, true, check_conv_2d},
    {RpcOp::kPool2d, 0b1, 0b1, true, check_pool_2d},
    {RpcOp::kUpscale, 0b1, 0b1, true, check_upscale},
    {RpcOp::kPad, 0b1, 0b1, true, check_pad},
    {RpcOp::kArange, 0, 0, true, check_arange},
    {RpcOp::kTimestepEmbedding, 0b1, 0b1, true, check_timestep_embedding},
    {RpcOp::kFill, 0b1, 0b1, true, check_dense_floats},
    {RpcOp::kUnary, 0b1, 0b1, true, check_unary},
    {RpcOp::kGlu, 0b1, 0b11, true, check_glu},
};

// The bytes that a kernel walks through may not exceed the buffer they are in, as they would with
// strides of zero: the work a message asks for is bounded by the memory it was given.
void check_memory(const RpcTensor &tensor, const RpcTensor &node) {
  need(tensor.buffer != nullptr, "a tensor of a computation has no memory on this server");
  need(tensor.packed_bytes() <= tensor.buffer->size,
       "strides that make more of a buffer than it is");
  need(node.buffer != nullptr && tensor.buffer->device == node.buffer->device,
       "memory of two devices");
}

void check_sources(const RpcTensor &node, const OpRule &rule) {
  for (std::size_t i = 0; i < kRpcSources; ++i) {
    const std::uint32_t bit = 1U << i;
    need(node.src[i] != nullptr || (rule.needed & bit) == 0, "a source is missing");
    need(node.src[i] == nullptr || (rule.allowed & bit) != 0, "more sources than the op takes");
    need(node.src[i] == nullptr || !node.src[i]->empty(), "an empty source");
  }
}

void check_places(const RpcTensor &node) {
  check_memory(node, node);
  for (const RpcTensor *tensor : node.src) {
    if (tensor != nullptr) {
      check_memory(*tensor, node);
    }
  }
  // What is checked in memory must not change while the node runs.
  const std::optional<ValueRule> values = value_rule(node);
  need(!values || !overlap(source(node, values->source), node),
       "a target that lies over its own indices");
}

void check_rule(const RpcTensor &node) {
  const OpRule *rule = std::find_if(std::begin(kRules), std::end(kRules), [&](const OpRule &row) {
    return static_cast<std::uint32_t>(row.op) == node.op;
  });
  need(rule != std::end(kRules), "not among those this server runs");
  need(!node.empty(), "an empty target");
  check_sources(node, *rule);
  need_strides(!rule->dense_target || node.dense());
  rule->check(node);
}

[[noreturn]] void name_op(const RpcTensor &node, const BadMessage &error) {
  throw BadMessage("op " + std::to_string(node.op) + ": " + error.what());
}

} // namespace

bool is_view(std::uint32_t op) {
  const auto kind = static_cast<RpcOp>(op);
  return kind == RpcOp::kNone || kind == RpcOp::kReshape || kind == RpcOp::kView ||
         kind == RpcOp::kPermute || kind == RpcOp::kTranspose;
}

bool overlap(const RpcTensor &a, const RpcTensor &b) {
  return a.buffer == b.buffer && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

void check_op(const RpcTensor &node) {
  try {
    check_rule(node);
    check_places(node);
  } catch (const BadMessage &error) {
    name_op(node, error);
  }
}

void check_unplaced_op(const RpcTensor &node) {
  try {
    check_rule(node);
  } catch (const BadMessage &error) {
    name_op(node, error);
  }
}

std::optional<ValueRule> value_rule(const RpcTensor &node) {
  switch (static_cast<RpcOp>(node.op)) {
  case RpcOp::kGetRows:
    return ValueRule{1, source(node, 0).ne[1]};
  case RpcOp::kSetRows:
    return ValueRule{1, node.ne[1]};
  case RpcOp::kMulMatId:
    return ValueRule{2, source(node, 0).ne[2]};
  case RpcOp::kAddId:
    return ValueRule{2, source(node, 1).ne[1]};
  case RpcOp::kSsmScan:
    return ValueRule{6, source(node, 0).ne[3]};
  case RpcOp::kArgsort:
  case RpcOp::kTopK:
    return ValueRule{0, std::nullopt};
  default:
    return std::nullopt;
  }
}

} // namespace llamabox
