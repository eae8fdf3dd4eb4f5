#include "kv/kv_budget.h"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace llamabox;

TEST_CASE("shared cells count once and outlive their first holder") {
  KvBudget budget(3);
  budget.grow(0, 100);
  budget.share(0, 1, 60);
  budget.grow(1, 10);
  CHECK(budget.n_used() == 110);
  CHECK(budget.n_freed_by_drop(0) == 40);
  CHECK(budget.n_freed_by_drop(1) == 10);
  budget.trim(0, 0);
  CHECK(budget.n_used() == 70);
  budget.trim(1, 0);
  CHECK(budget.n_used() == 0);
}

TEST_CASE("random sharing and trimming agrees with a memory that counts real cells") {
  std::minstd_rand random(5);
  const auto below = [&](int n) {
    return static_cast<int>(random() % static_cast<std::uint32_t>(n));
  };
  constexpr int kSeqs = 6;
  for (int round = 0; round < 400; ++round) {
    KvBudget budget(kSeqs);
    std::array<std::vector<std::shared_ptr<int>>, kSeqs> cells;
    const auto n_used = [&] {
      std::set<int *> distinct;
      for (const auto &seq : cells) {
        for (const auto &cell : seq) {
          distinct.insert(cell.get());
        }
      }
      return static_cast<std::int32_t>(distinct.size());
    };
    for (int i = 0; i < 60; ++i) {
      const int seq = below(kSeqs);
      auto &own = cells[static_cast<std::size_t>(seq)];
      const int action = below(3);
      if (action == 0) {
        const int n = below(8);
        for (int k = 0; k < n; ++k) {
          own.push_back(std::make_shared<int>(0));
        }
        budget.grow(seq, n);
      } else if (action == 1) {
        const auto n = static_cast<std::size_t>(below(static_cast<int>(own.size()) + 1));
        own.resize(n);
        budget.trim(seq, static_cast<Pos>(n));
      } else if (own.empty()) {
        const int from = below(kSeqs);
        const auto &source = cells[static_cast<std::size_t>(from)];
        const int n = below(static_cast<int>(source.size()) + 1);
        if (from != seq && n > 0) {
          own.assign(source.begin(), source.begin() + n);
          budget.share(from, seq, n);
        }
      }
      REQUIRE(budget.n_used() == n_used());
      const auto dropped = cells[static_cast<std::size_t>(seq)];
      const std::int32_t before = n_used();
      const auto kept = std::exchange(cells[static_cast<std::size_t>(seq)], {});
      REQUIRE(budget.n_freed_by_drop(seq) == before - n_used());
      cells[static_cast<std::size_t>(seq)] = kept;
    }
  }
}
