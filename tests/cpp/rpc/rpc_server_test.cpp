// The server's threads with real sockets: limits, times, several devices, metrics. Times are short
// and nothing waits for one to pass but by reading from a connection that it ends.
#include <doctest/doctest.h>

#include "rpc_rig.h"

#include "rpc/server.h"
#include "rpc/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace llamabox;

namespace {

// A client's end of a connection. Reads wait for as long as it takes.
class Connection {
public:
  explicit Connection(int fd) : fd_(fd) { REQUIRE(fd >= 0); }
  ~Connection() { close(fd_); }
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  void send(const std::vector<std::byte> &bytes) const {
    std::size_t at = 0;
    while (at < bytes.size()) {
      const ssize_t sent = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) {
        return; // the server hung up, which the next read shows
      }
      at += static_cast<std::size_t>(sent);
    }
  }
  // Whether so many bytes came before the server hung up.
  bool receive(std::vector<std::byte> &bytes, std::size_t n) const {
    bytes.resize(n);
    std::size_t at = 0;
    while (at < n) {
      const ssize_t got = recv(fd_, bytes.data() + at, n - at, 0);
      if (got <= 0) {
        return false;
      }
      at += static_cast<std::size_t>(got);
    }
    return true;
  }
  bool ends() const {
    std::vector<std::byte> one;
    return !receive(one, 1);
  }
  // The reply to a message; empty when the server hung up.
  std::vector<std::byte> ask(RpcCommand command, const std::vector<std::byte> &payload) const {
    send(message(command, payload));
    std::vector<std::byte> reply;
    if (!receive(reply, 8)) {
      return {};
    }
    std::uint64_t size = 0;
    std::memcpy(&size, reply.data(), sizeof size);
    return receive(reply, size) ? reply : std::vector<std::byte>{};
  }
  bool greet() const {
    return ask(RpcCommand::kHello, Bytes().add(Hello{}).bytes).size() == sizeof(HelloReply);
  }
  template <typename T> T ask_for(RpcCommand command, const std::vector<std::byte> &payload) const {
    const std::vector<std::byte> reply = ask(command, payload);
    REQUIRE(reply.size() == sizeof(T));
    T value;
    std::memcpy(&value, reply.data(), sizeof value);
    return value;
  }

private:
  int fd_;
};

// A server with fake devices that runs in a thread of its own on a loopback port.
class Served {
public:
  explicit Served(RpcLimits limits = {}, std::size_t n_devices = 1) {
    host_.types = test_types();
    for (std::size_t i = 0; i < n_devices; ++i) {
      host_.seats.push_back(std::make_unique<RpcSeat>(std::make_unique<FakeDevice>(), kCapacity));
    }
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
    REQUIRE(listen(listener_, 64) == 0);
    const auto log = [this](const std::string &line) {
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.push_back(line);
    };
    server_ = std::make_unique<RpcServer>(host_, std::vector<int>{listener_}, log, limits);
    thread_ = std::thread([this] { server_->serve(); });
  }
  ~Served() {
    stop();
    close(listener_);
  }
  Served(const Served &) = delete;
  Served &operator=(const Served &) = delete;

  void stop() {
    server_->stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  std::unique_ptr<Connection> connect() const {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &length) == 0);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr *>(&address), length) == 0);
    return std::make_unique<Connection>(fd);
  }
  std::size_t n_lines_with(const std::string &text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(lines_.begin(), lines_.end(), [&](const std::string &line) {
          return line.find(text) != std::string::npos;
        }));
  }
  RpcServer &server() { return *server_; }

  static constexpr std::uint64_t kCapacity = 1 << 20;

private:
  RpcHost host_{1 << 20};
  int listener_ = -1;
  std::mutex mutex_;
  std::vector<std::string> lines_;
  std::unique_ptr<RpcServer> server_;
  std::thread thread_;
};

// Writes a row, squares it (which the fake device only counts) and reads the row back.
void work(const Connection &client, std::uint32_t device, std::uint8_t mark) {
  const auto buffer = client.ask_for<AllocReply>(RpcCommand::kAllocBuffer,
                                                 Bytes().add(AllocRequest{device, 4096}).bytes);
  const auto base =
      client.ask_for<std::uint64_t>(RpcCommand::kBufferGetBase, Bytes().add(buffer.handle).bytes);
  WireTensor row = wire(1, RpcType::kF32, {16});
  row.buffer = buffer.handle;
  row.data = base;
  WireTensor square = wire(2, RpcType::kF32, {16});
  square.buffer = buffer.handle;
  square.data = base + 1024;
  square.op = static_cast<std::uint32_t>(RpcOp::kSqr);
  square.src[0] = 1;
  for (int i = 0; i < 20; ++i) {
    client.send(
        message(RpcCommand::kMemsetTensor, Bytes().add(MemsetRequest{row, 0, 64, mark}).bytes));
    std::vector<std::byte> graph = graph_payload(0, {2}, {row, square});
    std::memcpy(graph.data(), &device, sizeof device);
    client.send(message(RpcCommand::kGraphCompute, graph));
    const auto read =
        client.ask(RpcCommand::kGetTensor, Bytes().add(RangeRequest{row, 0, 64}).bytes);
    CHECK(read == std::vector<std::byte>(64, std::byte{mark}));
  }
}

} // namespace

TEST_CASE("clients in threads of their own each get their own bytes back, and all are counted") {
  Served served({}, 2);
  std::vector<std::thread> clients;
  for (std::uint8_t i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      const auto client = served.connect();
      CHECK(client->greet());
      work(*client, i % 2, i);
    });
  }
  for (std::thread &client : clients) {
    client.join();
  }
  served.stop();
  const RpcStats stats = served.server().stats();
  CHECK(stats.n_clients == 0);
  CHECK(stats.n_clients_taken == 8);
  CHECK(stats.counts.n_graphs == 160);
  CHECK(stats.counts.n_messages == 8 * 62);
  CHECK(stats.counts.sent_bytes == 160 * 64);
  REQUIRE(stats.seats.size() == 2);
  CHECK(stats.seats[0].used_bytes == 0);
  CHECK(served.n_lines_with("graphs=20 ") == 8);
}

TEST_CASE("a stream tells whether the other end has closed, also with bytes unread") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  auto client = std::make_unique<Connection>(ends[0]);
  const Connection server(ends[1]);
  CHECK_FALSE(sockets::peer_left(ends[1]));
  client->send(Bytes().add(std::uint64_t{1}).bytes);
  CHECK_FALSE(sockets::peer_left(ends[1]));
  client.reset();
  CHECK(sockets::peer_left(ends[1]));
}

TEST_CASE("what clients do is counted while they are there") {
  Served served;
  const auto client = served.connect();
  REQUIRE(client->greet());
  work(*client, 0, 1);
  const RpcStats stats = served.server().stats();
  CHECK(stats.n_clients == 1);
  CHECK(stats.counts.n_graphs == 20);
  CHECK(stats.seats[0].capacity_bytes == Served::kCapacity);
  CHECK(stats.seats[0].used_bytes == 4096);
}

TEST_CASE("one client more than may be is let go at once, and its place can be taken later") {
  RpcLimits limits;
  limits.n_clients = 16;
  Served served(limits);
  std::vector<std::unique_ptr<Connection>> clients;
  for (std::size_t i = 0; i < limits.n_clients; ++i) {
    clients.push_back(served.connect());
    REQUIRE(clients.back()->greet());
  }
  CHECK(served.connect()->ends());
  CHECK(served.server().stats().n_clients_refused == 1);
  CHECK(clients.front()->ask_for<std::uint32_t>(RpcCommand::kDeviceCount, {}) == 1);
  clients.pop_back();
  // The server's thread for it ends soon after; until then a newcomer is refused.
  bool taken = false;
  while (!taken) {
    taken = served.connect()->greet();
  }
  CHECK(taken);
}

TEST_CASE("who says nothing, or not enough, is let go after the handshake's time") {
  RpcLimits limits;
  limits.handshake = std::chrono::milliseconds{50};
  Served served(limits);
  const auto silent = served.connect();
  CHECK(silent->ends());
  const auto slow = served.connect();
  std::vector<std::byte> hello = message(RpcCommand::kHello, Bytes().add(Hello{}).bytes);
  hello.pop_back();
  slow->send(hello);
  CHECK(slow->ends());
}

TEST_CASE("idle clients are let go only while they hold no memory, and stalled ones always") {
  RpcLimits limits;
  limits.idle = std::chrono::milliseconds{50};
  limits.stall = std::chrono::milliseconds{100};
  Served served(limits);
  const auto holder = served.connect();
  REQUIRE(holder->greet());
  const auto buffer =
      holder->ask_for<AllocReply>(RpcCommand::kAllocBuffer, Bytes().add(AllocRequest{0, 64}).bytes);
  const auto idle = served.connect();
  REQUIRE(idle->greet());
  CHECK(idle->ends()); // longer than the holder has been silent
  CHECK(holder->ask(RpcCommand::kBufferGetBase, Bytes().add(buffer.handle).bytes).size() == 8);
  std::vector<std::byte> half =
      message(RpcCommand::kBufferGetBase, Bytes().add(buffer.handle).bytes);
  half.resize(half.size() - 1);
  holder->send(half);
  CHECK(holder->ends());
}

TEST_CASE("an adopted connection is served like any other, and refused when the server stopped") {
  Served served;
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  {
    const Connection client(ends[0]);
    served.server().adopt(ends[1], "a friend");
    REQUIRE(client.greet());
    work(client, 0, 7);
  }
  served.stop();
  CHECK(served.n_lines_with("peer=a friend") == 1);
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const Connection late(ends[0]);
  served.server().adopt(ends[1], "late");
  CHECK(late.ends());
}

TEST_CASE("several devices are told apart: memory, copies between them, graphs on each") {
  Served served({}, 2);
  const auto client = served.connect();
  REQUIRE(client->greet());
  CHECK(client->ask_for<std::uint32_t>(RpcCommand::kDeviceCount, {}) == 2);
  WireTensor rows[2];
  for (std::uint32_t device = 0; device < 2; ++device) {
    const std::uint64_t n_bytes = std::uint64_t{1024} << device;
    const auto buffer = client->ask_for<AllocReply>(
        RpcCommand::kAllocBuffer, Bytes().add(AllocRequest{device, n_bytes}).bytes);
    rows[device] = wire(device + 1, RpcType::kF32, {16});
    rows[device].buffer = buffer.handle;
    rows[device].data = client->ask_for<std::uint64_t>(RpcCommand::kBufferGetBase,
                                                       Bytes().add(buffer.handle).bytes);
    const auto memory =
        client->ask_for<MemoryReply>(RpcCommand::kGetDeviceMemory, Bytes().add(device).bytes);
    CHECK(memory.free_bytes == Served::kCapacity - n_bytes);
  }
  client->send(
      message(RpcCommand::kMemsetTensor, Bytes().add(MemsetRequest{rows[0], 0, 64, 5}).bytes));
  Bytes copy;
  copy.add(rows[0]).add(rows[1]);
  CHECK(client->ask_for<std::uint8_t>(RpcCommand::kCopyTensor, copy.bytes) == 1);
  CHECK(client->ask(RpcCommand::kGetTensor, Bytes().add(RangeRequest{rows[1], 0, 64}).bytes) ==
        std::vector<std::byte>(64, std::byte{5}));
  // A graph for one device cannot use the memory of the other.
  WireTensor square = rows[1];
  square.id = 3;
  square.op = static_cast<std::uint32_t>(RpcOp::kSqr);
  square.src[0] = 1;
  client->send(message(RpcCommand::kGraphCompute, graph_payload(0, {3}, {rows[0], square})));
  CHECK(client->ends());
}

TEST_CASE("stopping ends clients in the middle of whatever they do") {
  Served served;
  const auto client = served.connect();
  REQUIRE(client->greet());
  served.stop();
  CHECK(client->ends());
  CHECK(served.n_lines_with("end=\"stopped\"") == 1);
}
