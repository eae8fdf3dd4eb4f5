#include "rpc/op_support.h"

#include "base/error.h"
#include "rpc/ggml_device.h"
#include "rpc/lone_op.h"

#include "ggml-backend-impl.h" // the table of a device's functions, in which one is replaced

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace llamabox {
namespace {

using Clock = std::chrono::steady_clock;

// A connection that asks nothing for so long is closed: a server has places for few.
constexpr std::chrono::seconds kKeepLink{10};

std::uint64_t id_of(const ggml_tensor *tensor) { return reinterpret_cast<std::uintptr_t>(tensor); }

// Without memory: where a tensor will lie is not known yet.
WireTensor wire_of(const ggml_tensor &from) {
  WireTensor to{};
  to.id = id_of(&from);
  to.type = static_cast<std::uint32_t>(from.type);
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    to.ne[i] = static_cast<std::uint32_t>(from.ne[i]);
    to.nb[i] = static_cast<std::uint32_t>(from.nb[i]);
  }
  to.op = static_cast<std::uint32_t>(from.op);
  std::memcpy(to.op_params, from.op_params, sizeof to.op_params);
  to.flags = from.flags;
  return to;
}

SupportRequest request_of(const ggml_tensor &op, std::uint32_t device) {
  SupportRequest request{};
  request.device = device;
  request.tensor = wire_of(op);
  for (std::size_t i = 0; i < kRpcSources; ++i) {
    if (op.src[i] != nullptr) {
      request.src[i] = wire_of(*op.src[i]);
    }
  }
  return request;
}

// What a device's answer depends on: not on how many tokens there are, which changes at every step.
std::string kind_of(const RpcTensor &node) {
  std::string kind;
  const auto add = [&](const auto &value) {
    kind.append(reinterpret_cast<const char *>(&value), sizeof value);
  };
  const bool by_heads = node.op == static_cast<std::uint32_t>(RpcOp::kFlashAttnExt);
  add(node.op);
  add(node.params);
  add(node.type);
  for (const RpcTensor *source : node.src) {
    add(source == nullptr ? static_cast<RpcType>(kRpcTypes) : source->type);
    add(source != nullptr && source->dense());
    add(source != nullptr && by_heads ? source->ne[0] : 0);
  }
  return kind;
}

// Of one device of a server.
class OpSupport {
public:
  OpSupport(RpcEndpoint endpoint, std::uint32_t device)
      : endpoint_(std::move(endpoint)), device_(device), types_(ggml_type_table()) {}

  bool has(const ggml_tensor &op) {
    const SupportRequest request = request_of(op, device_);
    try {
      const LoneOp lone(
          request, [&](const WireTensor &wire) { return check_tensor(wire, nullptr, types_); });
      return can_run(lone.node(), [&](const RpcTensor &node) { return ask(node, request); });
    } catch (const BadMessage &) {
      return false; // no tensor that could be sent
    }
  }

private:
  bool ask(const RpcTensor &node, const SupportRequest &request) {
    const std::string kind = kind_of(node);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (link_ && Clock::now() - asked_at_ > kKeepLink) {
      link_.reset();
    }
    const auto known = answers_.find(kind);
    if (known != answers_.end()) {
      return known->second;
    }
    const std::optional<bool> answer = answer_to(request);
    if (answer) {
      answers_.emplace(kind, *answer);
    }
    return answer.value_or(true);
  }

  std::optional<bool> answer_to(const SupportRequest &request) {
    asked_at_ = Clock::now();
    try {
      if (!link_) {
        link_ = std::make_unique<ServerLink>(endpoint_);
      }
      return link_->is_own() ? std::optional(link_->supports(request)) : std::nullopt;
    } catch (const Disconnected &) {
      link_.reset();
    } catch (const Error &) {
      link_.reset(); // cannot be reached
    }
    return std::nullopt;
  }

  const RpcEndpoint endpoint_;
  const std::uint32_t device_;
  const TypeTable types_;
  std::mutex mutex_; // of what follows
  std::unique_ptr<ServerLink> link_;
  Clock::time_point asked_at_;
  std::unordered_map<std::string, bool> answers_;
};

// By device: ggml's calls carry nothing of ours. Filled before models are loaded, then only read.
std::map<ggml_backend_dev_t, std::unique_ptr<OpSupport>> &supports() {
  static std::map<ggml_backend_dev_t, std::unique_ptr<OpSupport>> only;
  return only;
}

// Where upstream asks for a weight's place it names no rotated dimensions; every device has these.
bool is_about_factors(const ggml_tensor &op) {
  return op.op == GGML_OP_ROPE && op.op_params[1] == 0;
}

// What lies on the device already, ggml's scheduler cannot run elsewhere: it would abort.
bool is_placed(const ggml_tensor &op) {
  return op.data != nullptr || (op.view_src != nullptr && op.view_src->data != nullptr);
}

bool supports_op(ggml_backend_dev_t dev, const ggml_tensor *op) {
  return is_about_factors(*op) || is_placed(*op) || supports().at(dev)->has(*op);
}

} // namespace

void ask_about_ops(const RpcEndpoint &endpoint, ggml_backend_reg_t server) {
  for (std::size_t i = 0; i < ggml_backend_reg_dev_count(server); ++i) {
    ggml_backend_dev_t dev = ggml_backend_reg_dev_get(server, i);
    supports()[dev] = std::make_unique<OpSupport>(endpoint, static_cast<std::uint32_t>(i));
    dev->iface.supports_op = supports_op;
  }
}

} // namespace llamabox
