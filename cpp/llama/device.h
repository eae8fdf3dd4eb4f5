// Facts about this build and machine: devices, buffer types, features, versions; and where
// upstream's log lines go.
// Thread rule: any thread, after init_backends(). Covered by device_test.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace llamabox {

struct Device {
  std::string name;
  std::string description;
  std::uint64_t memory_total_bytes = 0;
  std::uint64_t memory_free_bytes = 0;
  bool is_gpu = false;
};

struct BuildInfo {
  std::string llama_cpp_build; // "b11549"
  std::string ggml_version;
  std::string compiler;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

// Idempotent. Loads the loadable backends that lie beside the extension module, if any.
void init_backends();

// Upstream's lines at or above `least` go to `sink`, from any thread; those below vanish.
void set_log_sink(LogLevel least, std::function<void(LogLevel, const std::string &)> sink);

std::vector<Device> list_devices();
std::vector<std::string> list_buffer_types();
std::string system_info();
BuildInfo build_info();

} // namespace llamabox
