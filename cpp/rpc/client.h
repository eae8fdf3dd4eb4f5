// Other machines' devices as devices of this process, through ggml's own client.
// Thread rule: one call that succeeds, before models are loaded.
// Guarantee: a server that is not there, answers nothing or speaks another version is an error that
// names it, and nothing is registered then; ggml's client would abort instead.
// Covered by tests/py/api/test_rpc_client.py.
#pragma once

#include "rpc/server_link.h"

#include <vector>

namespace llamabox {

// ERRORS: Error(kLoadFailed).
void add_rpc_servers(const std::vector<RpcEndpoint> &endpoints);

} // namespace llamabox
