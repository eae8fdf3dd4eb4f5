// Serves a host's devices to the clients of listening sockets, each in a thread of its own.
// Thread rule: serve() in one thread until stop(), which any thread may call.
// Guarantee: a client's messages end that client's connection at most; after serve() returned no
// thread of it runs and all memory is given back. Covered by tests/py/api/test_rpc.py.
#pragma once

#include "base/wake_fd.h"
#include "rpc/host.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace llamabox {

struct RpcLimits {
  std::size_t n_clients = 16;
  std::chrono::milliseconds handshake{5000};
  std::chrono::milliseconds idle{300000}; // for a client that holds no memory here
};

class RpcServer {
public:
  // One line for each client that ends; from its thread.
  using Log = std::function<void(const std::string &line)>;

  // `listeners` are bound and listening; they stay the caller's.
  RpcServer(RpcHost &host, std::vector<int> listeners, Log log, RpcLimits limits = {});
  ~RpcServer();
  RpcServer(const RpcServer &) = delete;
  RpcServer &operator=(const RpcServer &) = delete;

  void serve();
  void stop();

private:
  struct Client {
    int fd = -1; // closed by its thread, under the mutex
    bool done = false;
    std::thread thread;
  };

  void accept_from(int listener);
  void run_client(Client &client, int fd, const std::string &peer);
  void remove_done();
  void close_all();

  RpcHost &host_;
  const std::vector<int> listeners_;
  const Log log_;
  const RpcLimits limits_;
  std::atomic<bool> stopping_{false};
  WakeFd wake_;
  std::mutex mutex_; // of clients_
  std::list<Client> clients_;
};

} // namespace llamabox
