#include "image/ggml_hooks.h"

#include "base/error.h"

#include "ggml-backend.h"

#include <array>
#include <cstddef>
#include <utility>

namespace llamabox {
namespace {

thread_local std::function<bool()> is_cancelled_now;
thread_local bool has_computed = false;

std::array<std::string, kImageParts> &device_names() {
  static std::array<std::string, kImageParts> names;
  return names;
}

std::function<void()> &device_check() {
  static std::function<void()> check;
  return check;
}

// Asked by the CPU's backend between the nodes of a graph.
bool wants_abort(void * /*data*/) { return is_cancelled_now && is_cancelled_now(); }

// Only backends that compute on the host have such a function; a GPU's step is one call.
void watch_for_cancel(ggml_backend_t backend) {
  const ggml_backend_dev_t device = ggml_backend_get_device(backend);
  if (device == nullptr) {
    return;
  }
  const auto set =
      reinterpret_cast<ggml_backend_set_abort_callback_t>(ggml_backend_reg_get_proc_address(
          ggml_backend_dev_backend_reg(device), "ggml_backend_set_abort_callback"));
  if (set != nullptr) {
    set(backend, wants_abort, nullptr);
  }
}

} // namespace

void set_image_devices(const std::vector<std::string> &names) {
  for (std::size_t i = 0; i < device_names().size(); ++i) {
    const std::string name = i < names.size() ? names[i] : std::string();
    if (!name.empty() && ggml_backend_dev_by_name(name.c_str()) == nullptr) {
      throw Error(ErrorCode::kInvalidArgument, "there is no device " + name, "device");
    }
    device_names().at(i) = name;
  }
}

void set_device_check(std::function<void()> check) { device_check() = std::move(check); }

void check_devices() {
  if (device_check()) {
    device_check()();
  }
}

std::vector<std::string> gpu_names() {
  std::vector<std::string> remote;
  std::vector<std::string> local;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    const ggml_backend_dev_t device = ggml_backend_dev_get(i);
    const auto kind = ggml_backend_dev_type(device);
    if (kind != GGML_BACKEND_DEVICE_TYPE_GPU && kind != GGML_BACKEND_DEVICE_TYPE_IGPU) {
      continue;
    }
    const std::string registry = ggml_backend_reg_name(ggml_backend_dev_backend_reg(device));
    (registry.starts_with("RPC") ? remote : local).emplace_back(ggml_backend_dev_name(device));
  }
  remote.insert(remote.end(), local.begin(), local.end());
  return remote;
}

CancelScope::CancelScope(std::function<bool()> is_cancelled) {
  is_cancelled_now = std::move(is_cancelled);
  has_computed = false;
}

CancelScope::~CancelScope() { is_cancelled_now = nullptr; }

void stop_if_cancelled() {
  if (is_cancelled_now && is_cancelled_now()) {
    throw Cancelled{}; // NOLINT(bugprone-std-exception-baseclass): nobody else is to catch it
  }
}

bool computing_has_begun() { return has_computed; }

} // namespace llamabox

ggml_status llamabox_image_compute(ggml_backend_t backend, ggml_cgraph *graph) {
  llamabox::stop_if_cancelled();
  llamabox::has_computed = true;
  llamabox::watch_for_cancel(backend);
  const ggml_status status = ggml_backend_graph_compute(backend, graph);
  llamabox::check_devices();
  llamabox::stop_if_cancelled();
  if (status != GGML_STATUS_SUCCESS) {
    // Upstream asserts in some places that there is a result.
    throw llamabox::Error(llamabox::ErrorCode::kInternal,
                          std::string("the computation failed: ") + ggml_status_to_string(status));
  }
  return status;
}

ggml_backend_t llamabox_image_device(int part) {
  const std::string &name = llamabox::device_names().at(static_cast<std::size_t>(part));
  if (name.empty()) {
    return ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
  }
  return ggml_backend_init_by_name(name.c_str(), nullptr);
}

extern "C" int llamabox_image_unused() { return 0; }
