#include "base/step_cost.h"

#include <doctest/doctest.h>

#include <random>

using namespace llamabox;

namespace {

// A machine whose steps cost what they should.
struct Machine {
  double step = 4;
  double decode_row = 0.5;
  double prefill_row = 1.5;
  double cell = 0.0002;

  double ms_of(const StepLoad &load) const {
    return step + decode_row * load.n_decode_rows + prefill_row * load.n_prefill_rows +
           cell * static_cast<double>(load.n_seen);
  }
};

StepLoad mixed(std::int32_t n_decodes, std::int32_t n_prefill, Pos n_past) {
  StepLoad load{n_decodes, n_prefill, 0};
  load.n_seen = std::int64_t{n_decodes} * 500 + std::int64_t{n_prefill} * n_past +
                std::int64_t{n_prefill} * n_prefill / 2;
  return load;
}

void teach(StepCost &cost, const Machine &machine, int n_steps, std::uint32_t seed = 1) {
  std::minstd_rand random(seed);
  const auto below = [&](int n) {
    return static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(n));
  };
  for (int i = 0; i < n_steps; ++i) {
    const std::int32_t n_prefill = below(3) == 0 ? 0 : 16 + below(400);
    const StepLoad load = mixed(1 + below(16), n_prefill, below(8000));
    cost.observe(load, machine.ms_of(load));
  }
}

bool is_near(double value, double expected, double share) {
  return value == doctest::Approx(expected).epsilon(share);
}

} // namespace

TEST_CASE("costs of varied steps are foreseen, also of those that were never seen") {
  StepCost cost;
  const Machine machine;
  teach(cost, machine, 300);
  for (const StepLoad &load : {mixed(1, 0, 0), mixed(32, 0, 0), mixed(8, 100, 0),
                               mixed(8, 100, 16000), mixed(0, 512, 0)}) {
    CHECK(is_near(cost.ms_of(load), machine.ms_of(load), 0.1));
  }
}

TEST_CASE("the budget shrinks as a prompt grows, so that its steps stay as long") {
  StepCost cost;
  const Machine machine;
  teach(cost, machine, 300);
  const StepLoad decodes = mixed(8, 0, 0);
  for (const Pos n_past : {0, 2000, 8000, 32000}) {
    const auto n_rows =
        static_cast<std::int32_t>(cost.prefill_within(200, decodes).rows_within(n_past));
    CHECK(is_near(machine.ms_of(mixed(8, n_rows, n_past)), 200, 0.1));
  }
}

TEST_CASE("what one prompt took is not there for the next") {
  PrefillBudget budget{100, 1, 0.001};
  const auto n_first = static_cast<std::int32_t>(budget.rows_within(1000));
  budget.spend(n_first, 1000);
  CHECK(budget.rows_within(0) < 2);
  CHECK(PrefillBudget{-5, 1, 0}.rows_within(0) == 0);
}

TEST_CASE("a machine that becomes slower is followed") {
  StepCost cost;
  teach(cost, {}, 200);
  const Machine slow{8, 1, 3, 0.0004};
  teach(cost, slow, 120, 2);
  CHECK(is_near(cost.ms_of(mixed(8, 200, 2000)), slow.ms_of(mixed(8, 200, 2000)), 0.15));
}

TEST_CASE("one step that took far too long changes little") {
  StepCost cost;
  const Machine machine;
  teach(cost, machine, 200);
  const StepLoad load = mixed(8, 100, 1000);
  cost.observe(load, 20 * machine.ms_of(load));
  CHECK(is_near(cost.ms_of(load), machine.ms_of(load), 0.1));
}

TEST_CASE("little knowledge is used with care") {
  StepCost cost;
  CHECK(cost.ms_of(mixed(4, 0, 0)) == 0);
  CHECK_FALSE(cost.prefill_within(50, mixed(4, 0, 0)).is_known());
  // After a prompt alone, rows beside decodes are known to cost about what they cost there.
  const StepLoad alone = mixed(0, 512, 0);
  cost.observe(alone, Machine{}.ms_of(alone));
  CHECK(is_near(cost.prefill_within(150, {}).rows_within(0), 100, 0.2));
  cost.observe(alone, 0); // a clock that stood still says nothing
  CHECK(cost.ms_of(alone) > 0);
}

TEST_CASE("costs between seen numbers of rows lie on a line, beyond them they are guessed low") {
  StepCost cost;
  CHECK(cost.decode_ms(4) == 0);
  cost.observe({1, 0, 0}, 10);
  CHECK(cost.decode_ms(1) == 10);
  CHECK(cost.decode_ms(5) > 10);
  CHECK(cost.decode_ms(5) < 15);
  cost.observe({9, 0, 0}, 18);
  CHECK(cost.decode_ms(5) == doctest::Approx(14));
  CHECK(cost.decode_ms(17) == doctest::Approx(26));
  CHECK(cost.knows_decode(9, 10));
  CHECK_FALSE(cost.knows_decode(5, 10));
  cost.observe({1, 0, 0}, 10);
  CHECK_FALSE(cost.knows_decode(9, 1));
}

TEST_CASE("one stall hardly moves a cost, a lasting change moves all") {
  StepCost cost;
  const auto ms_of = [](std::int32_t n) { return 10.0 + 0.5 * n; };
  for (std::int32_t n = 1; n <= 8; ++n) {
    cost.observe({n, 0, 0}, ms_of(n));
  }
  for (int i = 0; i < 20; ++i) {
    cost.observe({1, 0, 0}, 10.5);
  }
  cost.observe({1, 0, 0}, 1000);
  CHECK(cost.decode_ms(1) < 13);
  for (int i = 0; i < 200; ++i) {
    cost.observe({1, 0, 0}, 21);
  }
  CHECK(cost.decode_ms(1) == doctest::Approx(21).epsilon(0.05));
  CHECK(cost.decode_ms(8) > 1.15 * ms_of(8));
}

TEST_CASE("steps that read prompts too say nothing about rows that only decode") {
  StepCost cost;
  cost.observe({2, 100, 0}, 50);
  CHECK(cost.decode_ms(2) == 0);
  CHECK_FALSE(cost.knows_decode(2, 10));
  cost.observe({2, 0, 0}, 5);
  CHECK(cost.decode_ms(2) == 5);
}
