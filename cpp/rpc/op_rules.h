// What a node of a client's graph must look like before a backend may run it: an allow-list of ops,
// each with the types, shapes, strides and parameters that its kernels take for granted. Kernels
// assert these, or read beyond a tensor; so every rule here is at least as strict as theirs.
// Thread rule: pure functions. Covered by rpc_graph_test, every op in both directions.
#pragma once

#include "rpc/tensor.h"

#include <optional>

namespace llamabox {

// What the values of a source must be; only a look into memory, right before the node, can tell.
struct ValueRule {
  std::size_t source = 0;
  // Whole numbers of at least 0 and below this; none: numbers that can be sorted, so no NaN.
  std::optional<std::int64_t> below;
};

// Whether the node only names memory (views and the like) and computes nothing.
bool is_view(std::uint32_t op);

// ERRORS: BadMessage, with the number of the op and what is wrong.
void check_op(const RpcTensor &node);

// As check_op for a node that has no memory yet: shapes, types and parameters only.
void check_unplaced_op(const RpcTensor &node);

// Whether the bytes of two tensors meet.
bool overlap(const RpcTensor &a, const RpcTensor &b);

// REQUIRES: check_op(node) passed.
std::optional<ValueRule> value_rule(const RpcTensor &node);

} // namespace llamabox
