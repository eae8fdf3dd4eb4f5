// Heads that draft: a layer for further tokens in the model's own file, and an EAGLE-3 head on the
// demo model. Whatever they guess, texts are those without them, through what disturbs a sequence.
#include "engine/scheduler.h"
#include "tiny_model.h"

#include <cstdio>
#include <map>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

struct Head {
  std::string model;
  std::string draft;
};

const std::vector<Head> kHeads = {{"mtp", "mtp"}, {"demo", "eagle3"}};

// The other head guesses at random.
bool is_often_right(const Head &head) { return head.draft == "mtp"; }

struct How {
  std::int32_t n_slots = 4;
  std::int32_t n_ctx = 2048;
  std::int32_t lookup_ngram_min = 0;
  std::int32_t max_tokens = 48;
  bool context_shift = false;
  SamplingParams sampling = {.seed = 1, .temperature = 0, .ignore_eos = true};
};

LlamaParams params_of(const Head &head, bool drafts, const How &how) {
  LlamaParams params = small_params(head.model);
  params.context.n_ctx = how.n_ctx;
  params.context.n_slots = how.n_slots;
  // With f16 a row's logits depend a little on its company, and random models are often undecided.
  params.context.cache_type_k = params.context.cache_type_v = "f32";
  params.context.n_draft_max = drafts ? 4 : 0;
  params.draft.model_path = drafts ? model_path(head.draft) : "";
  params.draft.p_min = 0;
  return params;
}

class Desk {
public:
  Desk(const Head &head, bool drafts, const How &how)
      : how_(how), models_(load_models(params_of(head, drafts, how))), registry_(64) {
    EngineParams engine;
    engine.n_slots = how.n_slots;
    engine.context_shift = how.context_shift;
    engine.speculation.n_max = drafts ? 4 : 0;
    engine.speculation.lookup_ngram_min = drafts ? how.lookup_ngram_min : 0;
    engine.speculation.adapt = false;
    scheduler_ = std::make_unique<Scheduler>(
        SchedulerContext{*models_, engine, clock_, registry_, channel_, stats_});
  }

  RequestId ask(const std::string &prompt) {
    GenerateRequest generate;
    generate.prompt = TextPrompt{prompt};
    generate.max_tokens = how_.max_tokens;
    generate.sampling = how_.sampling;
    Submission submission;
    submission.ticket = registry_.accept();
    submission.request.body = generate;
    const RequestId id = submission.ticket.id;
    std::vector<Arrival> arrivals;
    arrivals.push_back(prepare(std::move(submission), *models_));
    scheduler_->step(std::move(arrivals));
    drain();
    return id;
  }

  void step() {
    scheduler_->step({});
    drain();
  }

  void run() {
    while (!scheduler_->idle()) {
      step();
    }
  }

  void cancel(RequestId id) { registry_.cancel(id); }
  const std::string &text(RequestId id) { return texts_[id]; }
  const Stats &stats() const { return scheduler_->stats(); }

private:
  void drain() {
    for (const Event &event : channel_.drain()) {
      texts_[event.request] += event.text;
    }
  }

  How how_;
  std::unique_ptr<Models> models_;
  SteadyClock clock_;
  RequestRegistry registry_;
  EventChannel channel_;
  SharedStats stats_;
  std::unique_ptr<Scheduler> scheduler_;
  std::map<RequestId, std::string> texts_;
};

const std::string kLead = "The cat and the dog went to the river, where a bird sat on a stone. ";

// Several at once, one of them cancelled, then more that begin like the first ones did.
std::vector<std::string> texts_of(Desk &desk) {
  std::vector<RequestId> ids;
  for (const char *rest : {"Then", "The bird", "What is 9 + 8?", "A tree", "Repeat: cat dog cat"}) {
    ids.push_back(desk.ask(kLead + rest));
  }
  const RequestId gone = desk.ask(kLead + "Once");
  for (int i = 0; i < 3; ++i) {
    desk.step();
  }
  desk.cancel(gone);
  desk.run();
  for (const char *rest : {"Then", "Then they", "The bird sang"}) {
    ids.push_back(desk.ask(kLead + rest)); // from what is in memory
  }
  desk.run();
  std::vector<std::string> texts;
  for (const RequestId id : ids) {
    texts.push_back(desk.text(id));
  }
  return texts;
}

} // namespace

TEST_CASE("a head changes no text, through company, cancelling and prefixes that are there") {
  for (const Head &head : kHeads) {
    INFO(head.draft);
    Desk plain(head, false, {});
    const std::vector<std::string> expected = texts_of(plain);
    CHECK(plain.stats().n_draft_tokens == 0);
    CHECK(plain.stats().n_cached_tokens > 0);
    for (const std::int32_t ngram : {0, 2}) {
      Desk drafting(head, true, {.lookup_ngram_min = ngram});
      CHECK(texts_of(drafting) == expected);
      CHECK((drafting.stats().n_draft_accepted > 0 || !is_often_right(head)));
      CHECK(drafting.stats().n_draft_tokens > drafting.stats().n_draft_accepted);
      std::printf("%s, ngram %d: %d of %d drafts accepted\n", head.draft.c_str(), ngram,
                  static_cast<int>(drafting.stats().n_draft_accepted),
                  static_cast<int>(drafting.stats().n_draft_tokens));
    }
  }
}

TEST_CASE("a head follows sequences that are preempted") {
  const How how{.n_slots = 4, .n_ctx = 256, .max_tokens = 80};
  for (const Head &head : kHeads) {
    INFO(head.draft);
    Desk plain(head, false, how);
    Desk drafting(head, true, how);
    CHECK(texts_of(drafting) == texts_of(plain));
    CHECK(drafting.stats().n_preempted > 0);
    CHECK(drafting.stats().n_draft_tokens > 0);
  }
}

TEST_CASE("a seed gives the same text with a head, and a full context shifts as without") {
  for (const Head &head : kHeads) {
    INFO(head.draft);
    How drawn;
    drawn.sampling = {.seed = 7, .temperature = 1.0F, .repeat_penalty = 1.2F, .ignore_eos = true};
    Desk plain(head, false, drawn);
    Desk drafting(head, true, drawn);
    CHECK(texts_of(drafting) == texts_of(plain));
    const How shifting{.n_slots = 1, .n_ctx = 256, .max_tokens = 400, .context_shift = true};
    Desk long_plain(head, false, shifting);
    Desk long_drafting(head, true, shifting);
    const RequestId expected = long_plain.ask(kLead);
    long_plain.run();
    const RequestId found = long_drafting.ask(kLead);
    long_drafting.run();
    CHECK(long_drafting.text(found) == long_plain.text(expected));
    CHECK(long_drafting.stats().n_context_shifts > 0);
    CHECK(long_drafting.stats().n_draft_tokens > 0);
  }
}

TEST_CASE("what is no head, or one for another model, is refused") {
  const std::vector<std::pair<Head, std::string>> cases = {
      {{"demo", "demo"}, "no layer for further tokens"},
      {{"mtp", "eagle3"}, "does not give the inner states"},
      {{"gemma3", "eagle3"}, "does not give the inner states"},
      {{"moe", "eagle3"}, ""},
  };
  for (const auto &[head, reason] : cases) {
    INFO((head.model + " " + head.draft));
    if (reason.empty()) {
      CHECK(load_models(params_of(head, true, {}))->proposer != nullptr);
      continue;
    }
    const Error error = error_of([&] { load_models(params_of(head, true, {})); });
    CHECK(error.code() == ErrorCode::kLoadFailed);
    CHECK(error.param() == "model-draft");
    CHECK(contains(error.what(), reason));
  }
}
