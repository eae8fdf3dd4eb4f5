#include "engine/planner.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

using namespace llamabox;

namespace {

Candidate decoding(std::int32_t slot, std::int32_t n_draft = 0) {
  Candidate candidate;
  candidate.slot = slot;
  candidate.decoding = true;
  candidate.n_left = 1;
  candidate.n_draft_max = n_draft;
  return candidate;
}

Candidate prefilling(std::int32_t slot, std::int32_t n_left, std::int32_t n_skipped = 0) {
  Candidate candidate;
  candidate.slot = slot;
  candidate.n_left = n_left;
  candidate.n_skipped = n_skipped;
  candidate.order = static_cast<std::uint64_t>(slot);
  return candidate;
}

} // namespace

TEST_CASE("alone, a prefill has the whole batch") {
  const std::vector<Candidate> candidates{prefilling(0, 1000)};
  const StepPlan plan = plan_step(candidates, 512, 20);
  REQUIRE(plan.prefills.size() == 1);
  CHECK(plan.prefills[0].n_rows == 512);
}

TEST_CASE("decodes go first and the target bounds what prefills get beside them") {
  const std::vector<Candidate> candidates{decoding(0), prefilling(1, 1000), decoding(2)};
  const StepPlan plan = plan_step(candidates, 512, 40);
  CHECK(plan.decodes.size() == 2);
  REQUIRE(plan.prefills.size() == 1);
  CHECK(plan.prefills[0].n_rows == 40);
}

TEST_CASE("a step may delay the streams that run in proportion to the prompts that wait") {
  const std::vector<Candidate> many_run{decoding(0), decoding(1), decoding(2), prefilling(3, 10)};
  CHECK(step_target_ms(many_run, 30) == doctest::Approx(40));
  const std::vector<Candidate> many_wait{decoding(0), prefilling(1, 10), prefilling(2, 10)};
  CHECK(step_target_ms(many_wait, 30) == doctest::Approx(90));
}

TEST_CASE("a target that leaves no time still leaves progress") {
  const std::vector<Candidate> candidates{decoding(0), prefilling(1, 1000)};
  CHECK(plan_step(candidates, 512, 0).prefills.at(0).n_rows == kMinPrefillRows);
}

TEST_CASE("a short prompt passes a long one, and the long one's turn comes") {
  std::vector<Candidate> candidates{prefilling(0, 4000), prefilling(1, 30)};
  StepPlan plan = plan_step(candidates, 512, 0);
  REQUIRE(plan.prefills.size() == 2);
  CHECK(plan.prefills[0].slot == 1);
  CHECK(plan.prefills[1].n_rows == 482);

  // A stream of short prompts that fill every step cannot hold the long one back for ever.
  int n_steps = 0;
  std::int32_t n_skipped = 0;
  do {
    candidates = {prefilling(0, 4000, n_skipped)};
    for (std::int32_t slot = 1; slot <= 8; ++slot) {
      candidates.push_back(prefilling(slot, 64));
    }
    plan = plan_step(candidates, 512, 0);
    ++n_skipped;
  } while (plan.prefills.front().slot != 0 && ++n_steps < 1000);
  CHECK(n_steps < 70);
}

TEST_CASE("equal prompts keep their order") {
  const std::vector<Candidate> candidates{prefilling(3, 100), prefilling(1, 100)};
  const StepPlan plan = plan_step(candidates, 120, 0);
  CHECK(plan.prefills.at(0).slot == 1);
  CHECK(plan.prefills.at(1).n_rows == 20);
}

TEST_CASE("drafts take only room that decodes left, never another's decode") {
  const std::vector<Candidate> candidates{decoding(0, 8), decoding(1, 8), decoding(2, 8)};
  const StepPlan plan = plan_step(candidates, 12, 0);
  REQUIRE(plan.decodes.size() == 3);
  CHECK(plan.decodes[0].n_draft == 8);
  CHECK(plan.decodes[1].n_draft == 1);
  CHECK(plan.decodes[2].n_draft == 0);
}

TEST_CASE("more decodes than rows: the first ones run") {
  std::vector<Candidate> candidates;
  for (std::int32_t slot = 0; slot < 10; ++slot) {
    candidates.push_back(decoding(slot));
  }
  CHECK(plan_step(candidates, 4, 0).decodes.size() == 4);
}

TEST_CASE("an unsplittable span gets its rows although the target says less") {
  Candidate image = prefilling(1, 200);
  image.n_min = 100;
  const std::vector<Candidate> candidates{decoding(0), image};
  CHECK(plan_step(candidates, 512, 20).prefills.at(0).n_rows == 100);
  CHECK(plan_step(candidates, 64, 20).prefills.empty());
}

TEST_CASE("shrinking gives up drafts, then prefill rows, and ends") {
  StepPlan plan;
  plan.decodes = {{0, 1, 4}};
  plan.prefills = {{1, 8, 0}};
  CHECK(shrink(plan));
  CHECK(plan.decodes[0].n_draft == 0);
  for (const std::int32_t n_rows : {4, 2, 1}) {
    CHECK(shrink(plan));
    CHECK(plan.prefills.at(0).n_rows == n_rows);
  }
  CHECK(shrink(plan));
  CHECK(plan.prefills.empty());
  CHECK_FALSE(shrink(plan));

  StepPlan lone;
  lone.prefills = {{0, 1, 0}};
  CHECK_FALSE(shrink(lone));
}

TEST_CASE("costs are learnt from the steps that ran") {
  StepCost cost;
  CHECK(cost.prefill_rows_within(100) > 0);
  for (int i = 0; i < 50; ++i) {
    cost.observe(4, 0, 10);
    cost.observe(4, 100, 60); // 0.5 ms a row beside a 10 ms decode
  }
  CHECK(cost.prefill_rows_within(60) == 100);
  CHECK(cost.prefill_rows_within(5) == kMinPrefillRows);
}

TEST_CASE("one class keeps its turn as long as nobody else is there") {
  ClassTurn turn;
  std::vector<Candidate> alone{decoding(0)};
  alone[0].class_key = 5;
  for (int i = 0; i < 100; ++i) {
    CHECK(turn.next(alone) == 5);
  }
  std::vector<Candidate> joined = alone;
  joined.push_back(decoding(1));
  joined[1].class_key = 6;
  CHECK(turn.next(joined) == 6); // the turn was spent long ago
}

TEST_CASE("classes take turns of a bounded number of steps, the one that waited longest first") {
  ClassTurn turn;
  std::vector<Candidate> candidates;
  for (std::int32_t slot = 0; slot < 6; ++slot) {
    candidates.push_back(slot % 2 == 0 ? decoding(slot) : prefilling(slot, 100));
    candidates.back().order = static_cast<std::uint64_t>(slot);
    candidates.back().class_key = static_cast<ClassKey>(slot / 2); // three classes of two
  }
  std::vector<int> n_steps(3);
  std::int32_t longest_wait = 0;
  for (int step = 0; step < 300; ++step) {
    const ClassKey now = turn.next(candidates);
    ++n_steps[static_cast<std::size_t>(now)];
    for (Candidate &candidate : candidates) {
      candidate.n_skipped = candidate.class_key == now ? 0 : candidate.n_skipped + 1;
      longest_wait = std::max(longest_wait, candidate.n_skipped);
    }
  }
  CHECK(longest_wait == 2 * kClassQuantum);
  for (const int n : n_steps) {
    CHECK(std::abs(n - 100) <= kClassQuantum);
  }
}

TEST_CASE("new classes that never stop coming cannot starve one that waits") {
  ClassTurn turn;
  std::vector<Candidate> candidates{decoding(0), decoding(1)};
  candidates[0].class_key = 1;
  std::int32_t longest_wait = 0;
  for (int step = 0; step < 500; ++step) {
    // The neighbour is somebody else with other adapters every other step.
    candidates[1].class_key = static_cast<ClassKey>(2 + step / 2);
    candidates[1].n_skipped = 0;
    candidates[1].order = static_cast<std::uint64_t>(step);
    const ClassKey now = turn.next(candidates);
    candidates[0].n_skipped = now == 1 ? 0 : candidates[0].n_skipped + 1;
    longest_wait = std::max(longest_wait, candidates[0].n_skipped);
  }
  CHECK(longest_wait <= kClassQuantum);
}

TEST_CASE("whoever is not due is taken out, whatever else it is") {
  std::vector<Candidate> candidates{decoding(0), decoding(1), prefilling(2, 10)};
  candidates[1].is_due = false;
  CHECK(hold_back(candidates) == 1);
  REQUIRE(candidates.size() == 2);
  CHECK(candidates[0].slot == 0);
  CHECK(candidates[1].slot == 2);
}

TEST_CASE("rows that share a step with nobody alternate with the streams") {
  Candidate stream{.slot = 0, .decoding = true, .order = 1};
  const Candidate image{.slot = 1, .n_left = 40, .n_min = 30, .order = 2, .n_alone = 30};
  StepPlan plan = plan_step(std::vector{stream, image}, 64, 16);
  CHECK(plan.decodes.empty());
  REQUIRE(plan.prefills.size() == 1);
  CHECK(plan.prefills[0].slot == 1);
  CHECK(plan.prefills[0].n_rows == 30);
  CHECK_FALSE(shrink(plan)); // fewer would be none
  stream.n_skipped = 1;
  plan = plan_step(std::vector{stream, image}, 64, 16);
  CHECK(plan.decodes.size() == 1);
  CHECK(plan.prefills.empty());
}

TEST_CASE("rows that are alone but can be split keep to the target beside streams") {
  const Candidate stream{.slot = 0, .decoding = true, .order = 1};
  const Candidate image{.slot = 1, .n_left = 200, .order = 2, .n_alone = 200};
  CHECK(plan_step(std::vector{stream, image}, 64, 20).prefills[0].n_rows == 20);
  CHECK(plan_step(std::vector{image}, 64, 20).prefills[0].n_rows == 64);
}

TEST_CASE("a shorter prompt goes before rows that are alone") {
  const Candidate image{.slot = 1, .n_left = 200, .n_min = 30, .order = 1, .n_alone = 30};
  const Candidate text{.slot = 2, .n_left = 10, .order = 2};
  const StepPlan plan = plan_step(std::vector{image, text}, 64, 64);
  REQUIRE(plan.prefills.size() == 1);
  CHECK(plan.prefills[0].slot == 2);
}
