#include "llama/device.h"

#include "base/error.h"
#include "llama/own_folder.h"
#include "llama/rpc_servers.h"
#include "llama/upstream_log.h"

#include "build-info.h"
#include "ggml-backend.h"
#include "ggml.h"
#include "llama.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

namespace llamabox {
namespace {

#if defined(GGML_BACKEND_DL)
constexpr bool kLoadable = true;

void load_backends() {
  const std::string folder = own_folder();
  // Without a folder upstream would search the working directory.
  if (!folder.empty()) {
    ggml_backend_load_all_from_path(folder.c_str());
  }
}
#else
constexpr bool kLoadable = false;

void load_backends() {}
#endif

} // namespace

void init_backends() {
  static std::once_flag once;
  std::call_once(once, [] {
    install_log_callback();
    load_backends();
    llama_backend_init();
  });
}

LoadedBackend load_backend(const std::string &path) {
  if (!kLoadable) {
    throw Error(ErrorCode::kLoadFailed, "the backends of this build are compiled in");
  }
  init_backends();
  const LogCapture capture;
  ggml_backend_reg_t reg = ggml_backend_load(path.c_str());
  if (reg == nullptr) {
    const std::string &reason = capture.first_error();
    throw Error(ErrorCode::kLoadFailed,
                reason.empty() ? "it does not work on this machine" : reason);
  }
  return {ggml_backend_reg_name(reg), ggml_backend_reg_dev_count(reg)};
}

std::vector<Device> list_devices() {
  init_backends();
  std::vector<ggml_backend_dev_t> remote;
  std::vector<ggml_backend_dev_t> local;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    const auto dev = ggml_backend_dev_get(i);
    const std::string_view backend = ggml_backend_reg_name(ggml_backend_dev_backend_reg(dev));
    (backend == "RPC" ? remote : local).push_back(dev);
  }
  // The order in which a model is split: other machines' devices come first.
  std::vector<ggml_backend_dev_t> found = std::move(remote);
  found.insert(found.end(), local.begin(), local.end());
  std::vector<Device> devices;
  for (ggml_backend_dev_t dev : found) {
    std::size_t free_bytes = 0;
    std::size_t total_bytes = 0;
    ggml_backend_dev_memory(dev, &free_bytes, &total_bytes);
    const auto type = ggml_backend_dev_type(dev);
    Device device;
    device.name = ggml_backend_dev_name(dev);
    device.description = rpc_server_name(ggml_backend_dev_description(dev));
    device.memory_total_bytes = total_bytes;
    device.memory_free_bytes = free_bytes;
    device.is_gpu = type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
    devices.push_back(std::move(device));
  }
  return devices;
}

std::vector<std::string> list_buffer_types() {
  init_backends();
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto add = [&](ggml_backend_buffer_type_t type) {
    if (type != nullptr && seen.insert(ggml_backend_buft_name(type)).second) {
      names.emplace_back(ggml_backend_buft_name(type));
    }
  };
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t dev = ggml_backend_dev_get(i);
    add(ggml_backend_dev_buffer_type(dev));
    add(ggml_backend_dev_host_buffer_type(dev));
  }
  return names;
}

std::string system_info() {
  init_backends();
  // Upstream rebuilds one static string, so calls must not overlap.
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  return llama_print_system_info();
}

BuildInfo build_info() {
  return {"b" + std::to_string(llama_build_number()), ggml_version(), LLAMABOX_GGML_SOURCE,
          kLoadable ? "loadable" : "built in", llama_compiler()};
}

} // namespace llamabox
