// The RPC server: its settings, and a call that serves until another thread stops it.
#include "base/wake_fd.h"
#include "bindings/register.h"
#include "bindings/value_class.h"
#include "llama/device.h"
#include "llama/rpc_servers.h"
#include "rpc/client.h"
#include "rpc/service.h"

#include <string>

namespace py = pybind11;

namespace llamabox {
namespace {

// As upstream's lines: the threads that log may never take the GIL.
RpcServer::Log log_to(int fd) {
  return [fd](const std::string &text) { write_line(fd, "info\t" + text + '\n'); };
}

void register_stats(py::module_ &m) {
  py::class_<RpcCounts>(m, "RpcCounts", "What clients of an RPC server did.", py::module_local())
      .def_readonly("n_messages", &RpcCounts::n_messages)
      .def_readonly("n_graphs", &RpcCounts::n_graphs)
      .def_readonly("n_cache_hits", &RpcCounts::n_cache_hits)
      .def_readonly("received_bytes", &RpcCounts::received_bytes)
      .def_readonly("sent_bytes", &RpcCounts::sent_bytes)
      .def_readonly("compute_ns", &RpcCounts::compute_ns)
      .def_readonly("wait_ns", &RpcCounts::wait_ns);
  py::class_<RpcSeatStats>(m, "RpcSeatStats", "Memory of a lent device.", py::module_local())
      .def_readonly("capacity_bytes", &RpcSeatStats::capacity_bytes)
      .def_readonly("used_bytes", &RpcSeatStats::used_bytes);
  py::class_<RpcStats>(m, "RpcStats", "What an RPC server does and has done.", py::module_local())
      .def_readonly("n_clients", &RpcStats::n_clients)
      .def_readonly("n_clients_taken", &RpcStats::n_clients_taken)
      .def_readonly("n_clients_refused", &RpcStats::n_clients_refused)
      .def_readonly("n_bad_ends", &RpcStats::n_bad_ends)
      .def_readonly("counts", &RpcStats::counts)
      .def_readonly("seats", &RpcStats::seats);
}

} // namespace

void register_rpc(py::module_ &m) {
  using P = RpcParams;
  bind_value<P>(m, "RpcParams", "What an RPC server serves, and where.",
                Required{"listeners", &P::listeners}, Field{"gpus", &P::gpus},
                Field{"cpu", &P::cpu}, Field{"n_threads", &P::n_threads},
                Field{"reserved_bytes", &P::reserved_bytes}, Field{"cache_dir", &P::cache_dir},
                Field{"cache_limit_bytes", &P::cache_limit_bytes});
  register_stats(m);
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
      .def("adopt", &RpcService::adopt, py::arg("fd"), py::arg("peer"),
           py::call_guard<py::gil_scoped_release>(),
           "Serve a connected socket, which is the server's from here on.")
      .def("stats", &RpcService::stats)
      .def_property_readonly("device_names", &RpcService::device_names);
  using E = RpcEndpoint;
  bind_value<E>(m, "RpcEndpoint", "Where a server is reached, and what it is called.",
                Required{"address", &E::address}, Required{"name", &E::name});
  m.def(
      "add_rpc_servers",
      [](const std::vector<RpcEndpoint> &endpoints) {
        for (const RpcEndpoint &endpoint : endpoints) {
          name_rpc_server(endpoint.address, endpoint.name);
        }
        add_rpc_servers(endpoints);
      },
      py::arg("endpoints"), py::call_guard<py::gil_scoped_release>(),
      "Add the devices of RPC servers before models are loaded.");
}

} // namespace llamabox
