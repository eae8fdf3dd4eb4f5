// Drafts of every kind beside everything that disturbs a sequence: the text stays what it is, and
// a draft model that equals the target is always right, which it only is while its memory follows.
#include "fake_drafter.h"
#include "rig.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace llamabox;

namespace {

EngineParams drafting(std::int32_t lookup_ngram_min = 0) {
  EngineParams params;
  params.speculation.n_max = 6;
  params.speculation.adapt = false;
  params.speculation.lookup_ngram_min = lookup_ngram_min;
  return params;
}

class DraftRig {
public:
  explicit DraftRig(const FakeModelParams &model, EngineParams params = drafting())
      : drafter_(make_fake_drafter(model)), rig(model, params, std::move(drafter_.proposer)) {}

  FakeRunner &drafter() { return *drafter_.runner; }

private:
  FakeDrafter drafter_;

public:
  Rig rig;
};

bool all_right(const Usage &usage) { return usage.n_draft == usage.n_draft_accepted; }

} // namespace

TEST_CASE("a draft model that equals the target is always right") {
  DraftRig one({});
  const RequestId id = one.rig.generate("tell me", 40);
  one.rig.run_until_idle();
  const Usage &usage = one.rig.done(id).usage;
  CHECK(one.rig.text(id) == alone("tell me", 40));
  CHECK(all_right(usage));
  CHECK(usage.n_generated == 40);
  CHECK(one.rig.scheduler().stats().n_steps <= 8);
}

TEST_CASE("many sequences draft together, also choices of one prompt") {
  DraftRig one({.n_ctx = 256, .n_cells = 2000});
  std::vector<RequestId> ids;
  for (const char *prompt : {"first", "second one", "a third of them"}) {
    ids.push_back(one.rig.generate(prompt, 30));
  }
  const RequestId twins = one.rig.generate("two of the same kind, which share", 30, 2);
  one.rig.run_until_idle();
  CHECK(one.rig.text(ids[0]) == alone("first", 30));
  CHECK(one.rig.text(ids[1]) == alone("second one", 30));
  CHECK(one.rig.text(ids[2]) == alone("a third of them", 30));
  CHECK(one.rig.text(twins, 1) == alone("two of the same kind, which share", 30));
  CHECK(all_right(one.rig.done(ids[0]).usage));
  CHECK(all_right(one.rig.done(twins).usage));
}

TEST_CASE("drafts follow a preempted sequence to its next slot") {
  const FakeModelParams model{.n_ctx = 128, .n_cells = 150, .n_slots = 3};
  DraftRig one(model);
  std::vector<RequestId> ids;
  const std::vector<std::string> prompts{"the first of them", "the second one", "and the third"};
  for (const std::string &prompt : prompts) {
    ids.push_back(one.rig.generate(prompt, 70));
  }
  one.rig.run_until_idle();
  CHECK(one.rig.scheduler().stats().n_preempted > 0);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    CHECK(one.rig.text(ids[i]) == alone(prompts[i], 70));
    CHECK(all_right(one.rig.done(ids[i]).usage));
    CHECK(one.rig.done(ids[i]).usage.n_draft > 0);
  }
}

TEST_CASE("drafts follow a cancelled sequence's slot to the next one") {
  DraftRig one({.n_slots = 1});
  const RequestId gone = one.rig.generate("something else", 60);
  for (int i = 0; i < 4; ++i) {
    one.rig.step();
  }
  one.rig.cancel(gone);
  const RequestId id = one.rig.generate("something new", 40);
  one.rig.run_until_idle();
  CHECK(one.rig.text(id) == alone("something new", 40));
  CHECK(all_right(one.rig.done(id).usage));
}

TEST_CASE("a shifted context changes no text, whoever drafts") {
  const FakeModelParams model{.n_ctx = 48, .n_cells = 200};
  for (const std::int32_t ngram : {0, 1}) {
    EngineParams params;
    params.context_shift = true;
    params.n_keep = 4;
    Rig plain(model, params);
    const RequestId expected = plain.generate("shift me along", 120);
    plain.run_until_idle();
    EngineParams with = drafting(ngram);
    with.context_shift = true;
    with.n_keep = 4;
    DraftRig one(model, with);
    const RequestId id = one.rig.generate("shift me along", 120);
    one.rig.run_until_idle();
    CHECK(one.rig.text(id) == plain.text(expected));
    CHECK(one.rig.done(id).usage.n_dropped == plain.done(expected).usage.n_dropped);
    CHECK(one.rig.done(id).usage.n_draft > 0);
  }
}

TEST_CASE("a text that repeats is looked up") {
  const FakeModelParams model{.n_ctx = 512, .n_cells = 1024, .fixed_text = "say it again. "};
  Rig rig(model, drafting(1));
  const RequestId id = rig.generate("go: ", 200);
  rig.run_until_idle();
  CHECK(rig.text(id) == alone("go: ", 200, model));
  const Usage &usage = rig.done(id).usage;
  CHECK(usage.n_draft_accepted > 140);
  CHECK(rig.scheduler().stats().n_steps < 60);
}

TEST_CASE("what an earlier request wrote is looked up too") {
  const FakeModelParams model{.n_ctx = 512, .n_cells = 1024};
  Rig rig(model, drafting(4));
  const RequestId first = rig.generate("the same question", 100);
  rig.run_until_idle();
  const RequestId second = rig.generate("the same question", 100);
  rig.run_until_idle();
  CHECK(rig.text(second) == rig.text(first));
  CHECK(rig.done(first).usage.n_draft_accepted == 0);
  CHECK(rig.done(second).usage.n_draft_accepted > 60);
}

TEST_CASE("what an earlier request wrote is left alone where requests are strangers") {
  Rig rig({.n_ctx = 512, .n_cells = 1024}, drafting(4));
  rig.generate("the same question", 100);
  rig.run_until_idle();
  Request request = Rig::generate_request("the same question", 100);
  std::get<GenerateRequest>(request.body).share_group = "another";
  const RequestId second = rig.submit(std::move(request));
  rig.run_until_idle();
  CHECK(rig.done(second).usage.n_draft == 0);
}

TEST_CASE("lookup and draft model work together") {
  const FakeModelParams model{.n_ctx = 512, .n_cells = 1024, .fixed_text = "over and over. "};
  DraftRig one(model, drafting(2));
  one.drafter().keep_log = true;
  const RequestId id = one.rig.generate("x", 120);
  one.rig.run_until_idle();
  CHECK(one.rig.text(id) == alone("x", 120, model));
  CHECK(one.rig.done(id).usage.n_draft_accepted > 90);
  CHECK(one.drafter().log.size() > 0);
  CHECK(one.drafter().log.size() < 40); // once the text repeats, the lookup has all
}

TEST_CASE("a request can have fewer drafts or none") {
  for (const std::int32_t n : {0, 2}) {
    DraftRig one({});
    Request request = Rig::generate_request("tell me", 30);
    std::get<GenerateRequest>(request.body).n_draft_max = n;
    const RequestId id = one.rig.submit(std::move(request));
    one.rig.run_until_idle();
    CHECK(one.rig.text(id) == alone("tell me", 30));
    CHECK(one.rig.done(id).usage.n_draft == (n == 0 ? 0 : 19));
  }
}

TEST_CASE("drafts that are too short are not verified") {
  EngineParams params = drafting();
  params.speculation.n_min = 4;
  DraftRig one({}, params);
  const RequestId id = one.rig.generate("tell me", 10); // 9 remain: drafts of 6, then of 1 at most
  one.rig.run_until_idle();
  CHECK(one.rig.done(id).usage.n_draft == 6);
  CHECK(one.rig.text(id) == alone("tell me", 10));
}

TEST_CASE("memory that cannot take a tail back has no drafts") {
  for (const KvKind kind : {KvKind::kRecurrent, KvKind::kHybrid}) {
    const FakeModelParams model{.kind = kind};
    DraftRig one(model);
    const RequestId id = one.rig.generate("tell me", 30);
    one.rig.run_until_idle();
    CHECK(one.rig.text(id) == alone("tell me", 30, model));
    CHECK(one.rig.done(id).usage.n_draft == 0);
  }
}

namespace {

// A request whose prompt has a picture of 24 rows that take 5 positions.
RequestId ask_about_picture(Rig &rig, const std::string &lead, const std::string &question) {
  auto embd = std::make_shared<std::vector<float>>(24 * 4, 0.5F);
  MediaSpan span{.start = static_cast<std::int32_t>(lead.size()),
                 .n_rows = 24,
                 .n_pos = 5,
                 .hash = 99,
                 .embd = embd,
                 .positions = {}};
  for (Pos i = 0; i < 24; ++i) {
    span.positions.push_back({0, i / 6, i % 6, 0});
  }
  Submission submission;
  submission.ticket = rig.registry().accept();
  submission.request = Rig::generate_request(lead + std::string(24, '?') + question, 60);
  Arrival arrival = prepare(std::move(submission), rig.models());
  auto prompt = std::make_shared<Prompt>(*arrival.prompt);
  std::fill_n(prompt->tokens.begin() + span.start, 24, kNoToken);
  prompt->media = {span};
  arrival.prompt = prompt;
  return rig.submit_prepared(std::move(arrival));
}

} // namespace

TEST_CASE("prompts with media have drafts of every kind, also when preempted") {
  for (const char *fixed_text : {"", "as before. "}) {
    const FakeModelParams model{.n_ctx = 256, .n_cells = 230, .fixed_text = fixed_text};
    const auto run = [](Rig &rig) {
      const RequestId text = rig.generate("a text beside them", 60);
      const RequestId one = ask_about_picture(rig, "see ", " as before. as");
      const RequestId two = ask_about_picture(rig, "", "what is it?");
      rig.run_until_idle();
      const Usage &usage = rig.done(one).usage;
      return std::pair(rig.text(text) + "|" + rig.text(one) + "|" + rig.text(two), usage);
    };
    Rig plain(model);
    const auto [expected, no_usage] = run(plain);
    CHECK(no_usage.n_draft == 0);
    CHECK(plain.scheduler().stats().n_preempted > 0);
    Rig looking(model, drafting(1));
    const auto [looked_up, lookup_usage] = run(looking);
    CHECK(looked_up == expected);
    CHECK(lookup_usage.n_draft > 0);
    CHECK((lookup_usage.n_draft_accepted > 20) == (fixed_text[0] != 0));
    DraftRig one(model);
    const auto [drafted, usage] = run(one.rig);
    CHECK(drafted == expected);
    CHECK(usage.n_draft > 0);
  }
}

TEST_CASE("draws by chance are those of the run without drafts") {
  const auto text_of = [](Rig &rig) {
    Request request = Rig::generate_request("by chance", 60, 2);
    auto &body = std::get<GenerateRequest>(request.body);
    body.sampling.temperature = 1;
    body.sampling.seed = 5;
    const RequestId id = rig.submit(std::move(request));
    rig.run_until_idle();
    return rig.text(id) + rig.text(id, 1);
  };
  Rig plain;
  DraftRig one({}, drafting(1));
  CHECK(text_of(one.rig) == text_of(plain));
}

TEST_CASE("the end of a text inside a draft ends it there") {
  const FakeModelParams model{.n_ctx = 512, .n_cells = 1024, .end_one_in = 12};
  for (const char *prompt : {"a", "b", "c", "d", "e", "f"}) {
    DraftRig one(model);
    const RequestId id = one.rig.generate(prompt, 100);
    one.rig.run_until_idle();
    CHECK(one.rig.text(id) == alone(prompt, 100, model));
    CHECK(one.rig.done(id).usage.n_draft_accepted <= one.rig.done(id).usage.n_generated);
  }
}

TEST_CASE("a stop string inside a draft ends the text there") {
  const std::string text = alone("stop somewhere", 40);
  const std::string stop = text.substr(17, 3);
  DraftRig one({});
  Request request = Rig::generate_request("stop somewhere", 40);
  std::get<GenerateRequest>(request.body).stop = {stop};
  const RequestId id = one.rig.submit(std::move(request));
  one.rig.run_until_idle();
  CHECK(one.rig.text(id) == text.substr(0, text.find(stop)));
  CHECK(one.rig.outcome(id).finish.at(0) == FinishReason::kStop);
  CHECK(one.rig.done(id).usage.n_generated == static_cast<int>(text.find(stop) + stop.size()));
}

TEST_CASE("drafts are made only while they pay") {
  FakeModelParams model{.n_ctx = 2048, .n_cells = 4096, .fixed_text = "as before. "};
  EngineParams params = drafting(1);
  params.speculation.adapt = true;
  SUBCASE("rows are cheap") {
    Rig rig(model, params);
    const RequestId id = rig.generate("x", 600);
    rig.run_until_idle();
    CHECK(rig.done(id).usage.n_draft_accepted > 400);
    CHECK(rig.text(id) == alone("x", 600, model));
  }
  SUBCASE("a row costs a step") {
    Rig rig(model, params);
    rig.runner().ms_per_step = 0;
    rig.runner().ms_per_row = 1;
    const RequestId id = rig.generate("x", 600);
    rig.run_until_idle();
    CHECK(rig.done(id).usage.n_draft < 60);
    CHECK(rig.text(id) == alone("x", 600, model));
  }
  SUBCASE("nothing repeats") {
    model.fixed_text.clear();
    Rig rig(model, params);
    const RequestId id = rig.generate("x", 600);
    rig.run_until_idle();
    CHECK(rig.done(id).usage.n_draft < 60);
  }
}
