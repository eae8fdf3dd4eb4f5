// A seeded storm: submissions, cancellations, failures, context shifts, moved chunks, slots saved,
// restored and erased, and memory too small for all, with every invariant checked after every step
// and every finished text compared with the undisturbed one.
#include "fake_drafter.h"
#include "rig.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <memory>
#include <random>
#include <vector>

using namespace llamabox;

namespace {

struct Expected {
  std::string prompt;
  std::int32_t max_tokens = 0;
  std::int32_t n = 1;
  bool cancelled = false;
  bool moves_chunks = false; // its prompt may be taken over in pieces
};

class Storm {
public:
  explicit Storm(std::uint32_t seed)
      : random_(seed), model_(make_model()), params_(make_params()),
        drafter_(make_fake_drafter(make_draft_model())),
        rig_(model_, params_, below(2) == 0 ? std::move(drafter_.proposer) : nullptr),
        n_failures_left_(below(3)) {}

  void run() {
    for (int i = 0; i < 300; ++i) {
      if (below(3) == 0) {
        submit();
      }
      if (below(12) == 0 && !expected_.empty()) {
        auto it = expected_.begin();
        std::advance(it, below(static_cast<int>(expected_.size())));
        it->second.cancelled = true;
        rig_.cancel(it->first);
      }
      if (below(6) == 0) {
        touch_slot();
      }
      if (below(10) == 0) {
        rig_.runner().next_status.push_back(DecodeStatus::kNoCells);
      }
      if (below(60) == 0 && n_failures_left_-- > 0) {
        rig_.runner().next_status.push_back(DecodeStatus::kFailed);
      }
      rig_.step();
    }
    rig_.runner().next_status.clear();
    rig_.run_until_idle();
    check();
    check_slots();
  }

private:
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint32_t>(n)); }

  FakeModelParams make_model() {
    FakeModelParams model;
    model.n_ctx = 64;
    model.n_slots = 1 + below(5);
    model.n_batch = 8 + below(40);
    model.n_cells = 64 + below(200);
    model.end_one_in = below(2) * 25;
    model.n_spare_seqs = below(6);
    model.kind = std::array{KvKind::kUnified, KvKind::kUnified, KvKind::kSplit,
                            KvKind::kRecurrent}[static_cast<std::size_t>(below(4))];
    if (model.kind == KvKind::kSplit || model.kind == KvKind::kRecurrent) {
      model.n_cells = model.n_ctx * model.n_slots;
    }
    return model;
  }

  // Half of the time it knows the target's text; its memory is often too small.
  FakeModelParams make_draft_model() {
    FakeModelParams model = model_;
    model.n_cells = 40 + below(200);
    model.n_batch = 8 + below(40);
    model.fixed_text = below(2) == 0 ? "abcabc1" : "";
    return model;
  }

  EngineParams make_params() {
    EngineParams params;
    params.context_shift = below(2) == 0;
    params.n_keep = below(30) - 1;
    params.cache_ram_bytes = below(2) == 0 ? 4000U << static_cast<unsigned>(below(8)) : 0;
    params.speculation.n_max = 1 + below(6);
    params.speculation.n_min = below(3);
    params.speculation.lookup_ngram_min = below(3);
    params.speculation.adapt = below(3) == 0;
    return params;
  }

  // Any action on any slot, with a state that was saved from any; restoring may be refused.
  void touch_slot() {
    SideRequest side;
    side.call.kind = std::array{SideKind::kSlotSave, SideKind::kSlotRestore,
                                SideKind::kSlotErase}[static_cast<std::size_t>(below(3))];
    side.call.slot = below(model_.n_slots + 1);
    if (side.call.kind == SideKind::kSlotRestore && !saved_.empty()) {
      const auto at = static_cast<std::size_t>(below(static_cast<int>(saved_.size())));
      side.call.saved = std::make_shared<SavedSlot>(*saved_[at]);
      rig_.kv().n_refusals = below(5) == 0 ? 1 : 0;
    }
    Request request;
    request.body = std::move(side);
    const RequestId id = rig_.submit(std::move(request));
    actions_.push_back(id);
    rig_.step();
    const Outcome &outcome = rig_.outcome(id);
    if (outcome.done.size() == 1 && outcome.done[0].result && outcome.done[0].result->saved) {
      saved_.push_back(outcome.done[0].result->saved);
    }
  }

  void check_slots() {
    for (const RequestId id : actions_) {
      REQUIRE(rig_.outcome(id).done.size() == 1);
      const ErrorCode error = rig_.done(id).error;
      CHECK((error == ErrorCode::kNone || error == ErrorCode::kNotFound ||
             error == ErrorCode::kUnavailable || error == ErrorCode::kInvalidArgument));
    }
  }

  void submit() {
    Expected one;
    one.prompt =
        std::string(static_cast<std::size_t>(1 + below(below(3) == 0 ? 45 : 20)), "abc"[below(3)]) +
        std::to_string(below(20));
    one.max_tokens = below(2) == 0 ? -1 : 1 + below(30);
    one.n = 1 + below(8) / 6;
    Request request = Rig::generate_request(one.prompt, one.max_tokens, one.n);
    request.priority = below(5) == 0 ? below(5) - 2 : 0;
    auto &generate = std::get<GenerateRequest>(request.body);
    generate.slot = below(4) == 0 ? below(model_.n_slots) : kNoSlot;
    generate.share_group = below(4) == 0 ? "other" : "";
    one.moves_chunks = below(6) == 0;
    generate.n_cache_reuse = one.moves_chunks ? 1 + below(4) : 0;
    expected_.emplace(rig_.submit(std::move(request)), one);
  }

  void check() {
    for (const auto &[id, one] : expected_) {
      const Outcome &outcome = rig_.outcome(id);
      REQUIRE(outcome.done.size() == 1);
      const Event &done = outcome.done[0];
      if (done.finish == FinishReason::kNone) {
        for (std::int32_t choice = 0; choice < one.n; ++choice) {
          check_text(one, rig_.text(id, choice));
        }
      } else if (done.finish == FinishReason::kCancelled) {
        CHECK(one.cancelled);
      } else {
        CHECK((done.error == ErrorCode::kInternal || done.error == ErrorCode::kContextExceeded ||
               done.error == ErrorCode::kQueueFull));
      }
    }
    CHECK(rig_.registry().n_live() == 0);
    CHECK(rig_.registry().n_waiting() == 0);
    CHECK(rig_.scheduler().stats().n_kv_used == rig_.kv().n_used());
  }

  // Of a text that shifted, what came before; later tokens depend on who shared its cells then.
  // A moved chunk is not what a prefill makes, so neither is what follows it.
  void check_text(const Expected &one, const std::string &text) {
    const std::string &expected = undisturbed(one);
    const bool shifts = params_.context_shift && rig_.kv().traits().can_shift;
    const auto n_longest =
        static_cast<std::size_t>(one.max_tokens < 0 ? model_.n_ctx : one.max_tokens);
    CHECK(text.size() <= n_longest);
    if (!one.moves_chunks && text.size() > expected.size()) {
      CHECK(shifts);
      CHECK(text.substr(0, expected.size()) == expected);
    } else if (!one.moves_chunks) {
      CHECK(text == expected);
    }
  }

  const std::string &undisturbed(const Expected &one) {
    const auto n_prompt = static_cast<std::int32_t>(one.prompt.size());
    const std::int32_t n_room = model_.n_ctx - n_prompt;
    const std::int32_t n = one.max_tokens < 0 ? n_room : std::min(one.max_tokens, n_room);
    std::string &text = undisturbed_[{one.prompt, n}];
    if (text.empty()) {
      text = alone(one.prompt, n, model_);
    }
    return text;
  }

  std::minstd_rand random_;
  FakeModelParams model_;
  EngineParams params_;
  FakeDrafter drafter_;
  Rig rig_;
  int n_failures_left_;
  std::map<RequestId, Expected> expected_;
  std::vector<RequestId> actions_; // on slots
  std::vector<std::shared_ptr<SavedSlot>> saved_;
  std::map<std::pair<std::string, std::int32_t>, std::string> undisturbed_;
};

} // namespace

TEST_CASE("a storm of requests leaves every invariant whole and every text undisturbed") {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Storm(seed).run();
  }
}
