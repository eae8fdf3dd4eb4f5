// One op with its sources, as the protocol's questions about an op carry it.
// Thread rule: plain value that points into itself, so it stays where it is. ERRORS: BadMessage.
// Covered by rpc_session_test.
#pragma once

#include "rpc/messages.h"
#include "rpc/op_rules.h"
#include "rpc/tensor.h"

#include <array>

namespace llamabox {

// `check(wire)` makes a checked tensor of a wire one.
class LoneOp {
public:
  template <typename Check> LoneOp(const AllocSizeRequest &request, const Check &check) {
    node_ = check(request.tensor);
    for (std::size_t i = 0; i < kRpcSources; ++i) {
      const WireTensor &wire = request.src[i];
      if (wire.id == 0) {
        continue;
      }
      if (wire.id == request.tensor.id) { // a cast names itself
        node_.src[i] = &node_;
      } else {
        sources_[i] = check(wire);
        node_.src[i] = &sources_[i];
      }
    }
  }
  LoneOp(const LoneOp &) = delete;
  LoneOp &operator=(const LoneOp &) = delete;

  const RpcTensor &node() const { return node_; }

private:
  RpcTensor node_;
  std::array<RpcTensor, kRpcSources> sources_;
};

// Whether the rules let it pass and `has_kernel` says yes; nothing to compute always does.
template <typename HasKernel> bool can_run(const RpcTensor &node, const HasKernel &has_kernel) {
  if (is_view(node.op) || node.empty()) {
    return true;
  }
  try {
    check_unplaced_op(node);
  } catch (const BadMessage &) {
    return false;
  }
  return has_kernel(node);
}

} // namespace llamabox
