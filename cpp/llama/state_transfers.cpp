#include "llama/state_transfers.h"

#include <cstring>
#include <new>
#include <span>

namespace llamabox {
namespace {

// About what crosses a fast network in the time of a round trip.
constexpr std::size_t kGapBytes = std::size_t{16} << 10;

bool is_in_ram(const ggml_tensor &tensor) {
  const ggml_tensor &owner = tensor.view_src != nullptr ? *tensor.view_src : tensor;
  return owner.buffer != nullptr && ggml_backend_buffer_is_host(owner.buffer);
}

} // namespace

void StateTransfers::get(const ggml_tensor *tensor, void *to, std::size_t offset, std::size_t n) {
  if (is_in_ram(*tensor) ||
      !note({tensor, nullptr, static_cast<std::uint8_t *>(to), nullptr, offset, n})) {
    ggml_backend_tensor_get(tensor, to, offset, n);
  }
}

void StateTransfers::set(ggml_tensor *tensor, const void *from, std::size_t offset, std::size_t n) {
  if (is_in_ram(*tensor) ||
      !note({nullptr, tensor, nullptr, static_cast<const std::uint8_t *>(from), offset, n})) {
    ggml_backend_tensor_set(tensor, from, offset, n);
  }
}

// Upstream calls from a destructor, so nothing may be thrown: what cannot be noted is done at once.
bool StateTransfers::note(const Copy &copy) noexcept {
  try {
    copies_.push_back(copy);
    return true;
  } catch (const std::bad_alloc &) {
    return false;
  }
}

void StateTransfers::finish() {
  for (std::size_t begin = 0; begin < copies_.size();) {
    const Copy &first = copies_[begin];
    std::size_t end = begin + 1;
    while (end < copies_.size() && copies_[end].source == first.source &&
           copies_[end].target == first.target) {
      ++end;
    }
    if (first.source != nullptr) {
      read(&first, end - begin);
    } else {
      write(&first, end - begin);
    }
    begin = end;
  }
  copies_.clear();
}

void StateTransfers::read(const Copy *copies, std::size_t n) {
  const Copy &first = copies[0];
  std::vector<Transfer> transfers;
  for (const Copy &copy : std::span(copies, n)) {
    transfers.push_back({copy.offset, static_cast<std::size_t>(copy.to - first.to), copy.n});
  }
  std::vector<std::uint8_t> rows;
  for (const TransferRun &run : find_runs(transfers, kGapBytes)) {
    const std::span<const Transfer> row(&transfers[run.first], run.n);
    if (run.n == 1) {
      ggml_backend_tensor_get_2d(first.source, first.to + row[0].place, row[0].offset, run.size,
                                 run.n_rows, run.stride, run.place_stride);
      continue;
    }
    rows.resize(run.size * run.n_rows);
    ggml_backend_tensor_get_2d(first.source, rows.data(), row[0].offset, run.size, run.n_rows,
                               run.stride, run.size);
    for (std::size_t i = 0; i < run.n_rows; ++i) {
      for (const Transfer &part : row) {
        std::memcpy(first.to + part.place + i * run.place_stride,
                    rows.data() + i * run.size + (part.offset - row[0].offset), part.size);
      }
    }
  }
}

void StateTransfers::write(const Copy *copies, std::size_t n) {
  const Copy &first = copies[0];
  std::vector<Transfer> transfers;
  for (const Copy &copy : std::span(copies, n)) {
    transfers.push_back({copy.offset, static_cast<std::size_t>(copy.from - first.from), copy.n});
  }
  // Between the cells of one sequence lie those of others.
  for (const TransferRun &run : find_runs(transfers, 0)) {
    const Transfer &row = transfers[run.first];
    ggml_backend_tensor_set_2d(first.target, first.from + row.place, row.offset, run.size,
                               run.n_rows, run.stride, run.place_stride);
  }
}

} // namespace llamabox
