#include "image/ggml_hooks.h"

#include "base/error.h"
#include "image/compute_memory.h"

#include "ggml-alloc.h"
#include "ggml-backend.h"

#include <array>
#include <new>
#include <utility>

namespace llamabox {
namespace {

thread_local std::function<bool()> is_cancelled_now;
thread_local bool has_computed = false;
thread_local bool is_rehearsal = false;

std::array<std::string, kImageParts> &device_names() {
  static std::array<std::string, kImageParts> names;
  return names;
}

std::function<void()> &device_check() {
  static std::function<void()> check;
  return check;
}

ComputeMemory &compute_memory() {
  static ComputeMemory memory;
  return memory;
}

// What loading says of it, and an image that fails.
class NoMemory final : public std::bad_alloc {
public:
  const char *what() const noexcept override { return "there is not enough memory"; }
};

// A server that is gone has no memory either.
void require_memory(bool is_there) {
  check_devices();
  if (!is_there) {
    throw NoMemory{};
  }
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

void set_compute_limit(std::size_t n_bytes) { compute_memory().set_limit(n_bytes); }

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
  compute_memory().begin_image();
}

CancelScope::~CancelScope() { is_cancelled_now = nullptr; }

RehearsalScope::RehearsalScope() { is_rehearsal = true; }

RehearsalScope::~RehearsalScope() { is_rehearsal = false; }

void stop_if_cancelled() {
  if (is_cancelled_now && is_cancelled_now()) {
    throw Cancelled{}; // NOLINT(bugprone-std-exception-baseclass): nobody else is to catch it
  }
}

bool computing_has_begun() { return has_computed; }

} // namespace llamabox

ggml_status llamabox_image_compute(ggml_backend_t backend, ggml_cgraph *graph) {
  llamabox::stop_if_cancelled();
  if (llamabox::is_rehearsal) {
    return GGML_STATUS_SUCCESS;
  }
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

ggml_gallocr_t llamabox_image_allocator(ggml_backend_buffer_type_t type) {
  ggml_gallocr_t allocator = ggml_gallocr_new(type);
  llamabox::compute_memory().note_allocator(allocator, ggml_backend_buft_is_host(type));
  return allocator;
}

bool llamabox_image_reserve(ggml_gallocr_t allocator, ggml_cgraph *graph) {
  llamabox::compute_memory().measure(allocator, graph);
  llamabox::require_memory(ggml_gallocr_reserve(allocator, graph));
  return true;
}

bool llamabox_image_allocate(ggml_gallocr_t allocator, ggml_cgraph *graph) {
  // One that an image was given up with grows here, where its caller does not reserve again.
  if (!llamabox::compute_memory().is_measured(allocator)) {
    llamabox_image_reserve(allocator, graph);
  }
  llamabox::require_memory(ggml_gallocr_alloc_graph(allocator, graph));
  return true;
}

ggml_backend_buffer_t llamabox_image_tensors(ggml_context *context, ggml_backend_t backend) {
  ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(context, backend);
  // Of no tensors there is no buffer.
  llamabox::require_memory(buffer != nullptr || ggml_get_first_tensor(context) == nullptr);
  return buffer;
}

ggml_backend_t llamabox_image_device(int part) {
  const std::string &name = llamabox::device_names().at(static_cast<std::size_t>(part));
  if (name.empty()) {
    return ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
  }
  return ggml_backend_init_by_name(name.c_str(), nullptr);
}

extern "C" int llamabox_image_unused() { return 0; }
