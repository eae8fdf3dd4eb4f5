#include "rpc/tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace llamabox {
namespace {

constexpr std::int64_t kMaxDim = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 48;

// The product, or BadMessage when it exceeds what any tensor here can have.
std::uint64_t bounded(std::uint64_t a, std::uint64_t b) {
  if (a != 0 && b > kMaxBytes / a) {
    throw BadMessage("a tensor is too large");
  }
  return a * b;
}

// Over a dimension of one element nothing is stepped, yet kernels compute with its stride, which
// may be anything on the wire (those over 4 GiB are cut there): it becomes that of packed elements.
void pack_single_steps(RpcTensor &tensor) {
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    if (tensor.ne[i] == 1) {
      const std::uint64_t n_inner =
          i <= 1 ? static_cast<std::uint64_t>(tensor.ne[0]) / tensor.facts.block
                 : static_cast<std::uint64_t>(tensor.ne[i - 1]);
      tensor.nb[i] = i == 0 ? tensor.facts.bytes : tensor.nb[i - 1] * n_inner;
    }
  }
}

void take_shape(const WireTensor &wire, RpcTensor &tensor) {
  std::uint64_t elements = tensor.facts.bytes;
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    if (wire.ne[i] > kMaxDim) {
      throw BadMessage("a dimension is too large");
    }
    tensor.ne[i] = wire.ne[i];
    tensor.nb[i] = wire.nb[i];
    elements = bounded(elements, std::max<std::uint64_t>(wire.ne[i], 1));
  }
  std::uint64_t rows = 1;
  for (std::size_t i = 1; i < kRpcDims; ++i) {
    rows = bounded(rows, std::max<std::uint64_t>(wire.ne[i], 1));
  }
  if (rows > static_cast<std::uint64_t>(kMaxDim)) {
    throw BadMessage("a tensor has too many rows");
  }
  if (wire.ne[0] % tensor.facts.block != 0) {
    throw BadMessage("a row is not a whole number of blocks");
  }
  pack_single_steps(tensor);
}

void check_strides(const RpcTensor &tensor) {
  if (tensor.facts.quantised && tensor.nb[0] != tensor.facts.bytes) {
    throw BadMessage("the blocks of a row are not adjacent");
  }
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    if (tensor.nb[i] % tensor.facts.bytes != 0) {
      throw BadMessage("a stride is not a whole number of elements");
    }
  }
}

std::uint64_t span_bytes(const RpcTensor &tensor) {
  if (tensor.empty()) {
    return 0;
  }
  std::uint64_t bytes = tensor.facts.block == 1 ? tensor.facts.bytes : tensor.row_bytes();
  for (std::size_t i = tensor.facts.block == 1 ? 0 : 1; i < kRpcDims; ++i) {
    bytes += bounded(static_cast<std::uint64_t>(tensor.ne[i] - 1), tensor.nb[i]);
  }
  return bytes;
}

void place(const WireTensor &wire, const RpcBuffer *buffer, RpcTensor &tensor) {
  if (buffer == nullptr) {
    if (wire.data != 0) {
      throw BadMessage("a tensor has an address but no buffer");
    }
    return;
  }
  tensor.buffer = buffer;
  if (wire.data < buffer->base || wire.data - buffer->base > buffer->size) {
    throw BadMessage("a tensor begins outside its buffer");
  }
  tensor.offset = wire.data - buffer->base;
  if (tensor.bytes > buffer->size - tensor.offset) {
    throw BadMessage("a tensor ends outside its buffer");
  }
  if (!tensor.facts.quantised && tensor.offset % tensor.facts.bytes != 0) {
    throw BadMessage("a tensor is not aligned to its elements");
  }
}

} // namespace

float RpcTensor::float_param(std::size_t i) const { return std::bit_cast<float>(params[i]); }

bool RpcTensor::dense_from(std::size_t from) const {
  if (!dense_rows()) {
    return false;
  }
  std::uint64_t next = row_bytes();
  for (std::size_t i = 1; i < kRpcDims; ++i) {
    // A dimension of one element is never stepped over; a gap below `from` only widens the step.
    if (i > from) {
      if (ne[i] != 1 && nb[i] != next) {
        return false;
      }
      next *= static_cast<std::uint64_t>(ne[i]);
    } else {
      next = nb[i] * static_cast<std::uint64_t>(ne[i]);
    }
  }
  return true;
}

RpcTensor check_tensor(const WireTensor &wire, const RpcBuffer *buffer, const TypeTable &types) {
  RpcTensor tensor;
  if (wire.type >= kRpcTypes || types[wire.type].block == 0) {
    throw BadMessage("unknown element type " + std::to_string(wire.type));
  }
  if (wire.op >= kRpcOps) {
    throw BadMessage("unknown op " + std::to_string(wire.op));
  }
  tensor.type = static_cast<RpcType>(wire.type);
  tensor.facts = types[wire.type];
  take_shape(wire, tensor);
  check_strides(tensor);
  tensor.bytes = span_bytes(tensor);
  place(wire, buffer, tensor);
  tensor.op = wire.op;
  std::memcpy(tensor.params.data(), wire.op_params, sizeof wire.op_params);
  tensor.flags = wire.flags;
  tensor.view_offs = wire.view_offs;
  const std::int32_t use_count = wire.use_count;
  tensor.use_count = std::max(use_count, 0);
  return tensor;
}

} // namespace llamabox
