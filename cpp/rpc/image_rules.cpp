#include "rpc/image_rules.h"

#include "rpc/rule_words.h"

#include <array>
#include <cmath>
#include <limits>

namespace llamabox {
namespace {

using Shape = std::array<std::int64_t, kRpcDims>;

// Beyond this, steps and kernels are no image's, and 32-bit places of kernels could overflow.
constexpr std::int32_t kMaxStep = 1 << 14;
// Kernels compute places in images with 24 bits of a float's fraction.
constexpr std::int64_t kMaxSide = 1 << 20;

// How a window moves along one side of an image.
struct Window {
  std::int64_t side = 0; // elements of the image along it
  std::int64_t size = 0; // elements of the window
  std::int32_t step = 0;
  std::int32_t padding = 0; // on both ends
  std::int32_t spread = 0;  // between elements of the window
};

// The number of places a window has.
std::int64_t n_places(const Window &window) {
  need_params(window.step >= 1 && window.step <= kMaxStep);
  need_params(window.padding >= 0 && window.padding <= kMaxStep);
  need_params(window.spread >= 1 && window.spread <= kMaxStep);
  const std::int64_t reach = (window.size - 1) * window.spread + 1;
  const std::int64_t room = window.side + 2 * std::int64_t{window.padding} - reach;
  need_shape(room >= 0 && window.side <= kMaxSide && window.size <= kMaxSide);
  return room / window.step + 1;
}

Window side_of(const RpcTensor &node, std::int64_t side, std::int64_t size, std::size_t axis) {
  return {side, size, node.params[axis], node.params[2 + axis], node.params[4 + axis]};
}

void need_columns(const RpcTensor &node, const RpcTensor &image) {
  need(node.type == RpcType::kF32 || node.type == RpcType::kF16, "columns of another type");
  need(image.type == RpcType::kF32 || (image.type == RpcType::kF16 && node.type == RpcType::kF16 &&
                                       node.op == static_cast<std::uint32_t>(RpcOp::kIm2col)),
       "an image of another type");
}

void check_float_rows(const RpcTensor &node) {
  need_type(source(node, 0), RpcType::kF32);
  need_type(node, RpcType::kF32);
  need_strides(source(node, 0).dense_rows());
}

} // namespace

void check_mean(const RpcTensor &node) {
  check_float_rows(node);
  const RpcTensor &a = source(node, 0);
  need_shape(node.ne == Shape{1, a.ne[1], a.ne[2], a.ne[3]});
}

void check_group_norm(const RpcTensor &node) {
  check_float_rows(node);
  const RpcTensor &a = source(node, 0);
  need_shape(node.same_shape(a) && a.ne[2] <= kMaxSide);
  const std::int32_t n_groups = node.params[0];
  need_params(n_groups >= 1 && n_groups <= a.ne[2] && divides(n_groups, a.ne[2]));
  need_params(node.float_param(1) >= 0);
}

void check_leaky_relu(const RpcTensor &node) {
  check_float_rows(node);
  need_shape(node.same_shape(source(node, 0)));
  need_strides(source(node, 0).dense_from(1));
}

void check_im2col(const RpcTensor &node) {
  const RpcTensor &kernel = source(node, 0);
  const RpcTensor &image = source(node, 1);
  need_columns(node, image);
  const std::int32_t flat = node.params[6];
  need_params(flat == 0 || flat == 1);
  // Rows are walked as one piece, and the strides of planes are kept in 32 bits.
  constexpr std::uint64_t kMaxStride = std::numeric_limits<std::int32_t>::max();
  need_strides(image.dense_rows() && (flat == 0 || image.nb[1] == image.row_bytes()));
  need_strides(image.nb[1] <= kMaxStride && image.nb[2] <= kMaxStride && image.nb[3] <= kMaxStride);
  const std::int64_t width = n_places(side_of(node, image.ne[0], kernel.ne[0], 0));
  if (flat == 0) {
    need_shape(kernel.ne[1] == image.ne[1] && image.ne[3] == 1);
    need_shape(node.ne == Shape{kernel.ne[0] * kernel.ne[1], width, image.ne[2], 1});
    return;
  }
  const std::int64_t height = n_places(side_of(node, image.ne[1], kernel.ne[1], 1));
  need_shape(kernel.ne[2] == image.ne[2]);
  need_shape(node.ne ==
             Shape{kernel.ne[0] * kernel.ne[1] * kernel.ne[2], width, height, image.ne[3]});
}

void check_im2col_3d(const RpcTensor &node) {
  const RpcTensor &kernel = source(node, 0);
  const RpcTensor &image = source(node, 1);
  need_columns(node, image);
  need_strides(image.dense_rows());
  const std::int32_t n_channels = node.params[9];
  need_params(n_channels >= 1 && divides(n_channels, image.ne[3]) &&
              divides(n_channels, kernel.ne[3]));
  Shape places{};
  for (std::size_t i = 0; i < 3; ++i) {
    places[i] = n_places(
        {image.ne[i], kernel.ne[i], node.params[i], node.params[3 + i], node.params[6 + i]});
  }
  const std::int64_t n_images = image.ne[3] / n_channels;
  need_shape(node.ne == Shape{n_channels * kernel.ne[0] * kernel.ne[1] * kernel.ne[2], places[0],
                              places[1], n_images * places[2]});
}

void check_conv_2d(const RpcTensor &node) {
  // The kernel works in pieces of this memory, and one place must fit into it.
  constexpr std::int64_t kWorkBytes = std::int64_t{16} << 20;
  const RpcTensor &kernel = source(node, 0);
  const RpcTensor &image = source(node, 1);
  need(kernel.type == RpcType::kF32 || kernel.type == RpcType::kF16, "a kernel of another type");
  need_type(image, RpcType::kF32);
  need_type(node, RpcType::kF32);
  need_strides(kernel.dense() && image.dense());
  need_shape(kernel.ne[2] == image.ne[2]);
  const std::int64_t width = n_places(side_of(node, image.ne[0], kernel.ne[0], 0));
  const std::int64_t height = n_places(side_of(node, image.ne[1], kernel.ne[1], 1));
  need_shape(node.ne == Shape{width, height, kernel.ne[3], image.ne[3]});
  const std::int64_t n_kernel = kernel.ne[0] * kernel.ne[1] * kernel.ne[2];
  const std::int64_t element = kernel.facts.bytes;
  need_shape(n_kernel <= kWorkBytes && kernel.ne[3] <= kWorkBytes &&
             n_kernel * element + kernel.ne[3] * 4 <= kWorkBytes);
}

void check_pool_2d(const RpcTensor &node) {
  constexpr std::int32_t kMaxWindow = 256;
  const RpcTensor &a = source(node, 0);
  need_type(a, RpcType::kF32);
  need_type(node, RpcType::kF32);
  need_strides(a.dense());
  need_params(node.params[0] == 0 || node.params[0] == 1);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int32_t size = node.params[1 + i];
    const std::int32_t step = node.params[3 + i];
    const std::int32_t padding = node.params[5 + i];
    need_params(size >= 1 && size <= kMaxWindow && step >= 1 && step <= kMaxStep);
    need_params(padding >= 0 && padding <= kMaxStep);
    // Half a place more or less: the paddings of the two ends may differ.
    const std::int64_t room = a.ne[i] + 2 * std::int64_t{padding} + 1 - size;
    need_shape(room >= 0 && node.ne[i] <= room / step + 1 && a.ne[i] <= kMaxSide);
  }
  need_shape(node.ne[2] == a.ne[2] && node.ne[3] == a.ne[3]);
}

void check_upscale(const RpcTensor &node) {
  constexpr std::int32_t kModes = 3;
  constexpr std::int32_t kModeBits = 0xff;
  constexpr std::int32_t kFlags = (1 << 8) | (1 << 9);
  const RpcTensor &a = source(node, 0);
  need_type(a, RpcType::kF32);
  need_type(node, RpcType::kF32);
  need_params(node.params[0] >= 0 && (node.params[0] & ~(kModeBits | kFlags)) == 0);
  need_params((node.params[0] & kModeBits) < kModes);
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    need_shape(a.ne[i] <= kMaxSide && node.ne[i] <= kMaxSide);
  }
}

void check_pad(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need_type(a, RpcType::kF32);
  need_type(node, RpcType::kF32);
  const std::int32_t wraps = node.params[8];
  need_params(wraps == 0 || wraps == 1);
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    const std::int32_t before = node.params[2 * i];
    const std::int32_t after = node.params[2 * i + 1];
    need_params(before >= 0 && after >= 0);
    need_params(wraps == 0 || (before <= a.ne[i] && after <= a.ne[i]));
    need_shape(node.ne[i] == a.ne[i] + before + after);
  }
}

void check_arange(const RpcTensor &node) {
  need_type(node, RpcType::kF32);
  const float begin = node.float_param(0);
  const float end = node.float_param(1);
  const float step = node.float_param(2);
  need_params(std::isfinite(begin) && std::isfinite(end) && step > 0);
  // The same arithmetic as the kernel's, which aborts where it finds another number.
  const float n_steps = std::ceil((end - begin) / step);
  need_params(n_steps >= 1 && n_steps <= static_cast<float>(kMaxSide));
  need_shape(node.n_elements() == static_cast<std::int64_t>(n_steps));
}

void check_timestep_embedding(const RpcTensor &node) {
  const RpcTensor &a = source(node, 0);
  need_type(a, RpcType::kF32);
  need_type(node, RpcType::kF32);
  need_strides(a.dense());
  const std::int32_t n_values = node.params[0];
  need_params(n_values >= 2 && n_values <= kMaxSide && node.params[1] >= 1);
  need_shape(a.ne == Shape{a.ne[0], 1, 1, 1} && node.ne == Shape{n_values, a.ne[0], 1, 1});
}

} // namespace llamabox
