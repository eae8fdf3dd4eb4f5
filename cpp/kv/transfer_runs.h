// Copies of a state between a device's tensor and RAM, as few as they can be. Upstream asks for one
// copy for each row and run of cells, and over a network each of them costs a round trip.
// Thread rule: pure functions. Guarantee: the runs cover every copy once, and a run that reads over
// gaps says so. Covered by transfer_runs_test.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace llamabox {

// Bytes [offset, offset + size) of a tensor, at [place, place + size) in RAM.
struct Transfer {
  std::size_t offset = 0;
  std::size_t place = 0;
  std::size_t size = 0;
};

// Rows of a tensor that lie `stride` apart. Each row begins where the copy `first` does, shifted,
// and covers `n` copies with the gaps between them; with one copy it has no gap.
struct TransferRun {
  std::size_t first = 0; // of the copies
  std::size_t n = 1;
  std::size_t size = 0; // bytes of a row
  std::size_t n_rows = 1;
  std::size_t stride = 0;       // in the tensor; 0 with one row
  std::size_t place_stride = 0; // in RAM
};

// `gap_bytes`: reading so many bytes too much is better than one run more; 0 for copies that write.
// REQUIRES: `copies` are of one tensor.
std::vector<TransferRun> find_runs(std::span<const Transfer> copies, std::size_t gap_bytes);

} // namespace llamabox
