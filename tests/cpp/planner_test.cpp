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

// A step whose prefill rows cost 1 ms each, with so many of them in its target.
StepRoom room(std::int32_t n_batch, double ms, std::int32_t n_ubatch = 512) {
  return {n_batch, std::min(n_batch, n_ubatch), {ms, 1, 0}};
}

} // namespace

TEST_CASE("alone, a prefill has whole pieces of what the runner computes at a time") {
  const std::vector<Candidate> candidates{prefilling(0, 4000)};
  const auto n_rows = [&](double ms) {
    return plan_step(candidates, room(2048, ms)).prefills.at(0).n_rows;
  };
  CHECK(n_rows(5000) == 2048);
  CHECK(n_rows(1200) == 1024);
  CHECK(n_rows(513) == 512);
  CHECK(n_rows(300) == 256); // a slow machine: whoever arrives waits no longer than the target
  CHECK(n_rows(1) == kLeastAloneRows);
  CHECK(plan_step(candidates, {2048, 512, {}}).prefills.at(0).n_rows == 512); // costs unknown
}

TEST_CASE("several prompts alone share the pieces") {
  const std::vector<Candidate> candidates{prefilling(0, 4000), prefilling(1, 100)};
  const StepPlan plan = plan_step(candidates, room(2048, 600));
  REQUIRE(plan.prefills.size() == 2);
  CHECK(plan.prefills[0].n_rows + plan.prefills[1].n_rows == 512);
}

TEST_CASE("decodes go first and the target bounds what prefills get beside them") {
  const std::vector<Candidate> candidates{decoding(0), prefilling(1, 1000), decoding(2)};
  const StepPlan plan = plan_step(candidates, room(512, 40));
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
  CHECK(plan_step(candidates, room(512, 0)).prefills.at(0).n_rows == kMinPrefillRows);
}

TEST_CASE("a short prompt passes a long one, and the long one's turn comes") {
  std::vector<Candidate> candidates{prefilling(0, 4000), prefilling(1, 30)};
  StepPlan plan = plan_step(candidates, room(512, 600));
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
    plan = plan_step(candidates, room(512, 600));
    ++n_skipped;
  } while (plan.prefills.front().slot != 0 && ++n_steps < 1000);
  CHECK(n_steps < 70);
}

TEST_CASE("equal prompts keep their order") {
  const std::vector<Candidate> candidates{prefilling(3, 100), prefilling(1, 100)};
  const StepPlan plan = plan_step(candidates, room(120, 0));
  CHECK(plan.prefills.at(0).slot == 1);
  CHECK(plan.prefills.at(1).n_rows == 20);
}

TEST_CASE("drafts take only room that decodes left, never another's decode") {
  const std::vector<Candidate> candidates{decoding(0, 8), decoding(1, 8), decoding(2, 8)};
  const StepPlan plan = plan_step(candidates, room(12, 0));
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
  CHECK(plan_step(candidates, room(4, 0)).decodes.size() == 4);
}

TEST_CASE("an unsplittable span gets its rows although the target says less") {
  Candidate image = prefilling(1, 200);
  image.n_min = 100;
  const std::vector<Candidate> candidates{decoding(0), image};
  CHECK(plan_step(candidates, room(512, 20)).prefills.at(0).n_rows == 100);
  CHECK(plan_step(candidates, room(64, 20)).prefills.empty());
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

TEST_CASE("beside decodes prompts share the time, and later chunks of a prompt are smaller") {
  std::vector<Candidate> candidates{decoding(0), prefilling(1, 1000), prefilling(2, 2000)};
  StepPlan plan = plan_step(candidates, room(512, 40));
  REQUIRE(plan.prefills.size() == 1);
  candidates[1].n_left = 30;
  plan = plan_step(candidates, room(512, 40));
  REQUIRE(plan.prefills.size() == 2);
  CHECK(plan.prefills[1].n_rows == 10);
  candidates[1].n_left = 1000;
  candidates[1].n_past = 4000;
  plan = plan_step(candidates, {512, 512, {40, 1, 0.001}});
  CHECK(plan.prefills.at(0).n_rows == kMinPrefillRows);
  plan = plan_step(candidates, {512, 512, {400, 1, 0.001}});
  CHECK(plan.prefills.at(0).n_rows == 63); // 5 ms each, and no piece of a tile
}

TEST_CASE("beside decodes, rows with a long past fill tiles") {
  std::vector<Candidate> candidates{decoding(0), decoding(1), prefilling(2, 1000)};
  const auto n_rows = [&](double ms, double tile_ms) {
    const StepRoom room{512, 512, {ms, 1, 0.001}, tile_ms};
    return plan_step(candidates, room).prefills.at(0).n_rows;
  };
  candidates[2].n_past = 3000;   // about 4 ms a row
  CHECK(n_rows(330, 0) == 62);   // 81 would begin a second tile for the sake of 19
  CHECK(n_rows(400, 0) == 98);   // that fills more than half of it
  CHECK(n_rows(200, 400) == 62); // nearly a tile
  CHECK(n_rows(200, 210) == 49); // that would take too long
  CHECK(n_rows(10, 20) == kMinPrefillRows);
  candidates[2].n_past = 500;
  CHECK(n_rows(130, 400) == 84); // a short past: tiles do not matter
}

TEST_CASE("before anything is known a prompt beside decodes is tried with a few rows") {
  const std::vector<Candidate> candidates{decoding(0), prefilling(1, 1000), prefilling(2, 1000)};
  const StepPlan plan = plan_step(candidates, {512, 512, {}});
  REQUIRE(plan.prefills.size() == 1);
  CHECK(plan.prefills[0].n_rows == kFirstPrefillRows);
}

TEST_CASE("streams of other classes count for the target, their rows do not for the cost") {
  std::vector<Candidate> candidates{decoding(0), decoding(1), prefilling(2, 100)};
  candidates[0].class_key = 7;
  candidates[0].n_past = 50;
  candidates[1].n_past = 60;
  CHECK(step_target_ms(candidates, 40) == doctest::Approx(60));
  CHECK(decode_load(candidates, 7).n_decode_rows == 1);
  CHECK(decode_load(candidates, 7).n_seen == 50);
  candidates.erase(candidates.begin(), candidates.begin() + 2);
  CHECK(step_target_ms(candidates, 40) == kAloneMs);
}

TEST_CASE("one class keeps its turn as long as nobody else is there") {
  ClassTurn turn;
  std::vector<Candidate> alone{decoding(0)};
  alone[0].class_key = 5;
  for (int i = 0; i < 100; ++i) {
    CHECK(turn.next(alone, 0) == 5);
  }
  std::vector<Candidate> joined = alone;
  joined.push_back(decoding(1));
  joined[1].class_key = 6;
  CHECK(turn.next(joined, 0) == 6); // the turn was spent long ago
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
    const ClassKey now = turn.next(candidates, 0);
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

TEST_CASE("a turn of long steps ends by time") {
  ClassTurn turn;
  std::vector<Candidate> candidates{prefilling(0, 1000), prefilling(1, 1000)};
  candidates[1].class_key = 1;
  const ClassKey first = turn.next(candidates, 0);
  candidates[first == 0 ? 1 : 0].n_skipped = 1;
  CHECK(turn.next(candidates, kClassQuantumNs - 1) == first);
  CHECK(turn.next(candidates, kClassQuantumNs) != first);
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
    const ClassKey now = turn.next(candidates, 0);
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
  StepPlan plan = plan_step(std::vector{stream, image}, room(64, 16));
  CHECK(plan.decodes.empty());
  REQUIRE(plan.prefills.size() == 1);
  CHECK(plan.prefills[0].slot == 1);
  CHECK(plan.prefills[0].n_rows == 30);
  CHECK_FALSE(shrink(plan)); // fewer would be none
  stream.n_skipped = 1;
  plan = plan_step(std::vector{stream, image}, room(64, 16));
  CHECK(plan.decodes.size() == 1);
  CHECK(plan.prefills.empty());
}

TEST_CASE("rows that are alone but can be split keep to the target beside streams") {
  const Candidate stream{.slot = 0, .decoding = true, .order = 1};
  const Candidate image{.slot = 1, .n_left = 200, .order = 2, .n_alone = 200};
  CHECK(plan_step(std::vector{stream, image}, room(64, 20)).prefills[0].n_rows == 20);
  CHECK(plan_step(std::vector{image}, room(64, 20)).prefills[0].n_rows == 64);
}

TEST_CASE("a shorter prompt goes before rows that are alone") {
  const Candidate image{.slot = 1, .n_left = 200, .n_min = 30, .order = 1, .n_alone = 30};
  const Candidate text{.slot = 2, .n_left = 10, .order = 2};
  const StepPlan plan = plan_step(std::vector{image, text}, room(64, 64));
  REQUIRE(plan.prefills.size() == 1);
  CHECK(plan.prefills[0].slot == 2);
}

TEST_CASE("the target is what was asked for, else it follows the decode step within bounds") {
  const std::vector<Candidate> text{decoding(0), prefilling(1, 10)};
  CHECK(itl_target_ms(30, text, 500) == 30);
  CHECK(itl_target_ms({}, text, 2) == 50);
  CHECK(itl_target_ms({}, text, 40) == 240);
  CHECK(itl_target_ms({}, text, 900) == 1000);
}

TEST_CASE("prompts with pictures leave streams two thirds of their speed, unless text waits too") {
  std::vector<Candidate> candidates{decoding(0), prefilling(1, 10)};
  candidates[1].has_media = true;
  CHECK(itl_target_ms({}, candidates, 40) == 60);
  CHECK(itl_target_ms({}, candidates, 2) == 25);
  CHECK(itl_target_ms(30, candidates, 40) == 30);
  candidates.push_back(prefilling(2, 10));
  CHECK(itl_target_ms({}, candidates, 40) == 240);
}

TEST_CASE("rows with logits are shared among the prompts that are scored") {
  std::vector<Candidate> candidates{decoding(0, 8), prefilling(1, 1000), prefilling(2, 900),
                                    prefilling(3, 100)};
  candidates[1].is_scoring = candidates[2].is_scoring = true;
  StepRoom tight = room(512, 400);
  tight.n_outputs = 24;
  const StepPlan plan = plan_step(candidates, tight);
  std::int32_t n_outputs = 0;
  std::int32_t n_plain = 0;
  for (const PlannedRows &rows : plan.prefills) {
    n_outputs += rows.n_outputs;
    n_plain += rows.slot == 3 ? rows.n_rows : 0;
    CHECK((rows.slot == 3 || rows.n_outputs == rows.n_rows));
  }
  CHECK(n_outputs == 10 + 3); // half of what one row of each leaves: drafts have the rest
  CHECK(n_plain == 100);
  candidates.erase(candidates.begin());
  const StepPlan alone = plan_step(candidates, tight);
  n_outputs = 0;
  for (const PlannedRows &rows : alone.prefills) {
    n_outputs += rows.n_outputs;
  }
  CHECK(n_outputs <= 24);
}
