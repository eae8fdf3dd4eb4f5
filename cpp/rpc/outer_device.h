// A device that passes on what it is asked to an inner one, for those that change a part of it.
// Thread rule: as RpcDevice. Guarantee: what is not overridden is what the inner one answers.
// Covered by rpc_helped_test.
#pragma once

#include "rpc/device.h"

#include <memory>
#include <utility>

namespace llamabox {

class OuterDevice : public RpcDevice {
public:
  explicit OuterDevice(std::unique_ptr<RpcDevice> inner) : inner_(std::move(inner)) {}

  std::uint64_t alignment() const override { return inner_->alignment(); }
  std::uint64_t max_buffer_bytes() const override { return inner_->max_buffer_bytes(); }
  RpcMemory memory() const override { return inner_->memory(); }
  bool allocate(std::uint64_t bytes, RpcBuffer &buffer) override {
    return inner_->allocate(bytes, buffer);
  }
  void release(RpcBuffer &buffer) override { inner_->release(buffer); }
  std::uint64_t allocated_bytes(const RpcTensor &tensor) const override {
    return inner_->allocated_bytes(tensor);
  }
  void clear(const RpcBuffer &buffer, std::uint8_t value) override { inner_->clear(buffer, value); }
  void init(const RpcTensor &tensor) override { inner_->init(tensor); }
  void write(const RpcTensor &tensor, std::uint64_t offset, const void *data,
             std::size_t n) override {
    inner_->write(tensor, offset, data, n);
  }
  void read(const RpcTensor &tensor, std::uint64_t offset, void *data, std::size_t n) override {
    inner_->read(tensor, offset, data, n);
  }
  bool supports(const RpcTensor &node) const override { return inner_->supports(node); }
  std::unique_ptr<PreparedGraph> prepare(const RpcGraph &graph) override {
    return inner_->prepare(graph);
  }
  bool run(PreparedGraph &graph, std::size_t begin, std::size_t end,
           const Abandoned &abandoned) override {
    return inner_->run(graph, begin, end, abandoned);
  }

protected:
  RpcDevice &inner() const { return *inner_; }

private:
  const std::unique_ptr<RpcDevice> inner_;
};

} // namespace llamabox
