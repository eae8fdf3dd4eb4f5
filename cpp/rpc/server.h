// Serves a host's devices to the clients of listening sockets, each in a thread of its own.
// Thread rule: serve() in one thread until stop(); that and the others from any thread.
// Guarantee: a client's messages end that client's connection at most; after serve() returned no
// thread of it runs and all memory is given back.
// Covered by rpc_server_test and tests/py/api/test_rpc.py.
#pragma once

#include "base/wake_fd.h"
#include "rpc/host.h"
#include "rpc/server_stats.h"

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
  std::size_t n_clients = 32;
  std::chrono::milliseconds handshake{5000};
  std::chrono::milliseconds idle{300000}; // for a client that holds no memory here
  std::chrono::milliseconds stall{60000}; // for more bytes within a message
};

class SocketStream;

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

  // Serves a connected socket as if it had come through a listener; the server's from here on.
  void adopt(int fd, const std::string &peer);

  RpcStats stats() const;

private:
  struct Client {
    int fd = -1; // closed by its thread, under the mutex
    bool done = false;
    RpcCounts counts; // of its session, after its last message
    std::thread thread;
  };

  void accept_from(int listener);
  void run_client(Client &client, int fd, const std::string &peer);
  std::string converse(RpcSession &session, SocketStream &stream, Client &client);
  std::string serve_messages(RpcSession &session, SocketStream &stream, Client &client);
  void remove_done();
  void close_all();

  RpcHost &host_;
  const std::vector<int> listeners_;
  const Log log_;
  const RpcLimits limits_;
  std::atomic<bool> stopping_{false};
  WakeFd wake_;
  mutable std::mutex mutex_; // of what follows
  std::list<Client> clients_;
  RpcStats ended_; // of clients that are gone; its seats are empty
};

} // namespace llamabox
