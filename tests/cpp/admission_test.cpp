#include "engine/admission.h"
#include "fake_kv.h"

#include <doctest/doctest.h>

#include <list>
#include <string>

using namespace llamabox;

namespace {

struct Setup {
  explicit Setup(std::int32_t n_cells, std::int32_t n_slots = 3, std::int32_t n_spare = 0)
      : kv({.kind = KvKind::kUnified,
            .n_seqs = n_slots + n_spare,
            .n_cells = n_cells,
            .can_share = true}),
        slots(n_slots), cache(kv), admission(slots, queue, cache) {}

  void wait(const std::string &text, LiveRequest *request = nullptr) {
    auto sequence = std::make_unique<Sequence>();
    auto prompt = std::make_shared<Prompt>();
    prompt->tokens.assign(text.begin(), text.end());
    sequence->prompt = prompt;
    sequence->tokens = prompt->tokens;
    sequence->keys = prompt->prefix_keys();
    sequence->request = request ? request : &requests.emplace_back();
    sequence->order = ++n_arrived;
    queue.insert(std::move(sequence));
  }

  // As if the sequence's prompt had been decoded.
  void prefill(Sequence &sequence) {
    for (Pos i = sequence.n_past; i < sequence.n_tokens(); ++i) {
      Row row;
      row.token = sequence.tokens[static_cast<std::size_t>(i)];
      row.seq = sequence.seq;
      kv.append(row);
    }
    cache.append(sequence.seq, sequence.keys_at(sequence.n_past, sequence.n_left()));
    sequence.n_past = sequence.n_tokens();
    sequence.phase = Phase::kDecode;
  }

  FakeKv kv;
  SlotTable slots;
  WaitQueue queue;
  PrefixCache cache;
  Admission admission;
  std::list<LiveRequest> requests; // one of its own for each that shares none
  std::uint64_t n_arrived = 0;
};

} // namespace

TEST_CASE("what does not fit waits, and those behind it too") {
  Setup setup(100);
  setup.wait(std::string(50, 'a'));
  setup.wait(std::string(60, 'b'));
  setup.wait(std::string(5, 'c'));
  const auto admitted = setup.admission.admit();
  REQUIRE(admitted.size() == 1);
  setup.prefill(*admitted[0]);
  CHECK(setup.admission.admit().empty());
  setup.admission.release(admitted[0]->slot);
  CHECK(setup.admission.admit().size() == 2); // the retained prefix of the first is evicted
}

TEST_CASE("alone, a sequence may fill the whole memory") {
  Setup setup(100);
  setup.wait(std::string(100, 'a'));
  CHECK(setup.admission.admit().size() == 1);
}

TEST_CASE("a retained prefix is taken in place, its neighbour is left alone") {
  Setup setup(1000);
  setup.wait("system prompt. first");
  setup.wait("something else");
  for (Sequence *sequence : setup.admission.admit()) {
    setup.prefill(*sequence);
  }
  setup.admission.release(0);
  setup.admission.release(1);
  setup.wait("system prompt. second");
  const auto admitted = setup.admission.admit();
  REQUIRE(admitted.size() == 1);
  CHECK(admitted[0]->n_past == 15);
  CHECK(setup.cache.length(1) == 14);
}

TEST_CASE("a short match does not destroy a long retained prefix while another id is free") {
  Setup setup(1000);
  setup.wait("sys. " + std::string(200, 'x'));
  Sequence &first = *setup.admission.admit().at(0);
  setup.prefill(first);
  const SeqId retained = first.seq;
  setup.admission.release(0);
  setup.wait("sys. short");
  const auto admitted = setup.admission.admit();
  REQUIRE(admitted.size() == 1);
  CHECK(admitted[0]->seq != retained);
  CHECK(admitted[0]->n_past == 5);
  CHECK(setup.cache.length(retained) == 205);
}

TEST_CASE("a choice waits for the prefill it will share, others need not") {
  Setup setup(1000);
  LiveRequest request;
  setup.wait("the choices share this prompt", &request);
  setup.wait("the choices share this prompt", &request);
  setup.wait("someone else");
  const auto first = setup.admission.admit();
  CHECK(first.size() == 2);
  setup.prefill(*first[0]);
  const auto second = setup.admission.admit();
  REQUIRE(second.size() == 1);
  CHECK(second[0]->n_past == 28);
}

TEST_CASE("the youngest is preempted, never the last one running") {
  Setup setup(1000);
  setup.wait("old");
  setup.wait("young");
  for (Sequence *sequence : setup.admission.admit()) {
    setup.prefill(*sequence);
  }
  REQUIRE(setup.admission.victim());
  setup.admission.preempt(*setup.admission.victim());
  CHECK(setup.slots.n_busy() == 1);
  CHECK(setup.slots.bound()[0]->order == 1);
  CHECK_FALSE(setup.admission.victim());
  CHECK(setup.kv.n_used() == 8); // what it has computed is a retained prefix
  CHECK(setup.admission.evict_retained(1));
  CHECK(setup.kv.n_used() == 3);
  CHECK_FALSE(setup.admission.evict_retained(1));
}

TEST_CASE("a preempted sequence goes on from what nobody else needed") {
  Setup setup(400);
  setup.wait(std::string(100, 'a'));
  setup.wait(std::string(200, 'b'));
  for (Sequence *sequence : setup.admission.admit()) {
    setup.prefill(*sequence);
  }
  setup.admission.preempt(*setup.admission.victim());
  CHECK(setup.admission.evict_retained(30));
  CHECK(setup.cache.n_used() == 270);
  const auto admitted = setup.admission.admit();
  REQUIRE(admitted.size() == 1);
  CHECK(admitted[0]->n_past == 170);
  CHECK(admitted[0]->n_given_up == 200);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
}

TEST_CASE("who cannot resume gives way after those who can, the eldest never") {
  Setup setup(1000);
  for (const char *text : {"oldest", "older", "young"}) {
    setup.wait(text);
  }
  for (Sequence *sequence : setup.admission.admit()) {
    setup.prefill(*sequence);
    sequence->push('x');
    sequence->has_moved_cells = sequence->order != 2;
  }
  CHECK(setup.admission.victim()->order == 2);
  setup.admission.preempt(*setup.admission.victim());
  CHECK(setup.admission.victim()->order == 3);
  CHECK_FALSE(can_resume(*setup.admission.victim()));
}

TEST_CASE("a wanted slot is taken when it is free, else any other") {
  Setup setup(1000);
  setup.wait("first");
  setup.wait("second");
  for (auto &waiting : setup.queue) {
    waiting->wanted_slot = 2;
  }
  const auto admitted = setup.admission.admit();
  REQUIRE(admitted.size() == 2);
  CHECK(admitted[0]->slot == 2);
  CHECK(admitted[1]->slot != 2);
}

TEST_CASE("a pinned prefix goes last, and is taken by whom it suits") {
  Setup setup(1000);
  for (const char *text : {"pinned text", "other text", "more"}) {
    setup.wait(text);
  }
  for (Sequence *sequence : setup.admission.admit()) {
    setup.prefill(*sequence);
  }
  for (std::int32_t slot = 0; slot < 3; ++slot) {
    setup.admission.release(slot);
  }
  setup.cache.pin(0); // the one used least recently
  REQUIRE(setup.admission.evict_retained(1000));
  REQUIRE(setup.admission.evict_retained(1000));
  CHECK(setup.cache.length(0) == 11);
  setup.wait("something else");
  CHECK(setup.admission.admit()[0]->seq != 0);
  setup.wait("pinned text goes on");
  const auto suited = setup.admission.admit();
  CHECK(suited[0]->seq == 0);
  CHECK(suited[0]->n_past == 11);
  CHECK_FALSE(setup.cache.is_pinned(0));
  setup.admission.release(suited[0]->slot);
  setup.cache.pin(0);
  CHECK(setup.admission.evict_retained(1000)); // nothing else is left
}
