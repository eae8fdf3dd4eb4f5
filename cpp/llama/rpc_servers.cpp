#include "llama/rpc_servers.h"

#include "base/error.h"

#include "ggml-backend.h"

#include <map>
#include <mutex>
#include <string_view>

namespace llamabox {
namespace {

using LostServer = const char *(*)();

// Null where this build has no RPC client, or one without our patch.
LostServer find_lost_server() {
  ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
  return rpc == nullptr ? nullptr
                        : reinterpret_cast<LostServer>(
                              ggml_backend_reg_get_proc_address(rpc, "ggml_backend_rpc_lost"));
}

struct Names {
  std::mutex mutex;
  std::map<std::string, std::string> of_endpoint;
};

Names &names() {
  static Names only;
  return only;
}

bool is_rpc_device(ggml_backend_dev_t dev) {
  const std::string_view backend = ggml_backend_reg_name(ggml_backend_dev_backend_reg(dev));
  return backend == "RPC";
}

} // namespace

void name_rpc_server(const std::string &endpoint, const std::string &name) {
  const std::lock_guard<std::mutex> lock(names().mutex);
  names().of_endpoint[endpoint] = name;
}

std::string rpc_server_name(const std::string &endpoint) {
  const std::lock_guard<std::mutex> lock(names().mutex);
  const auto found = names().of_endpoint.find(endpoint);
  return found == names().of_endpoint.end() ? endpoint : found->second;
}

bool has_rpc_servers() {
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    if (is_rpc_device(ggml_backend_dev_get(i))) {
      return true;
    }
  }
  return false;
}

void check_rpc_servers() {
  static const LostServer kLostServer = find_lost_server();
  const char *endpoint = kLostServer == nullptr ? nullptr : kLostServer();
  if (endpoint != nullptr) {
    throw Error(ErrorCode::kDeviceLost,
                "the RPC server " + rpc_server_name(endpoint) + " was lost");
  }
}

} // namespace llamabox
