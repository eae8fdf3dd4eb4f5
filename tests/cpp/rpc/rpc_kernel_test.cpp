// The rules against the kernels that they guard: what a rule lets pass, ggml's CPU runs.
#include <doctest/doctest.h>

#include "rpc_ops.h"

#include "rpc/ggml_device.h"

#include <functional>
#include <optional>

using namespace llamabox;

namespace {

// One op on the real device: sources hold the same number everywhere, or are indices of 0.
class OnDevice {
public:
  OnDevice() : device_(make_ggml_device(std::nullopt, 1, stop_, info_)) {}

  // The target's bytes after the op ran.
  std::vector<std::byte> run(Built &built, float value) {
    auto result = run_unless([] { return false; }, built, value);
    REQUIRE(result.has_value());
    return std::move(*result);
  }

  // None when it was abandoned.
  std::optional<std::vector<std::byte>> run_unless(const Abandoned &abandoned, Built &built,
                                                   float value) {
    RpcBuffer &buffer = built.buffers.begin()->second;
    REQUIRE(device_->allocate(kBufferBytes, buffer));
    const std::unique_ptr<RpcGraph> graph =
        check_graph(graph_payload(0, {built.tensors.back().id}, built.tensors), built.buffers,
                    ggml_type_table());
    for (const RpcTensor &tensor : graph->tensors) {
      fill(tensor, value);
    }
    REQUIRE(device_->supports(*graph->nodes[0]));
    const auto prepared = device_->prepare(*graph);
    const bool ran = device_->run(*prepared, 0, 1, abandoned);
    const RpcTensor &target = *graph->nodes[0];
    std::vector<std::byte> result(target.bytes);
    device_->read(target, 0, result.data(), result.size());
    device_->release(buffer);
    return ran ? std::optional(std::move(result)) : std::nullopt;
  }

private:
  void fill(const RpcTensor &tensor, float value) {
    if (tensor.type != RpcType::kF32) {
      return; // fresh memory is zero
    }
    const std::vector<float> values(tensor.bytes / sizeof value, value);
    device_->write(tensor, 0, values.data(), tensor.bytes);
  }

  std::atomic<bool> stop_{false};
  RpcDeviceInfo info_;
  std::unique_ptr<RpcDevice> device_;
};

std::vector<float> floats(const std::vector<std::byte> &bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<float> run(const OneOp &one, float value) {
  Built built = build(one);
  return floats(OnDevice().run(built, value));
}

} // namespace

TEST_CASE("every op of the list runs on the CPU in the form that its rule lets pass") {
  OnDevice device;
  for (const OneOp &one : good_ops()) {
    CAPTURE(static_cast<int>(one.op));
    Built built = build(one);
    CHECK_FALSE(device.run(built, 0.5F).empty());
  }
}

TEST_CASE("every op gives the same whatever the strides over one element are") {
  OnDevice device;
  for (const OneOp &one : good_ops()) {
    CAPTURE(static_cast<int>(one.op));
    Built plain = build(one);
    const std::vector<std::byte> expected = device.run(plain, 0.5F);
    for (const std::uint32_t stride : {0U, 4U, 1U << 20}) {
      Built odd = build(one);
      for (WireTensor &tensor : odd.tensors) {
        for (std::size_t i = 1; i < kRpcDims; ++i) {
          tensor.nb[i] = tensor.ne[i] == 1 ? stride : tensor.nb[i];
        }
      }
      CHECK(device.run(odd, 0.5F) == expected);
    }
  }
}

TEST_CASE("the kernels agree with the rules about what an op's parameters mean") {
  constexpr RpcType kF32 = RpcType::kF32;
  // Padding, not wrapped: zeros around what was there.
  const auto padded = run({RpcOp::kPad, kF32, {4}, {{kF32, {1}}}, {1, 2, 0, 0, 0, 0, 0, 0, 0}}, 3);
  CHECK(padded == std::vector<float>{0, 3, 0, 0});
  const auto wrapped = run({RpcOp::kPad, kF32, {4}, {{kF32, {2}}}, {1, 1, 0, 0, 0, 0, 0, 0, 1}}, 3);
  CHECK(wrapped == std::vector<float>{3, 3, 3, 3});
  const auto columns = run(
      {RpcOp::kIm2col, kF32, {2, 3}, {{kF32, {2, 1}}, {kF32, {2, 1}}}, {1, 0, 1, 0, 1, 0, 0}}, 5);
  CHECK(columns == std::vector<float>{0, 5, 5, 5, 5, 0});
  const auto convolved = run(
      {RpcOp::kConv2d, kF32, {2, 1}, {{kF32, {2, 1, 3, 1}}, {kF32, {3, 1, 3}}}, {1, 1, 0, 0, 1, 1}},
      2);
  CHECK(convolved == std::vector<float>{24, 24});
  const auto pooled =
      run({RpcOp::kPool2d, kF32, {1, 1}, {{kF32, {2, 2}}}, {1, 2, 2, 2, 2, 0, 0}}, 7);
  CHECK(pooled == std::vector<float>{7});
  for (const std::int32_t mode : {0, 1, 2, 1 | (1 << 8), 1 | (1 << 9)}) {
    CAPTURE(mode);
    const auto scaled = run({RpcOp::kUpscale, kF32, {3, 2}, {{kF32, {2, 3}}}, {mode}}, 4);
    CHECK(scaled.size() == 6);
    for (const float pixel : scaled) {
      CHECK(pixel == doctest::Approx(4));
    }
  }
  const auto range = run({RpcOp::kArange, kF32, {3}, {}, {0x3f800000, 0x40400000, 0x3f400000}}, 0);
  CHECK(range == std::vector<float>{1, 1.75F, 2.5F});
  const auto mean = run({RpcOp::kMean, kF32, {1, 2}, {{kF32, {4, 2}}}, {}}, 6);
  CHECK(mean == std::vector<float>{6, 6});
  const auto grouped =
      run({RpcOp::kGroupNorm, kF32, {2, 1, 4}, {{kF32, {2, 1, 4}}}, {2, 0x3f000000}}, 6);
  CHECK(grouped == std::vector<float>(8, 0));
}

TEST_CASE("a run that nobody waits for any more ends early on the CPU") {
  OnDevice device;
  Built built = build(OneOp{RpcOp::kMean, RpcType::kF32, {1, 2}, {{RpcType::kF32, {4, 2}}}, {}});
  CHECK_FALSE(device.run_unless([] { return true; }, built, 6).has_value());
  CHECK(device.run(built, 6).size() == 2 * sizeof(float));
}
