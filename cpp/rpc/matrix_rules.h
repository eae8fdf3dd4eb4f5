// Rules of the ops that multiply, attend, gather and scan; the others are in op_rules.cpp.
// Thread rule: pure functions. REQUIRES: every source the table asks for is there and not empty.
// Covered by rpc_graph_test.
#pragma once

#include "rpc/tensor.h"

namespace llamabox {

void check_mul_mat(const RpcTensor &node);
void check_mul_mat_id(const RpcTensor &node);
void check_add_id(const RpcTensor &node);
void check_get_rows(const RpcTensor &node);
void check_set_rows(const RpcTensor &node);
void check_soft_max(const RpcTensor &node);
void check_rope(const RpcTensor &node);
void check_flash_attn(const RpcTensor &node);
void check_ssm_conv(const RpcTensor &node);
void check_ssm_scan(const RpcTensor &node);

} // namespace llamabox
