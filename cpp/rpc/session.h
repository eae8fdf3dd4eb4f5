// One client: its buffers, its graphs, and what each of its messages does. Every field is checked
// before it is used; a message that fails ends this session and nothing else.
// Thread rule: one thread. Guarantee: the destructor gives all memory back.
// Covered by rpc_session_test and rpc_fuzz_test, on a fake device.
#pragma once

#include "rpc/graph.h"
#include "rpc/host.h"
#include "rpc/kept_graphs.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace llamabox {

// The peer is gone, or too slow; not its fault as a message would be.
class Disconnected : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// A connection as the session sees it. ERRORS: whatever ends the connection, as an exception.
class RpcStream {
public:
  virtual ~RpcStream() = default;
  virtual void read(void *data, std::size_t n) = 0;
  virtual void write(const void *data, std::size_t n) = 0;
  // Whether the other end has closed the connection; does not wait.
  virtual bool peer_left() const = 0;
};

// What a client did, for the log and for metrics.
struct RpcCounts {
  std::uint64_t n_messages = 0;
  std::uint64_t n_graphs = 0;
  std::uint64_t n_cache_hits = 0;
  std::uint64_t received_bytes = 0; // tensor data
  std::uint64_t sent_bytes = 0;     // tensor data
  std::uint64_t held_bytes = 0;     // buffers now
  std::uint64_t peak_bytes = 0;     // buffers at most
  std::uint64_t compute_ns = 0;     // with a device to itself
  std::uint64_t wait_ns = 0;        // for its turn
};

class RpcSession {
public:
  explicit RpcSession(RpcHost &host) : host_(host), graphs_(host.graphs) {}
  ~RpcSession();
  RpcSession(const RpcSession &) = delete;
  RpcSession &operator=(const RpcSession &) = delete;

  // Answers the first message of a connection, whose command byte has been read.
  void greet(RpcCommand command, RpcStream &stream);
  // Takes the rest of a message whose command byte has been read. ERRORS: BadMessage.
  void handle(RpcCommand command, RpcStream &stream);

  const RpcCounts &counts() const { return counts_; }

private:
  void allocate(RpcStream &stream);
  void free_buffer(RpcStream &stream);
  void clear_buffer(RpcStream &stream);
  void tell_base(RpcStream &stream);
  void tell_alloc_size(RpcStream &stream);
  void tell_support(RpcStream &stream);
  void tell_memory(RpcStream &stream);
  void init_tensor(RpcStream &stream);
  void set_tensor(std::uint64_t payload, RpcStream &stream);
  void set_tensor_hash(RpcStream &stream);
  void set_tensor_2d(std::uint64_t payload, RpcStream &stream);
  void memset_tensor(RpcStream &stream);
  void get_tensor(RpcStream &stream);
  void get_tensor_2d(RpcStream &stream);
  void copy_tensor(RpcStream &stream);
  void compute(std::uint64_t payload, RpcStream &stream);
  void recompute(RpcStream &stream);

  void run(ReadyGraph &ready, const RpcStream &stream);
  RpcSeat &seat(std::uint32_t device);
  RpcSeat &seat_of(const RpcTensor &tensor) { return seat(tensor.buffer->device); }
  RpcTensor placed(const WireTensor &wire) const;
  void receive_into(const RpcTensor &tensor, std::uint64_t offset, std::uint64_t n,
                    RpcStream &stream);
  void send_from(const RpcTensor &tensor, std::uint64_t offset, std::uint64_t n, RpcStream &stream);

  RpcHost &host_;
  bool is_own_ = false; // the client is llamabox too
  RpcBuffers buffers_;
  KeptGraphs graphs_;
  std::uint64_t next_handle_ = 1;
  std::uint64_t next_base_ = std::uint64_t{1} << 40;
  std::vector<std::byte> chunk_;
  RpcCounts counts_;
};

} // namespace llamabox
