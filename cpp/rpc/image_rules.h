// Rules of the ops that image models use beyond those of text: convolutions by columns and direct,
// pooling, scaling, padding, group norms, time steps.
// Thread rule: pure functions. REQUIRES: every source the table asks for is there and not empty.
// Covered by rpc_graph_test, and by rpc_kernel_test against ggml's own kernels.
#pragma once

#include "rpc/tensor.h"

namespace llamabox {

void check_mean(const RpcTensor &node);
void check_group_norm(const RpcTensor &node);
void check_leaky_relu(const RpcTensor &node);
void check_im2col(const RpcTensor &node);
void check_im2col_3d(const RpcTensor &node);
void check_conv_2d(const RpcTensor &node);
void check_pool_2d(const RpcTensor &node);
void check_upscale(const RpcTensor &node);
void check_pad(const RpcTensor &node);
void check_arange(const RpcTensor &node);
void check_timestep_embedding(const RpcTensor &node);

} // namespace llamabox
