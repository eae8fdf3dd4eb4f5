// Facts about the build and the machine, and where upstream's log lines go.
#include "base/wake_fd.h"
#include "bindings/register.h"
#include "llama/device.h"

#include <pybind11/stl.h>

#include <map>
#include <string>
#include <utility>

namespace py = pybind11;

namespace llamabox {
namespace {

const char *level_name(LogLevel level) {
  switch (level) {
  case LogLevel::kDebug:
    return "debug";
  case LogLevel::kInfo:
    return "info";
  case LogLevel::kWarn:
    return "warning";
  case LogLevel::kError:
    break;
  }
  return "error";
}

// Lines go to a descriptor as "level<TAB>text": the threads that log may never take the GIL, so
// Python reads them from its other end. A full one drops the line rather than hold up a step.
void send_log_lines(int fd, LogLevel least) {
  set_log_sink(least, [fd](LogLevel level, const std::string &text) {
    write_line(fd, std::string(level_name(level)) + '\t' + text + '\n');
  });
}

} // namespace

void register_device(py::module_ &m) {
  py::enum_<LogLevel>(m, "LogLevel", py::module_local())
      .value("DEBUG", LogLevel::kDebug)
      .value("INFO", LogLevel::kInfo)
      .value("WARNING", LogLevel::kWarn)
      .value("ERROR", LogLevel::kError);
  py::class_<Device>(m, "Device", "A device that llama.cpp can compute on.", py::module_local())
      .def_readonly("name", &Device::name)
      .def_readonly("description", &Device::description)
      .def_readonly("memory_total_bytes", &Device::memory_total_bytes)
      .def_readonly("memory_free_bytes", &Device::memory_free_bytes)
      .def_readonly("is_gpu", &Device::is_gpu);
  m.def("init_backends", &init_backends, "Idempotent; before anything else of this module.");
  m.def(
      "load_backend",
      [](const std::string &path) {
        const LoadedBackend backend = load_backend(path);
        return std::pair(backend.name, backend.n_devices);
      },
      py::arg("path"), py::call_guard<py::gil_scoped_release>(),
      "Load a backend's library, before devices are asked about; its name and how many it found.");
  m.def("send_log_lines", &send_log_lines, py::arg("fd"), py::arg("least"),
        "Write upstream's lines at or above a level to a non-blocking descriptor.");
  // RPC servers are asked over the network, perhaps through the relay, which needs the GIL.
  m.def("list_devices", &list_devices, py::call_guard<py::gil_scoped_release>());
  m.def("list_buffer_types", &list_buffer_types, py::call_guard<py::gil_scoped_release>());
  m.def("system_info", &system_info);
  m.def("build_info", [] {
    const BuildInfo info = build_info();
    return std::map<std::string, std::string>{{"llama_cpp_build", info.llama_cpp_build},
                                              {"ggml_version", info.ggml_version},
                                              {"ggml_source", info.ggml_source},
                                              {"backends", info.backends},
                                              {"compiler", info.compiler}};
  });
}

} // namespace llamabox
