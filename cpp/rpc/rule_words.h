// The words the op rules are written in: conditions on one node that throw BadMessage.
// Thread rule: pure functions.
// Covered by rpc_graph_test.
#pragma once

#include "rpc/tensor.h"

namespace llamabox {

inline void need(bool holds, const char *what) {
  if (!holds) {
    throw BadMessage(what);
  }
}

inline const RpcTensor &source(const RpcTensor &node, std::size_t i) { return *node.src[i]; }

inline void need_type(const RpcTensor &tensor, RpcType type) {
  need(tensor.type == type, "a tensor has another element type than its op takes");
}

inline void need_shape(bool holds) { need(holds, "shapes that do not fit together"); }
inline void need_strides(bool holds) { need(holds, "strides that the op does not take"); }
inline void need_params(bool holds) { need(holds, "parameters that the op does not take"); }

// A kernel keeps a row for each thread, beside all memory that clients are lent.
inline void need_row(const RpcTensor &tensor, std::int64_t n_most = std::int64_t{1} << 24) {
  need(tensor.ne[0] <= n_most, "rows longer than any model's");
}

inline bool divides(std::int64_t divisor, std::int64_t number) { return number % divisor == 0; }

// Whether `part` repeated in every dimension makes `whole`.
inline bool repeats_to(const RpcTensor &part, const RpcTensor &whole) {
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    if (!divides(part.ne[i], whole.ne[i])) {
      return false;
    }
  }
  return true;
}

// Types that a KV cache may be kept in and rows be quantised to.
inline bool is_cell_type(const RpcTensor &tensor) {
  const auto type = static_cast<std::uint32_t>(tensor.type);
  return tensor.is_float() || type == 2 || type == 3 || type == 6 || type == 7 || type == 8 ||
         type == 20;
}

// Types of weights: all that a kernel multiplies with or reads rows from.
inline bool is_weight_type(const RpcTensor &tensor) {
  constexpr std::uint32_t kQ81 = 9;
  constexpr std::uint32_t kQ8K = 15;
  const auto type = static_cast<std::uint32_t>(tensor.type);
  return tensor.is_float() || (tensor.facts.quantised && type != kQ81 && type != kQ8K);
}

// The same memory seen in the same way: an op that names its own target as a source.
inline bool same_place(const RpcTensor &a, const RpcTensor &b) {
  return a.buffer == b.buffer && a.offset == b.offset && a.type == b.type && a.ne == b.ne &&
         a.nb == b.nb;
}

} // namespace llamabox
