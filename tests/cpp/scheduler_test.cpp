#include "rig.h"

#include <doctest/doctest.h>

#include <numeric>

using namespace llamabox;

namespace {

// Knows the text that will come, and errs at every third call.
class FakeProposer final : public Proposer {
public:
  explicit FakeProposer(std::string guess) : guess_(std::move(guess)) {}
  std::vector<Draft> propose(std::span<const DraftWish> wishes) override {
    std::vector<Draft> drafts;
    for (const DraftWish &wish : wishes) {
      drafts.emplace_back().tokens = guess(wish.tokens, wish.n_max);
    }
    return drafts;
  }
  std::optional<std::int32_t> n_behind(const DraftWish &) const override { return 1; }
  const StepCost &cost() const override { return cost_; }

private:
  std::vector<Token> guess(std::span<const Token> tokens, std::int32_t n_max) {
    const auto n = std::min<std::size_t>(4, static_cast<std::size_t>(n_max));
    std::vector<Token> draft;
    for (std::size_t i = 0; i < n && tokens.size() + i < guess_.size(); ++i) {
      draft.push_back(static_cast<unsigned char>(guess_[tokens.size() + i]));
    }
    if (++n_calls_ % 3 == 0 && draft.size() > 1) {
      draft[1] = '!';
    }
    return draft;
  }

  StepCost cost_;
  std::string guess_;
  int n_calls_ = 0;
};

class SplittingParser final : public OutputParser {
public:
  OutputDelta feed(std::string_view text) override {
    OutputDelta delta;
    for (const char c : text) {
      (c < 'n' ? delta.text : delta.reasoning) += c;
    }
    return delta;
  }
  OutputDelta finish() override {
    OutputDelta delta;
    delta.tool_calls.push_back({0, "call", "get_weather", "{}"});
    return delta;
  }
  bool has_tool_calls() const override { return true; }
  bool in_reasoning() const override { return false; }
};

// Has heard enough after its third piece of text.
class ImpatientParser final : public OutputParser {
public:
  OutputDelta feed(std::string_view text) override {
    n_pieces_ += text.empty() ? 0 : 1;
    return {};
  }
  OutputDelta finish() override { return {}; }
  bool has_tool_calls() const override { return true; }
  bool in_reasoning() const override { return false; }
  bool is_over() const override { return n_pieces_ >= 3; }

private:
  int n_pieces_ = 0;
};

} // namespace

TEST_CASE("one request streams its text and ends in one terminal event") {
  Rig rig;
  const RequestId id = rig.generate("hello", 20);
  rig.run_until_idle();
  CHECK(rig.text(id) == alone("hello", 20));
  CHECK(rig.text(id).size() == 20);
  CHECK(rig.outcome(id).finish.at(0) == FinishReason::kLength);
  REQUIRE(rig.outcome(id).done.size() == 1);
  CHECK(rig.done(id).usage.n_prompt == 5);
  CHECK(rig.done(id).usage.n_generated == 20);
  CHECK(rig.done(id).usage.ttft_ms > 0);
  CHECK(rig.outcome(id).n_events == 21); // a delta a token, the last inside finish, then done
  CHECK(rig.registry().n_live() == 0);
}

TEST_CASE("batched equals alone, whatever runs beside") {
  Rig rig({.n_ctx = 512, .n_cells = 4096, .n_batch = 16, .n_slots = 8});
  std::vector<std::pair<RequestId, std::string>> expected;
  for (int i = 0; i < 24; ++i) {
    const std::string prompt(static_cast<std::size_t>(3 + i * 7), static_cast<char>('a' + i));
    expected.emplace_back(rig.generate(prompt, 10 + i), alone(prompt, 10 + i));
    if (i % 3 == 0) {
      rig.step();
    }
  }
  rig.run_until_idle();
  for (const auto &[id, text] : expected) {
    CHECK(rig.text(id) == text);
  }
}

TEST_CASE("a prompt longer than the batch is prefilled in chunks") {
  Rig rig({.n_ctx = 300, .n_cells = 300, .n_batch = 16});
  rig.runner().keep_log = true;
  const std::string prompt(100, 'x');
  const RequestId id = rig.generate(prompt, 5);
  rig.run_until_idle();
  CHECK(rig.text(id) == alone(prompt, 5));
  CHECK(rig.runner().log.at(0).size() == 16);
  CHECK(std::ranges::count_if(rig.runner().log.at(0), [](const Row &r) { return r.logits; }) == 0);
}

TEST_CASE("a prefix held by an idle or a running slot is not prefilled again") {
  Rig rig;
  const std::string prompt = "the same long beginning, ";
  const RequestId first = rig.generate(prompt + "one", 8);
  rig.run_until_idle();
  const RequestId second = rig.generate(prompt + "two", 8);
  rig.step();
  const RequestId third = rig.generate(prompt + "three", 8);
  rig.run_until_idle();
  CHECK(rig.text(first) == alone(prompt + "one", 8));
  CHECK(rig.text(second) == alone(prompt + "two", 8));
  CHECK(rig.text(third) == alone(prompt + "three", 8));
  CHECK(rig.done(second).usage.n_cached == static_cast<int>(prompt.size()));
  CHECK(rig.done(third).usage.n_cached == static_cast<int>(prompt.size()) + 1);
  CHECK(rig.kv().n_shares > 0);
  CHECK(rig.scheduler().stats().n_kv_used == rig.kv().n_used());
}

TEST_CASE("memory that cannot share or trim takes the cold path and stays right") {
  for (const KvKind kind : {KvKind::kRecurrent, KvKind::kHybrid, KvKind::kSplit}) {
    Rig rig({.kind = kind});
    const RequestId first = rig.generate("a common start, one", 8);
    rig.run_until_idle();
    const RequestId second = rig.generate("a common start, two", 8);
    const RequestId third = rig.generate("a common start, two", 8);
    rig.run_until_idle();
    CHECK(rig.text(first) == alone("a common start, one", 8));
    CHECK(rig.text(second) == alone("a common start, two", 8));
    CHECK(rig.text(third) == alone("a common start, two", 8));
    CHECK(rig.kv().n_shares == 0);
    CHECK(rig.done(second).usage.n_cached == (kind == KvKind::kSplit ? 16 : 0));
  }
}

TEST_CASE("a sliding window that has forgotten the prefix is prefilled again") {
  Rig rig({.kind = KvKind::kSlidingWindow, .n_window = 8});
  const RequestId first = rig.generate("window model, one", 20);
  rig.run_until_idle();
  const RequestId second = rig.generate("window model, two", 20);
  rig.run_until_idle();
  CHECK(rig.text(first) == alone("window model, one", 20));
  CHECK(rig.text(second) == alone("window model, two", 20));
  CHECK(rig.done(second).usage.n_cached == 0);
}

TEST_CASE("sequences of another class share no prefix") {
  Rig rig({.n_loras = 1});
  rig.generate("one prompt", 4);
  rig.run_until_idle();
  Request request = Rig::generate_request("one prompt", 4);
  std::get<GenerateRequest>(request.body).loras = LoraSet{};
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.done(id).usage.n_cached == 0);
}

TEST_CASE("n choices share one prefill and differ by seed") {
  Rig rig({.n_ctx = 512, .n_cells = 512, .n_batch = 32});
  Request request = Rig::generate_request(std::string(100, 'p'), 10, 3);
  auto &body = std::get<GenerateRequest>(request.body);
  body.sampling.temperature = 1;
  body.sampling.seed = 11;
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.outcome(id).finish.size() == 3);
  CHECK(rig.outcome(id).done.size() == 1);
  CHECK(rig.text(id, 0) != rig.text(id, 1));
  CHECK(rig.text(id, 1) != rig.text(id, 2));
  CHECK(rig.done(id).usage.n_generated == 30);
  CHECK(rig.scheduler().stats().n_prompt_tokens == 100 + 2);
}

TEST_CASE("more requests than slots wait their turn and all finish") {
  Rig rig({.n_slots = 2});
  std::vector<RequestId> ids;
  for (int i = 0; i < 9; ++i) {
    ids.push_back(rig.generate("request " + std::to_string(i), 6));
  }
  rig.run_until_idle();
  for (int i = 0; i < 9; ++i) {
    CHECK(rig.text(ids[static_cast<std::size_t>(i)]) == alone("request " + std::to_string(i), 6));
  }
}

TEST_CASE("priority goes first, then age") {
  Rig rig({.n_slots = 1});
  rig.generate("running", 4);
  rig.step();
  const RequestId low = rig.generate("low", 2);
  Request urgent = Rig::generate_request("urgent", 2);
  urgent.priority = 1;
  const RequestId high = rig.submit(std::move(urgent));
  rig.run_until_idle();
  CHECK(rig.done(high).usage.queue_ms < rig.done(low).usage.queue_ms);
}

TEST_CASE("stop strings end a choice and never show") {
  const std::string whole = alone("tell me", 40);
  const std::string stop = whole.substr(17, 3);
  Rig rig;
  Request request = Rig::generate_request("tell me", 40);
  std::get<GenerateRequest>(request.body).stop = {"never there", stop};
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.text(id) == whole.substr(0, whole.find(stop)));
  CHECK(rig.outcome(id).finish.at(0) == FinishReason::kStop);
}

TEST_CASE("the end token stops without text") {
  Rig rig({.end_one_in = 5});
  const RequestId id = rig.generate("ends soon", 200);
  rig.run_until_idle();
  CHECK(rig.outcome(id).finish.at(0) == FinishReason::kStop);
  CHECK(rig.done(id).usage.n_generated == static_cast<int>(rig.text(id).size()) + 1);
}

TEST_CASE("a full context ends with length") {
  Rig rig({.n_ctx = 32, .n_cells = 64});
  const RequestId id = rig.generate("0123456789", -1);
  rig.run_until_idle();
  CHECK(rig.outcome(id).finish.at(0) == FinishReason::kLength);
  CHECK(rig.text(id).size() == 22);
}

TEST_CASE("drafts change nothing but the number of steps") {
  const std::string prompt = "guess along ";
  const std::string expected = alone(prompt, 40);
  Rig rig({}, {}, std::make_unique<FakeProposer>(prompt + expected));
  const RequestId id = rig.generate(prompt, 40);
  rig.run_until_idle();
  const Usage &usage = rig.done(id).usage;
  CHECK(rig.text(id) == expected);
  CHECK(rig.scheduler().stats().n_steps < 25);
  CHECK(usage.n_generated == 40);
  CHECK(usage.n_draft > usage.n_draft_accepted);
  CHECK(usage.n_draft_accepted > 10);
}

TEST_CASE("an output parser splits the text and turns stop into tool_calls") {
  Rig rig({.end_one_in = 6});
  Submission submission;
  submission.ticket = rig.registry().accept();
  submission.request = Rig::generate_request("use a tool", 100);
  Arrival arrival = prepare(std::move(submission), rig.models());
  arrival.make_parser = [] { return std::make_unique<SplittingParser>(); };
  const RequestId id = rig.submit_prepared(std::move(arrival));
  rig.run_until_idle();
  const std::string &text = rig.text(id);
  const std::string &reasoning = rig.outcome(id).reasoning;
  const std::string whole = alone("use a tool", 100, {.end_one_in = 6});
  CHECK(text.size() + reasoning.size() == whole.size());
  CHECK(std::ranges::all_of(text, [](char c) { return c < 'n'; }));
  CHECK(rig.outcome(id).n_tool_calls == 1);
  CHECK(rig.outcome(id).finish.at(0) == FinishReason::kToolCalls);
}

TEST_CASE("an answer that its parser calls whole ends with the next token") {
  Rig rig;
  Submission submission;
  submission.ticket = rig.registry().accept();
  submission.request = Rig::generate_request("use a tool", 100);
  Arrival arrival = prepare(std::move(submission), rig.models());
  arrival.make_parser = [] { return std::make_unique<ImpatientParser>(); };
  const RequestId id = rig.submit_prepared(std::move(arrival));
  rig.run_until_idle();
  CHECK(rig.outcome(id).finish.at(0) == FinishReason::kToolCalls);
  CHECK(rig.done(id).usage.n_generated == 4);
}

TEST_CASE("media rows run as embeddings at their own positions, whole when they must be") {
  auto embd = std::make_shared<std::vector<float>>(24 * 4);
  std::iota(embd->begin(), embd->end(), 0.5F);
  MediaSpan span{.start = 3,
                 .n_rows = 24,
                 .n_pos = 5,
                 .hash = 99,
                 .can_split = false,
                 .embd = embd,
                 .positions = {}};
  for (Pos i = 0; i < 24; ++i) {
    span.positions.push_back({0, i / 6, i % 6, 0});
  }
  const auto run = [&](std::int32_t n_batch, std::int32_t n_cells) {
    Rig rig({.n_cells = n_cells, .n_batch = n_batch});
    rig.runner().keep_log = true;
    rig.generate("decodes beside", 60);
    rig.step();
    Submission submission;
    submission.ticket = rig.registry().accept();
    submission.request = Rig::generate_request("abc????????????????????????xyz", 8);
    Arrival arrival = prepare(std::move(submission), rig.models());
    auto prompt = std::make_shared<Prompt>(*arrival.prompt);
    std::fill_n(prompt->tokens.begin() + 3, 24, kNoToken);
    prompt->media = {span};
    arrival.prompt = prompt;
    const RequestId id = rig.submit_prepared(std::move(arrival));
    rig.run_until_idle();
    for (const Batch &batch : rig.runner().log) {
      const auto n_embd_rows = std::ranges::count_if(batch, [](const Row &r) { return r.embd; });
      CHECK((n_embd_rows == 0 || n_embd_rows == 24));
    }
    return rig.text(id);
  };
  CHECK(run(64, 256).size() == 8);
  CHECK(run(30, 256) == run(64, 256));
  CHECK(run(30, 90) == run(64, 256));
}

TEST_CASE("every kind of request ends in exactly one terminal event") {
  Rig rig;
  Request render;
  render.body = RenderRequest{ChatPrompt{{{"user", "hi"}}, true}};
  const RequestId rendered = rig.submit(std::move(render));
  std::vector<RequestId> sides;
  for (const SideKind kind :
       {SideKind::kSetLora, SideKind::kSlotSave, SideKind::kSlotRestore, SideKind::kSlotErase}) {
    SideRequest side;
    side.call.kind = kind;
    side.call.slot = 0;
    Request request;
    request.body = std::move(side);
    sides.push_back(rig.submit(std::move(request)));
  }
  rig.run_until_idle();
  CHECK(rig.done(rendered).result->text == "user:hi\nassistant:");
  for (const RequestId id : sides) {
    CHECK(rig.outcome(id).done.size() == 1);
  }
  CHECK(rig.done(sides[2]).error == ErrorCode::kInvalidArgument);
  CHECK(rig.done(sides[2]).param == "filename");
}

TEST_CASE("what a model has no adapters for is refused by terminal event") {
  Rig rig;
  Request request;
  request.body = SideRequest{};
  const RequestId id = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.done(id).error == ErrorCode::kUnsupported);
}

TEST_CASE("special tokens are shown where the server is told so") {
  const auto text_of = [](bool render_special) {
    EngineParams params;
    params.render_special = render_special;
    Rig rig({.end_one_in = 1}, params);
    const RequestId id = rig.generate("hello", 5);
    rig.run_until_idle();
    CHECK(rig.outcome(id).finish.at(0) == FinishReason::kStop);
    return rig.text(id);
  };
  CHECK(text_of(false).empty());
  CHECK(text_of(true) == "<end>");
}
