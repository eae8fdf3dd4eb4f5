#include "rpc/service.h"

#include "base/error.h"

namespace llamabox {

RpcService::RpcService(const RpcParams &params, RpcServer::Log log) {
  auto device = make_ggml_device(params.main_gpu, params.n_threads, stopping_, device_);
  const std::uint64_t total = device_.memory.total_bytes;
  if (params.reserved_bytes >= total) {
    throw Error(ErrorCode::kLoadFailed,
                "rpc-server-reserve-memory: " + std::to_string(params.reserved_bytes >> 20) +
                    " MiB are all that " + device_.name + " has (" + std::to_string(total >> 20) +
                    " MiB)",
                "rpc-server-reserve-memory");
  }
  capacity_bytes_ = total - params.reserved_bytes;
  if (!params.cache_dir.empty()) {
    cache_ = std::make_unique<TensorCache>(params.cache_dir, params.cache_limit_bytes);
  }
  host_.types = ggml_type_table();
  host_.cache = cache_.get();
  host_.seats.push_back(std::make_unique<RpcSeat>(std::move(device), capacity_bytes_));
  server_ = std::make_unique<RpcServer>(host_, params.listeners, std::move(log));
}

void RpcService::stop() {
  stopping_ = true;
  server_->stop();
}

} // namespace llamabox
