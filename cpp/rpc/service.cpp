#include "rpc/service.h"

#include "base/error.h"
#include "base/file_path.h"
#include "rpc/helped_device.h"

#include <algorithm>

namespace llamabox {

namespace {

constexpr std::uint64_t kLeastGraphBytes = std::uint64_t{512} << 20;
constexpr std::uint64_t kShareOfGraphs = 8; // of this machine's memory, one in so many bytes

std::uint64_t graph_bytes() {
  return std::max(kLeastGraphBytes, machine_memory().total_bytes / kShareOfGraphs);
}

} // namespace

RpcService::RpcService(const RpcParams &params, RpcServer::Log log) : host_(graph_bytes()) {
  for (const std::int32_t gpu : params.gpus) {
    if (std::count(params.gpus.begin(), params.gpus.end(), gpu) > 1) {
      throw Error(ErrorCode::kLoadFailed,
                  "rpc-server-devices: GPU " + std::to_string(gpu) + " is named twice",
                  "rpc-server-devices");
    }
    add_device(gpu, params);
  }
  if (params.cpu || params.gpus.empty()) {
    add_device(std::nullopt, params);
  }
  if (!params.cache_dir.empty()) {
    cache_ = std::make_unique<TensorCache>(path_of(params.cache_dir), params.cache_limit_bytes);
  }
  host_.types = ggml_type_table();
  host_.cache = cache_.get();
  server_ = std::make_unique<RpcServer>(host_, params.listeners, std::move(log));
}

void RpcService::add_device(std::optional<std::int32_t> gpu, const RpcParams &params) {
  RpcDeviceInfo info;
  auto device = make_ggml_device(gpu, params.n_threads, stopping_, info);
  if (gpu) {
    RpcDeviceInfo of_cpu;
    auto cpu = make_ggml_device(std::nullopt, params.n_threads, stopping_, of_cpu);
    device = std::make_unique<HelpedDevice>(std::move(device), std::move(cpu));
  }
  const std::uint64_t total = info.memory.total_bytes;
  if (params.reserved_bytes >= total) {
    throw Error(ErrorCode::kLoadFailed,
                "rpc-server-reserve-memory: " + std::to_string(params.reserved_bytes >> 20) +
                    " MiB are all that " + info.name + " has (" + std::to_string(total >> 20) +
                    " MiB)",
                "rpc-server-reserve-memory");
  }
  host_.seats.push_back(
      std::make_unique<RpcSeat>(std::move(device), total - params.reserved_bytes));
  device_names_.push_back(info.name);
}

void RpcService::stop() {
  stopping_ = true;
  server_->stop();
}

} // namespace llamabox
