#include "rpc/client.h"

#include "base/error.h"
#include "rpc/messages.h"
#include "rpc/socket_stream.h"
#include "rpc/sockets.h"

#include "ggml-backend.h"

#include <memory>

namespace llamabox {
namespace {

constexpr std::chrono::milliseconds kPatience{5000};

[[noreturn]] void refuse(const RpcEndpoint &endpoint, const std::string &why) {
  throw Error(ErrorCode::kLoadFailed, "rpc: the server " + endpoint.name + ' ' + why, "rpc");
}

int dial(const RpcEndpoint &endpoint) {
  const std::string &address = endpoint.address;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    refuse(endpoint, "is not named as HOST:PORT");
  }
  addrinfo hints{};
  hints.ai_family = AF_INET; // all that ggml's client can reach
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *found = nullptr;
  const std::string host = address.substr(0, colon);
  if (getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found) != 0) {
    refuse(endpoint, "has no IPv4 address");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  int error = 0;
  const int fd = sockets::dial(*found, kPatience, error);
  if (fd < 0) {
    refuse(endpoint, "cannot be reached: " + sockets::words_of(error));
  }
  return fd;
}

// A handshake of our own, since ggml's client ends the process where one fails.
void check_server(const RpcEndpoint &endpoint) {
  SocketStream stream(dial(endpoint));
  stream.set_deadline(kPatience);
  const auto command = static_cast<std::uint8_t>(RpcCommand::kHello);
  const std::uint64_t size = sizeof(Hello);
  const Hello hello{};
  HelloReply reply{};
  std::uint64_t reply_size = 0;
  try {
    stream.write(&command, sizeof command);
    stream.write(&size, sizeof size);
    stream.write(&hello, sizeof hello);
    stream.flush();
    stream.read(&reply_size, sizeof reply_size);
    if (reply_size != sizeof reply) {
      refuse(endpoint, "does not speak protocol 8.0 of ggml's RPC");
    }
    stream.read(&reply, sizeof reply);
  } catch (const Disconnected &error) {
    refuse(endpoint, std::string("gives no answer to a handshake: ") + error.what());
  }
  if (reply.major != kRpcMajor || reply.minor > kRpcMinor) {
    refuse(endpoint, "speaks protocol " + std::to_string(reply.major) + '.' +
                         std::to_string(reply.minor) + ", not 8.0");
  }
}

} // namespace

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
  // All of them first: what is registered stays so, and a caller may try again.
  for (const RpcEndpoint &endpoint : endpoints) {
    check_server(endpoint);
  }
  for (const RpcEndpoint &endpoint : endpoints) {
    ggml_backend_reg_t server = add(endpoint.address.c_str());
    if (server == nullptr) {
      refuse(endpoint, "lends no device");
    }
    ggml_backend_register(server);
  }
}

} // namespace llamabox
