#include "engine/slot_table.h"
#include "engine/wait_queue.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

std::unique_ptr<Sequence> waiting(std::uint64_t order, std::int32_t priority,
                                  LiveRequest *request = nullptr) {
  auto sequence = std::make_unique<Sequence>();
  sequence->order = order;
  sequence->rank_ns = -priority;
  sequence->request = request;
  auto prompt = std::make_shared<Prompt>();
  prompt->tokens.resize(order);
  sequence->prompt = prompt;
  return sequence;
}

} // namespace

TEST_CASE("the queue is by priority, then by age, also for what comes back") {
  WaitQueue queue;
  LiveRequest gone;
  queue.insert(waiting(5, 0));
  queue.insert(waiting(6, 1));
  queue.insert(waiting(2, 0));
  queue.insert(waiting(3, 0, &gone));
  CHECK(queue.n_prompt_tokens() == 16);
  queue.remove(&gone);
  std::vector<std::uint64_t> orders;
  while (!queue.empty()) {
    orders.push_back(queue.take(queue.begin())->order);
  }
  CHECK(orders == std::vector<std::uint64_t>{6, 2, 5});
  CHECK(queue.n_prompt_tokens() == 0);
}

TEST_CASE("a slot is free or bound to one sequence") {
  SlotTable slots(3);
  Sequence &sequence = slots.bind(1, waiting(1, 0));
  CHECK(sequence.slot == 1);
  CHECK(slots.free_slots() == std::vector<SeqId>{0, 2});
  CHECK(slots.seat_of(&sequence) == 1);
  CHECK(slots.n_busy() == 1);
  Sequence &before = slots.bind(0, waiting(2, 0));
  CHECK(slots.bound() == std::vector<Sequence *>{&before, &sequence});
  slots.release(0);
  CHECK(slots.release(1)->slot == kNoSlot);
  CHECK(slots.bound().empty());
}
