#include "rpc/server_link.h"

#include "base/error.h"
#include "rpc/session_words.h"
#include "rpc/sockets.h"

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

template <typename T> void send(RpcCommand command, const T &payload, SocketStream &stream) {
  const auto number = static_cast<std::uint8_t>(command);
  const std::uint64_t size = sizeof payload;
  stream.write(&number, sizeof number);
  stream.write(&size, sizeof size);
  stream.write(&payload, sizeof payload);
  stream.flush();
}

} // namespace

ServerLink::ServerLink(const RpcEndpoint &endpoint) : stream_(dial(endpoint)) {
  stream_.set_deadline(kPatience);
  try {
    greet(endpoint);
  } catch (const Disconnected &error) {
    refuse(endpoint, std::string("gives no answer to a handshake: ") + error.what());
  }
}

void ServerLink::greet(const RpcEndpoint &endpoint) {
  Hello hello{};
  put_own_mark(hello.caps);
  send(RpcCommand::kHello, hello, stream_);
  if (take<std::uint64_t>(stream_) != sizeof(HelloReply)) {
    refuse(endpoint, "does not speak protocol 8.0 of ggml's RPC");
  }
  const auto reply = take<HelloReply>(stream_);
  if (reply.major != kRpcMajor || reply.minor > kRpcMinor) {
    refuse(endpoint, "speaks protocol " + std::to_string(reply.major) + '.' +
                         std::to_string(reply.minor) + ", not 8.0");
  }
  is_own_ = has_own_mark(reply.caps);
}

bool ServerLink::supports(const SupportRequest &request) {
  stream_.set_deadline(kPatience);
  send(RpcCommand::kSupportsOp, request, stream_);
  if (take<std::uint64_t>(stream_) != sizeof(std::uint8_t)) {
    throw Disconnected("an answer of another length");
  }
  return take<std::uint8_t>(stream_) != 0;
}

} // namespace llamabox
