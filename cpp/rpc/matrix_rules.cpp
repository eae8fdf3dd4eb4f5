#include "rpc/matrix_rules.h"

#include "rpc/rule_words.h"

#include <algorithm>
#include <array>

namespace llamabox {
namespace {

using Shape = std::array<std::int64_t, kRpcDims>;

// The kernel groups rows by expert in a table of this many entries.
constexpr std::int64_t kMaxExpertRows = std::int64_t{1} << 27;
constexpr std::int64_t kMaxExperts = 65536;

void need_plain(const RpcTensor &tensor, RpcType type) {
  need_type(tensor, type);
  need_strides(tensor.dense());
}

void need_row_types(const RpcTensor &weights, const RpcTensor &rows) {
  need(is_weight_type(weights), "weights of a type that cannot be multiplied");
  need(rows.type == RpcType::kF32 || (rows.type == weights.type && rows.is_float()),
       "rows of a type that cannot be multiplied");
}

// Gaps between rows are well, rows over each other are not.
bool has_rows_apart(const RpcTensor &tensor) {
  std::uint64_t reach = tensor.row_bytes();
  for (std::size_t i = 1; i < kRpcDims; ++i) {
    if (tensor.ne[i] > 1 && tensor.nb[i] < reach) {
      return false;
    }
    reach = std::max(reach, tensor.nb[i] * static_cast<std::uint64_t>(tensor.ne[i]));
  }
  return true;
}

void check_mask(const RpcTensor &mask, Shape scores) {
  need_strides(mask.dense());
  need_shape(mask.ne[0] == scores[0] && mask.ne[1] >= scores[1] && divides(mask.ne[2], scores[2]) &&
             divides(mask.ne[3], scores[3]));
}

} // namespace

void check_mul_mat(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  const RpcTensor &b = source(node, 1);
  need_row_types(a, b);
  need_plain(node, RpcType::kF32);
  need_strides(a.dense_rows() && b.dense_rows());
  need_shape(a.ne[0] == b.ne[0] && divides(a.ne[2], b.ne[2]) && divides(a.ne[3], b.ne[3]));
  need_shape(node.ne == Shape{a.ne[1], b.ne[1], b.ne[2], b.ne[3]});
  need_params(node.params[1] == 0);
}

void check_mul_mat_id(const RpcTensor &node) {
  const RpcTensor &experts = source(node, 0);
  const RpcTensor &b = source(node, 1);
  const RpcTensor &ids = source(node, 2);
  need_row_types(experts, b);
  need_type(b, RpcType::kF32);
  need_type(ids, RpcType::kI32);
  need_plain(node, RpcType::kF32);
  need_strides(experts.dense_rows() && b.dense_rows());
  need_shape(experts.ne[3] == 1 && b.ne[3] == 1 && ids.ne[2] == 1 && ids.ne[3] == 1);
  need_shape(experts.ne[0] == b.ne[0] && ids.ne[1] == b.ne[2] && divides(b.ne[1], ids.ne[0]));
  need_shape(node.ne == Shape{experts.ne[1], ids.ne[0], b.ne[2], 1});
  need_shape(experts.ne[2] <= kMaxExperts && ids.n_elements() <= kMaxExpertRows / experts.ne[2]);
}

void check_add_id(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  const RpcTensor &b = source(node, 1);
  const RpcTensor &ids = source(node, 2);
  need_type(a, RpcType::kF32);
  need_type(b, RpcType::kF32);
  need_type(ids, RpcType::kI32);
  need_plain(node, RpcType::kF32);
  need_strides(a.dense_rows() && b.dense_rows());
  need_shape(node.same_shape(a) && a.ne[3] == 1 && a.ne[0] == b.ne[0]);
  need_shape(b.ne[2] == 1 && b.ne[3] == 1);
  need_shape(ids.ne == Shape{a.ne[1], a.ne[2], 1, 1});
}

void check_get_rows(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  const RpcTensor &ids = source(node, 1);
  need(is_weight_type(a) || a.type == RpcType::kI32, "rows of a type that cannot be read");
  need_type(ids, RpcType::kI32);
  need_plain(node, a.type == RpcType::kI32 ? RpcType::kI32 : RpcType::kF32);
  need_strides(a.dense_rows());
  need_shape(a.ne[2] == ids.ne[1] && a.ne[3] == ids.ne[2] && ids.ne[3] == 1);
  need_shape(node.ne == Shape{a.ne[0], ids.ne[0], ids.ne[1], ids.ne[2]});
}

void check_set_rows(const RpcTensor &node) {
  const RpcTensor &rows = source(node, 0);
  const RpcTensor &ids = source(node, 1);
  need(rows.type == RpcType::kF32 || (rows.type == RpcType::kF16 && node.type == RpcType::kF16),
       "rows of a type that cannot be written");
  need(ids.type == RpcType::kI64 || ids.type == RpcType::kI32, "indices of another type");
  need(is_cell_type(node), "a target of a type that rows cannot be written to");
  need_strides(rows.dense_rows() && node.dense_rows());
  need_shape(node.ne[0] == rows.ne[0] && node.ne[2] == rows.ne[2] && node.ne[3] == rows.ne[3]);
  need_shape(rows.ne[1] == ids.ne[0] && divides(ids.ne[1], rows.ne[2]) &&
             divides(ids.ne[2], rows.ne[3]) && ids.ne[3] == 1);
  need(same_place(source(node, 2), node), "a target that is not its own source");
}

void check_soft_max(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need_plain(a, RpcType::kF32);
  need_plain(node, RpcType::kF32);
  need_row(a);
  need_shape(node.same_shape(a));
  if (const RpcTensor *mask = node.src[1]) {
    need(mask->type == RpcType::kF16 || mask->type == RpcType::kF32, "a mask of another type");
    check_mask(*mask, a.ne);
  } else {
    need_params(!(node.float_param(1) > 0));
  }
  if (const RpcTensor *sinks = node.src[2]) {
    need_plain(*sinks, RpcType::kF32);
    need_shape(sinks->ne == Shape{a.ne[2], 1, 1, 1});
  }
}

void check_rope(const RpcTensor &node) {
  constexpr std::array<std::int32_t, 5> kModes{0, 2, 8, 24, 40};
  constexpr std::int32_t kSectioned = 8;
  constexpr std::int32_t kVision = 24;
  const RpcTensor &a = source(node, 0);
  const RpcTensor &positions = source(node, 1);
  const std::int32_t n_dims = node.params[1];
  const std::int32_t mode = node.params[2];
  const std::int32_t n_offset = node.params[15];
  need(a.type == RpcType::kF32 || a.type == RpcType::kF16, "positions on another type");
  need_type(node, a.type);
  // Keys that are moved in their cache are turned in place, where a head may be longer.
  need_strides(a.dense_rows() && node.dense_rows() && has_rows_apart(node));
  need_plain(positions, RpcType::kI32);
  need_row(a);
  need_shape(node.same_shape(a) && a.ne[0] % 2 == 0);
  need_params(std::find(kModes.begin(), kModes.end(), mode) != kModes.end());
  need_params(n_dims >= 2 && n_dims % 2 == 0 && n_offset >= 0 && n_offset % 2 == 0);
  need_params(std::int64_t{n_dims} + n_offset <= a.ne[0]);
  const bool sectioned = (mode & kSectioned) != 0;
  need_shape(positions.ne == Shape{a.ne[2] * (sectioned ? 4 : 1), 1, 1, 1});
  if (sectioned) {
    std::int64_t sum = 0;
    for (std::size_t i = 11; i < 15; ++i) {
      need_params(node.params[i] >= 0);
      sum += node.params[i];
    }
    // The kernel divides by the sum and wants one of the first three.
    need_params(sum - node.params[14] > 0 && sum <= a.ne[0]);
  }
  need_params(mode != kVision || (n_dims == a.ne[0] / 2 && n_offset == 0));
  if (const RpcTensor *factors = node.src[2]) {
    need_plain(*factors, RpcType::kF32);
    need_shape(factors->ne[0] >= n_dims / 2);
  }
}

void check_flash_attn(const RpcTensor &node) {
  constexpr std::int64_t kMaxHead = 4096; // of each, a thread keeps tiles
  const RpcTensor &q = source(node, 0);
  const RpcTensor &k = source(node, 1);
  const RpcTensor &v = source(node, 2);
  need_type(q, RpcType::kF32);
  need(is_cell_type(k) && is_cell_type(v), "keys or values of another type");
  need_plain(node, RpcType::kF32);
  need_strides(q.dense_rows() && k.dense_rows() && v.dense_rows());
  need_row(q, kMaxHead);
  need_row(v, kMaxHead);
  need_shape(q.ne[0] == k.ne[0] && k.ne[1] == v.ne[1]);
  need_shape(divides(k.ne[2], q.ne[2]) && divides(v.ne[2], q.ne[2]));
  need_shape(q.ne[3] == k.ne[3] && q.ne[3] == v.ne[3]);
  need_shape(node.ne == Shape{v.ne[0], q.ne[2], q.ne[1], q.ne[3]});
  if (const RpcTensor *mask = node.src[3]) {
    need_type(*mask, RpcType::kF16);
    check_mask(*mask, Shape{k.ne[1], q.ne[1], q.ne[2], q.ne[3]});
  } else {
    need_params(!(node.float_param(1) > 0));
  }
  if (const RpcTensor *sinks = node.src[4]) {
    need_plain(*sinks, RpcType::kF32);
    need_shape(sinks->ne == Shape{q.ne[2], 1, 1, 1});
  }
}

void check_ssm_conv(const RpcTensor &node) {
  const RpcTensor &x = source(node, 0);
  const RpcTensor &kernel = source(node, 1);
  need_type(x, RpcType::kF32);
  need_plain(kernel, RpcType::kF32);
  need_plain(node, RpcType::kF32);
  need_strides(x.dense_rows() && x.nb[1] == x.row_bytes());
  need_shape(x.ne[3] == 1 && kernel.ne[2] == 1 && kernel.ne[3] == 1);
  need_shape(x.ne[1] == kernel.ne[1] && x.ne[0] >= kernel.ne[0]);
  need_shape(node.ne == Shape{kernel.ne[1], x.ne[0] - kernel.ne[0] + 1, x.ne[2], 1});
}

void check_ssm_scan(const RpcTensor &node) {
  const RpcTensor &state = source(node, 0);
  const RpcTensor &x = source(node, 1);
  const RpcTensor &dt = source(node, 2);
  const RpcTensor &decay = source(node, 3);
  const RpcTensor &b = source(node, 4);
  const RpcTensor &c = source(node, 5);
  const RpcTensor &ids = source(node, 6);
  for (const RpcTensor *plain : {&state, &dt, &decay}) {
    need_plain(*plain, RpcType::kF32);
  }
  for (const RpcTensor *rows : {&x, &b, &c}) {
    need_type(*rows, RpcType::kF32);
    need_strides(rows->dense_rows() && rows->nb[1] == rows->row_bytes());
  }
  need_plain(ids, RpcType::kI32);
  need_plain(node, RpcType::kF32);
  need_params(node.params[0] == 1);
  const auto [head_dim, n_head, n_tokens, n_seqs] = x.ne;
  need_shape(state.ne[1] == head_dim && state.ne[2] == n_head);
  need_shape(dt.ne == Shape{n_head, n_tokens, n_seqs, 1});
  need_shape(b.same_shape(c) && b.ne[0] == state.ne[0] && b.ne[2] == n_tokens);
  need_shape(b.ne[3] == n_seqs && divides(b.ne[1], n_head));
  need_shape(decay.ne[1] == n_head && decay.ne[2] == 1 && decay.ne[3] == 1);
  need_shape(decay.ne[0] == 1 || decay.ne[0] == state.ne[0]);
  need_shape(ids.ne == Shape{n_seqs, 1, 1, 1});
  const std::int64_t n_state = state.ne[0] * head_dim * n_head * n_seqs;
  need_shape(node.ne == Shape{x.n_elements() + n_state, 1, 1, 1});
}

} // namespace llamabox
