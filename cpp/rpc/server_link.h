// A connection of our own to an RPC server, beside the one of ggml's client: for the handshake that
// comes before that one, and for questions that it does not ask.
// Thread rule: one thread at a time. Guarantee: no call waits longer than five seconds for an end
// that says nothing. Covered by tests/py/api/test_rpc_client.py.
#pragma once

#include "rpc/messages.h"
#include "rpc/socket_stream.h"

#include <string>

namespace llamabox {

// Where ggml's client reaches a server, and what the server is called in errors; they differ where
// a relay stands between the two.
struct RpcEndpoint {
  std::string address; // "host:port"
  std::string name;
};

class ServerLink {
public:
  // Dials and greets. ERRORS: Error(kLoadFailed), which names the server.
  explicit ServerLink(const RpcEndpoint &endpoint);

  // Whether the other end is llamabox with the same list of ops.
  bool is_own() const { return is_own_; }

  // REQUIRES: is_own(). ERRORS: Disconnected.
  bool supports(const SupportRequest &request);

private:
  void greet(const RpcEndpoint &endpoint);

  SocketStream stream_;
  bool is_own_ = false;
};

} // namespace llamabox
