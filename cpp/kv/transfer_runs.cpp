#include "kv/transfer_runs.h"

namespace llamabox {
namespace {

// Whether the copies from `n` on repeat the first n, in the same steps.
bool repeats_after(std::span<const Transfer> copies, std::size_t n) {
  const Transfer &first = copies[0];
  const Transfer &again = copies[n];
  if (again.offset <= first.offset || again.place <= first.place) {
    return false;
  }
  const std::size_t stride = again.offset - first.offset;
  const std::size_t place_stride = again.place - first.place;
  for (std::size_t i = 0; i + n < copies.size(); ++i) {
    const Transfer &one = copies[i];
    const Transfer &next = copies[i + n];
    if (next.size != one.size || next.offset != one.offset + stride ||
        next.place != one.place + place_stride || one.size > stride || one.size > place_stride) {
      return false;
    }
  }
  return true;
}

// The copies of one row: the fewest that all others repeat.
std::size_t find_period(std::span<const Transfer> copies) {
  for (std::size_t n = 1; n <= copies.size() / 2; ++n) {
    if (copies.size() % n == 0 && repeats_after(copies, n)) {
      return n;
    }
  }
  return copies.size();
}

} // namespace

std::vector<TransferRun> find_runs(std::span<const Transfer> copies, std::size_t gap_bytes) {
  std::vector<TransferRun> runs;
  if (copies.empty()) {
    return runs;
  }
  const std::size_t n_row = find_period(copies);
  TransferRun shape;
  shape.n_rows = copies.size() / n_row;
  if (shape.n_rows > 1) {
    shape.stride = copies[n_row].offset - copies[0].offset;
    shape.place_stride = copies[n_row].place - copies[0].place;
  }
  for (std::size_t i = 0; i < n_row; ++i) {
    const Transfer &copy = copies[i];
    if (!runs.empty()) {
      TransferRun &last = runs.back();
      const std::size_t end = copies[last.first].offset + last.size;
      const std::size_t joined = copy.offset + copy.size - copies[last.first].offset;
      const bool fits = shape.n_rows == 1 || joined <= shape.stride;
      if (copy.offset >= end && fits && (copy.offset - end) * shape.n_rows < gap_bytes) {
        last.size = joined;
        ++last.n;
        continue;
      }
    }
    shape.first = i;
    shape.size = copy.size;
    runs.push_back(shape);
  }
  return runs;
}

} // namespace llamabox
