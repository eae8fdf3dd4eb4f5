// The RPC servers whose devices a model may be on, as far as the adapters need to know of them:
// what they are called, and whether one is gone. ggml's client computes nothing more after a loss,
// and says so only when it is asked.
// Thread rule: name_rpc_server before models are loaded; the others from any thread.
// Guarantee: a check costs one load of an atomic.
// Covered by tests/py/api/test_rpc_lost.py.
#pragma once

#include <string>

namespace llamabox {

// Errors and lists of devices speak of `name` where ggml speaks of `endpoint`.
void name_rpc_server(const std::string &endpoint, const std::string &name);
// The endpoint itself where it has no other name.
std::string rpc_server_name(const std::string &endpoint);

// Whether this process knows devices of RPC servers.
bool has_rpc_servers();

// Call it after what was computed is waited for and before it is believed.
// ERRORS: Error(kDeviceLost), which names the server.
void check_rpc_servers();

} // namespace llamabox
