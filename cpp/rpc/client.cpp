#include "rpc/client.h"

#include "base/error.h"
#include "rpc/op_support.h"

#include "ggml-backend.h"

namespace llamabox {

void add_rpc_servers(const std::vector<RpcEndpoint> &endpoints) {
  if (endpoints.empty()) {
    return;
  }
  ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
  using AddServer = ggml_backend_reg_t (*)(const char *);
  const auto add = rpc == nullptr ? nullptr
                                  : reinterpret_cast<AddServer>(ggml_backend_reg_get_proc_address(
                                        rpc, "ggml_backend_rpc_add_server"));
  if (add == nullptr) {
    throw Error(ErrorCode::kLoadFailed, "rpc: this build has no RPC client", "rpc");
  }
  // A handshake with all of them first, since ggml's client ends the process where one fails, and
  // what is registered stays so while a caller may try again.
  std::vector<bool> is_own;
  is_own.reserve(endpoints.size());
  for (const RpcEndpoint &endpoint : endpoints) {
    is_own.push_back(ServerLink(endpoint).is_own());
  }
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    ggml_backend_reg_t server = add(endpoints[i].address.c_str());
    if (server == nullptr) {
      throw Error(ErrorCode::kLoadFailed,
                  "rpc: the server " + endpoints[i].name + " lends no device", "rpc");
    }
    if (is_own[i]) {
      ask_about_ops(endpoints[i], server);
    }
    ggml_backend_register(server);
  }
}

} // namespace llamabox
