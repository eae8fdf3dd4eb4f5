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
  std::string ggml_source; // the pin of its sources and their patches, or "custom"
  std::string backends;    // "loadable" or "built in"
  std::string compiler;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

struct LoadedBackend {
  std::string name;
  std::size_t n_devices = 0; // that it found on this machine
};

// Idempotent. Loads the loadable backends that lie beside the extension module, if any.
void init_backends();

// Loads one more, from its library. REQUIRES: no device was asked about yet.
// ERRORS: Error(kLoadFailed) with the loader's reason.
LoadedBackend load_backend(const std::string &path);

// Upstream's lines at or above `least` go to `sink`, from any thread; those below vanish.
void set_log_sink(LogLevel least, std::function<void(LogLevel, const std::string &)> sink);

std::vector<Device> list_devices();
std::vector<std::string> list_buffer_types();
std::string system_info();
BuildInfo build_info();

} // namespace llamabox
