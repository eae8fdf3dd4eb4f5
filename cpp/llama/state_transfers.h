// Upstream's copies of a sequence's state, collected and carried out in few calls: it makes one for
// each layer, row and run of cells, and each is a round trip where the memory is an RPC server's.
// Thread rule: one object at a time on a thread, which makes the calls of upstream that it is for.
// Guarantee: what is in RAM already is copied at once, the rest by finish().
// Covered by kv_memory_test (RAM), transfer_runs_test and tests/py/api/test_rpc_pairs.py.
#pragma once

#include "kv/transfer_runs.h"

#include "state_calls.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace llamabox {

class StateTransfers final : public LlamaboxStateCalls {
public:
  StateTransfers() { llamabox_state_calls = this; }
  ~StateTransfers() { llamabox_state_calls = nullptr; }
  StateTransfers(const StateTransfers &) = delete;
  StateTransfers &operator=(const StateTransfers &) = delete;

  void get(const ggml_tensor *tensor, void *to, std::size_t offset, std::size_t n) override;
  void set(ggml_tensor *tensor, const void *from, std::size_t offset, std::size_t n) override;

  // REQUIRES: the RAM of every copy is still there.
  void finish();

private:
  struct Copy {
    const ggml_tensor *source = nullptr; // reads from it
    ggml_tensor *target = nullptr;       // or writes to it
    std::uint8_t *to = nullptr;
    const std::uint8_t *from = nullptr;
    std::size_t offset = 0;
    std::size_t n = 0;
  };

  bool note(const Copy &copy) noexcept; // false: no memory for it
  static void read(const Copy *copies, std::size_t n);
  static void write(const Copy *copies, std::size_t n);

  std::vector<Copy> copies_; // in upstream's order, which has a tensor's one after another
};

} // namespace llamabox
