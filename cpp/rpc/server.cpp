#include "rpc/server.h"

#include "rpc/session.h"
#include "rpc/socket_stream.h"
#include "rpc/sockets.h"

#include <cstdio>

namespace llamabox {
namespace {

constexpr int kPauseMs = 100; // when the process has no descriptor left

std::string mib(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string seconds_of(std::uint64_t ns) {
  constexpr double kNsPerSecond = 1e9;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(ns) / kNsPerSecond);
  return text;
}

std::string line_of(const std::string &peer, const RpcCounts &counts, double seconds,
                    const std::string &end) {
  char duration[32];
  std::snprintf(duration, sizeof duration, "%.1f", seconds);
  return "rpc client ended: peer=" + peer + " seconds=" + duration +
         " messages=" + std::to_string(counts.n_messages) +
         " graphs=" + std::to_string(counts.n_graphs) +
         " received_mib=" + mib(counts.received_bytes) + " sent_mib=" + mib(counts.sent_bytes) +
         " compute_seconds=" + seconds_of(counts.compute_ns) +
         " peak_memory_mib=" + mib(counts.peak_bytes) +
         " cache_hits=" + std::to_string(counts.n_cache_hits) + " end=\"" + end + '"';
}

void add(RpcCounts &sum, const RpcCounts &one) {
  sum.n_messages += one.n_messages;
  sum.n_graphs += one.n_graphs;
  sum.n_cache_hits += one.n_cache_hits;
  sum.received_bytes += one.received_bytes;
  sum.sent_bytes += one.sent_bytes;
  sum.compute_ns += one.compute_ns;
  sum.wait_ns += one.wait_ns;
}

} // namespace

RpcServer::RpcServer(RpcHost &host, std::vector<int> listeners, Log log, RpcLimits limits)
    : host_(host), listeners_(std::move(listeners)), log_(std::move(log)), limits_(limits) {
  for (const int fd : listeners_) {
    // A connection may vanish between poll and accept, which must not block the loop.
    sockets::set_nonblocking(fd);
  }
}

RpcServer::~RpcServer() { close_all(); }

void RpcServer::stop() {
  stopping_ = true;
  wake_.signal();
}

void RpcServer::serve() {
  std::vector<pollfd> entries{sockets::entry_of(wake_.fd(), POLLIN)};
  for (const int fd : listeners_) {
    entries.push_back(sockets::entry_of(fd, POLLIN));
  }
  while (!stopping_) {
    if (sockets::wait_for_sockets(entries.data(), entries.size(), -1) < 0 &&
        !sockets::means_interrupted(sockets::last_error())) {
      break;
    }
    for (std::size_t i = 0; i < listeners_.size() && !stopping_; ++i) {
      if ((entries[i + 1].revents & POLLIN) != 0) {
        accept_from(listeners_[i]);
      }
    }
    remove_done();
  }
  close_all();
}

void RpcServer::accept_from(int listener) {
  std::string peer;
  const int fd = sockets::accept_next(listener, peer);
  if (fd < 0) {
    if (sockets::means_full_table(sockets::last_error())) {
      pollfd wake = sockets::entry_of(wake_.fd(), POLLIN);
      sockets::wait_for_sockets(&wake, 1, kPauseMs);
    }
    return;
  }
  adopt(fd, peer);
}

void RpcServer::adopt(int fd, const std::string &peer) {
  remove_done();
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto refuse = [&](const char *why) {
    ++ended_.n_clients_refused;
    log_("rpc client refused: peer=" + peer + " end=\"" + why + '"');
    sockets::close_socket(fd);
  };
  if (stopping_ || clients_.size() >= limits_.n_clients) {
    return refuse(stopping_ ? "stopping" : "as many clients as may be");
  }
  Client &client = clients_.emplace_back();
  client.fd = fd;
  try {
    client.thread = std::thread([this, &client, fd, peer] { run_client(client, fd, peer); });
    ++ended_.n_clients_taken;
  } catch (const std::system_error &) {
    clients_.pop_back();
    refuse("no thread left");
  }
}

RpcStats RpcServer::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  RpcStats stats = ended_;
  for (const Client &client : clients_) {
    stats.n_clients += client.done ? 0 : 1;
    add(stats.counts, client.counts);
  }
  for (const std::unique_ptr<RpcSeat> &seat : host_.seats) {
    stats.seats.push_back({seat->budget.capacity(), seat->budget.used()});
  }
  return stats;
}

// Serves until the connection ends and says why it did.
std::string RpcServer::converse(RpcSession &session, SocketStream &stream, Client &client) {
  try {
    return serve_messages(session, stream, client);
  } catch (const BadMessage &error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++ended_.n_bad_ends;
    return std::string("refused: ") + error.what();
  } catch (const Disconnected &error) {
    return std::string("lost: ") + error.what();
  } catch (const std::bad_alloc &) {
    return "refused: out of memory";
  } catch (const std::exception &error) {
    return std::string("failed: ") + error.what();
  }
}

std::string RpcServer::serve_messages(RpcSession &session, SocketStream &stream, Client &client) {
  std::uint8_t command = 0;
  stream.set_deadline(limits_.handshake);
  if (!stream.read_command(command, limits_.handshake)) {
    return "closed before a handshake";
  }
  session.greet(static_cast<RpcCommand>(command), stream);
  stream.flush();
  stream.set_deadline(std::nullopt);
  stream.set_stall(limits_.stall);
  while (true) {
    const bool holds = session.counts().held_bytes > 0;
    if (!stream.read_command(command, holds ? std::nullopt : SocketStream::Limit(limits_.idle))) {
      return "closed";
    }
    session.handle(static_cast<RpcCommand>(command), stream);
    stream.flush();
    const std::lock_guard<std::mutex> lock(mutex_);
    client.counts = session.counts();
  }
}

void RpcServer::run_client(Client &client, int fd, const std::string &peer) {
  const auto begin = std::chrono::steady_clock::now();
  std::string end;
  RpcCounts counts;
  {
    SocketStream stream(fd);
    {
      RpcSession session(host_);
      end = converse(session, stream, client);
      counts = session.counts();
    }
    // The descriptor is closed after nobody can shut it down any more.
    const std::lock_guard<std::mutex> lock(mutex_);
    client.fd = -1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  log_(line_of(peer, counts, took.count(), stopping_ ? "stopped" : end));
  const std::lock_guard<std::mutex> lock(mutex_);
  add(ended_.counts, counts);
  client.counts = {};
  client.done = true;
}

void RpcServer::remove_done() {
  std::list<Client> done;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto it = clients_.begin(); it != clients_.end();) {
      const auto next = std::next(it);
      if (it->done) {
        done.splice(done.end(), clients_, it);
      }
      it = next;
    }
  }
  for (Client &client : done) {
    client.thread.join();
  }
}

void RpcServer::close_all() {
  stopping_ = true;
  std::list<Client> rest;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Client &client : clients_) {
      if (client.fd >= 0) {
        sockets::shut_down(client.fd);
      }
    }
    rest.splice(rest.end(), clients_); // nothing is added any more
  }
  for (Client &client : rest) {
    client.thread.join();
  }
}

} // namespace llamabox
