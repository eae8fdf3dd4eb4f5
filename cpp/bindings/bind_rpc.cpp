// The RPC server: its settings, and a call that serves until another thread stops it.
#include "bindings/register.h"
#include "bindings/value_class.h"
#include "llama/device.h"
#include "rpc/client.h"
#include "rpc/service.h"

#include <cerrno>
#include <string>
#include <unistd.h>

namespace py = pybind11;

namespace llamabox {
namespace {

// As upstream's lines: the threads that log may never take the GIL.
RpcServer::Log log_to(int fd) {
  return [fd](const std::string &text) {
    const std::string line = "info\t" + text + '\n';
    while (write(fd, line.data(), line.size()) < 0 && errno == EINTR) {
    }
  };
}

} // namespace

void register_rpc(py::module_ &m) {
  using P = RpcParams;
  bind_value<P>(m, "RpcParams", "What an RPC server serves, and where.",
                Required{"listeners", &P::listeners}, Field{"main_gpu", &P::main_gpu},
                Field{"n_threads", &P::n_threads}, Field{"reserved_bytes", &P::reserved_bytes},
                Field{"cache_dir", &P::cache_dir},
                Field{"cache_limit_bytes", &P::cache_limit_bytes});
  py::class_<RpcService>(m, "RpcServer", "Serves a device to clients of ggml's RPC protocol.",
                         py::module_local())
      .def(py::init([](const RpcParams &params, int log_fd) {
             init_backends();
             return std::make_unique<RpcService>(params, log_to(log_fd));
           }),
           py::arg("params"), py::arg("log_fd"), py::call_guard<py::gil_scoped_release>())
      .def("serve", &RpcService::serve, py::call_guard<py::gil_scoped_release>(),
           "Serve until stop() is called in another thread.")
      .def("stop", &RpcService::stop)
      .def_property_readonly("device_name", [](const RpcService &s) { return s.device().name; })
      .def_property_readonly("capacity_bytes", &RpcService::capacity_bytes);
  m.def("add_rpc_servers", &add_rpc_servers, py::arg("endpoints"),
        py::call_guard<py::gil_scoped_release>(),
        "Add the devices of RPC servers, named host:port, before models are loaded.");
}

} // namespace llamabox
