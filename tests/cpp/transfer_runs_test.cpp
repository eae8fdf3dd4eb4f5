#include <doctest/doctest.h>

#include "kv/transfer_runs.h"

#include <cstdint>
#include <random>
#include <vector>

using namespace llamabox;

namespace {

// What upstream asks for: of each row the cells of each range, packed into RAM one after another.
std::vector<Transfer> of_rows(std::size_t n_rows, std::size_t row_bytes,
                              const std::vector<std::pair<std::size_t, std::size_t>> &ranges) {
  std::vector<Transfer> copies;
  std::size_t place = 0;
  for (std::size_t row = 0; row < n_rows; ++row) {
    for (const auto &[begin, end] : ranges) {
      copies.push_back({row * row_bytes + begin, place, end - begin});
      place += end - begin;
    }
  }
  return copies;
}

// RAM after the runs were carried out on a tensor whose bytes are all different enough.
std::vector<std::uint8_t> read(const std::vector<Transfer> &copies,
                               const std::vector<TransferRun> &runs, std::size_t n_ram) {
  const auto byte_at = [](std::size_t i) { return static_cast<std::uint8_t>(i * 31 + i / 251); };
  std::vector<std::uint8_t> ram(n_ram, 0xee);
  for (const TransferRun &run : runs) {
    const Transfer &first = copies[run.first];
    for (std::size_t row = 0; row < run.n_rows; ++row) {
      for (std::size_t k = 0; k < run.n; ++k) {
        const Transfer &copy = copies[run.first + k];
        CHECK(copy.offset + copy.size <= first.offset + run.size);
        for (std::size_t i = 0; i < copy.size; ++i) {
          ram.at(copy.place + row * run.place_stride + i) =
              byte_at(copy.offset + row * run.stride + i);
        }
      }
    }
  }
  return ram;
}

std::vector<TransferRun> each_alone(const std::vector<Transfer> &copies) {
  std::vector<TransferRun> runs;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    runs.push_back({i, 1, copies[i].size});
  }
  return runs;
}

} // namespace

TEST_CASE("rows in equal steps are one run") {
  const auto runs = find_runs(of_rows(100, 1000, {{40, 60}}), 0);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].n_rows == 100);
  CHECK(runs[0].stride == 1000);
  CHECK(runs[0].place_stride == 20);
  CHECK(runs[0].size == 20);
}

TEST_CASE("several ranges of each row are as many runs, or one where the gaps are small") {
  const auto copies = of_rows(64, 1000, {{0, 8}, {16, 20}, {900, 910}});
  CHECK(find_runs(copies, 0).size() == 3);
  const auto runs = find_runs(copies, 64 * 8 + 1); // the first gap in all rows
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].n == 2);
  CHECK(runs[0].size == 20);
}

TEST_CASE("what repeats nothing stays as it is, but for what follows without a gap") {
  const std::vector<Transfer> copies{{0, 0, 10}, {500, 10, 7}, {507, 17, 5}, {9000, 22, 1}};
  CHECK(find_runs(copies, 0).size() == 4);
  CHECK(find_runs(copies, 1).size() == 3);
  CHECK(find_runs({}, 100).empty());
}

TEST_CASE("whatever is asked for, the runs bring the same bytes") {
  std::mt19937 random(11);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int round = 0; round < 500; ++round) {
    std::vector<std::pair<std::size_t, std::size_t>> ranges;
    for (std::size_t at = below(20); at < 200; at += 1 + below(40)) {
      const std::size_t begin = at;
      at += 1 + below(10);
      ranges.emplace_back(begin, at);
    }
    auto copies = of_rows(1 + below(12), 256, ranges);
    if (below(4) == 0) { // nothing regular
      copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(below(copies.size())));
    }
    const std::size_t n_ram = 12 * 256;
    const auto expected = read(copies, each_alone(copies), n_ram);
    const std::size_t gap = below(3) * 100;
    const auto runs = find_runs(copies, gap);
    CHECK(runs.size() <= copies.size());
    CHECK(read(copies, runs, n_ram) == expected);
  }
}
