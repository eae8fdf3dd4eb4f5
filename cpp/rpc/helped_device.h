// A device whose missing kernels another one lends. What the device lacks is run by the helper on
// copies of the sources, and the result goes back, so that graphs need not end for one op: ggml's
// client assumes that a server runs every op. ggml's own scheduler cannot do this, since a client
// has placed every tensor already.
// Thread rule: as RpcDevice. Guarantee: results are those of the helper's kernel, in the memory
// that the client chose; copies live while their node runs. Covered by rpc_helped_test.
#pragma once

#include "rpc/outer_device.h"

#include <memory>

namespace llamabox {

// Memory and transfers are the device's; the helper has memory of this machine.
class HelpedDevice final : public OuterDevice {
public:
  HelpedDevice(std::unique_ptr<RpcDevice> device, std::unique_ptr<RpcDevice> helper)

      : OuterDevice(std::move(device)), helper_(std::move(helper)) {}

  bool supports(const RpcTensor &node) const override {
    return inner().supports(node) || helper_->supports(node);
  }
  std::unique_ptr<PreparedGraph> prepare(const RpcGraph &graph) override;
  bool run(PreparedGraph &graph, std::size_t begin, std::size_t end,
           const Abandoned &abandoned) override;

private:
  bool run_elsewhere(const RpcTensor &node, const Abandoned &abandoned);

  const std::unique_ptr<RpcDevice> helper_;
};

} // namespace llamabox
