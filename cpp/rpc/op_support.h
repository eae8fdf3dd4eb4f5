// Which ops a server of our own runs, so that ggml's scheduler keeps the others on this machine;
// ggml's client says yes to all, and a server can only refuse the graph then.
// Thread rule: once for each server, before models are loaded; ggml then asks from any thread.
// Guarantee: an answer costs the network once for each kind of op; where none comes it is yes, as
// without us: what computes notices the loss.
// Covered by tests/py/api/test_rpc_client.py.
#pragma once

#include "rpc/server_link.h"

#include "ggml-backend.h"

namespace llamabox {

// REQUIRES: ServerLink(endpoint).is_own(); `server` has the devices that ggml made of it.
void ask_about_ops(const RpcEndpoint &endpoint, ggml_backend_reg_t server);

} // namespace llamabox
