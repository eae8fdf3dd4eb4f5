// A whole RPC server from plain settings: device, budget, cache, sockets.
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
  std::vector<std::int32_t> listeners;  // bound and listening; stay the caller's
  std::optional<std::int32_t> main_gpu; // counted from 0; none: the CPU
  std::int32_t n_threads = 0;           // of the CPU; 0: ggml's own choice
  std::uint64_t reserved_bytes = 0;     // of the device, never given to clients
  std::string cache_dir;                // empty: no cache
  std::uint64_t cache_limit_bytes = 0;
};

class RpcService {
public:
  // ERRORS: Error(kLoadFailed) with the option at fault.
  RpcService(const RpcParams &params, RpcServer::Log log);

  void serve() { server_->serve(); }
  void stop();

  const RpcDeviceInfo &device() const { return device_; }
  std::uint64_t capacity_bytes() const { return capacity_bytes_; }

private:
  std::atomic<bool> stopping_{false};
  RpcDeviceInfo device_;
  std::uint64_t capacity_bytes_ = 0;
  std::unique_ptr<TensorCache> cache_;
  RpcHost host_;
  std::unique_ptr<RpcServer> server_; // goes first: its threads use the rest
};

} // namespace llamabox
