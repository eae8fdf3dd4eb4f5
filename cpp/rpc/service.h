// A whole RPC server from plain settings: devices, budgets, cache, sockets.
// Thread rule: serve() in one thread; stop() from any.
// Covered by tests/py/api/test_rpc.py.
#pragma once

#include "rpc/ggml_device.h"
#include "rpc/server.h"
#include "rpc/tensor_cache.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llamabox {

struct RpcParams {
  std::vector<std::int32_t> listeners; // bound and listening; stay the caller's
  std::vector<std::int32_t> gpus;      // lent, counted from 0
  bool cpu = false;                    // lent as well, after them
  std::int32_t n_threads = 0;          // of the CPU; 0: ggml's own choice
  std::uint64_t reserved_bytes = 0;    // of each device, never given to clients
  std::string cache_dir;               // empty: no cache
  std::uint64_t cache_limit_bytes = 0;
};

class RpcService {
public:
  // ERRORS: Error(kLoadFailed) with the option at fault.
  RpcService(const RpcParams &params, RpcServer::Log log);

  void serve() { server_->serve(); }
  void stop();

  void adopt(std::int32_t fd, const std::string &peer) { server_->adopt(fd, peer); }

  const std::vector<std::string> &device_names() const { return device_names_; }
  RpcStats stats() const { return server_->stats(); }

private:
  void add_device(std::optional<std::int32_t> gpu, const RpcParams &params);

  std::atomic<bool> stopping_{false};
  std::vector<std::string> device_names_;
  std::unique_ptr<TensorCache> cache_;
  RpcHost host_;
  std::unique_ptr<RpcServer> server_; // goes first: its threads use the rest
};

} // namespace llamabox
