// A connected socket as a session's stream: buffered both ways, with time limits.
// Thread rule: one thread; another may shut the socket down, which ends a blocked read or write.
// Guarantee: no call blocks longer than its limit. ERRORS: Disconnected.
// Covered by tests/py/api/test_rpc.py.
#pragma once

#include "rpc/session.h"

#include <chrono>
#include <optional>
#include <vector>

namespace llamabox {

class SocketStream final : public RpcStream {
public:
  using Limit = std::optional<std::chrono::milliseconds>; // none: for ever

  // Takes the socket over.
  explicit SocketStream(int fd);
  ~SocketStream() override;
  SocketStream(const SocketStream &) = delete;
  SocketStream &operator=(const SocketStream &) = delete;

  // From here on, all reads together may take this long.
  void set_deadline(Limit limit);
  // Each wait for more bytes may take this long.
  void set_stall(std::chrono::milliseconds limit);

  // False when the peer has closed the connection instead of beginning a message.
  bool read_command(std::uint8_t &command, Limit idle);
  void read(void *data, std::size_t n) override;
  void write(const void *data, std::size_t n) override;
  bool peer_left() const override;
  void flush();

private:
  std::size_t receive(void *data, std::size_t n, Limit wait);
  void send_all(const char *data, std::size_t n);
  void wait_for(short events, Limit wait) const;
  void wait_after(int error, short events, Limit wait) const;
  Limit read_limit() const;

  const int fd_;
  std::vector<char> input_;
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
  std::vector<char> output_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::chrono::milliseconds stall_;
};

} // namespace llamabox
