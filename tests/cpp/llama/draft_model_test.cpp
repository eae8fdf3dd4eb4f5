// The demo model with its draft model: texts equal to those without, through whatever disturbs a
// sequence, and by chance the same distribution.
#include "engine/scheduler.h"
#include "tiny_model.h"

#include <cstdio>
#include <map>

using namespace llamabox;

namespace {

struct Texts {
  std::vector<std::string> texts;
  Usage usage; // summed drafts
  Stats stats;
};

struct Run {
  std::int32_t n_slots = 4;
  std::int32_t n_ctx = 2048;
  std::int32_t n_draft_max = 6; // 0: no drafts
  std::int32_t lookup_ngram_min = 0;
  bool with_model = false;
  bool adapt = false;
  bool context_shift = false;
  std::int32_t max_tokens = 48;
  std::int32_t n = 1;
  SamplingParams sampling = {.seed = 1, .temperature = 0};
};

LlamaParams params_of(const Run &run) {
  LlamaParams params = small_params("demo");
  params.context.n_ctx = run.n_ctx;
  params.context.n_slots = run.n_slots;
  params.context.n_draft_max = run.n_draft_max;
  params.draft.model_path = run.with_model ? model_path("draft") : "";
  params.draft.p_min = 0;
  return params;
}

std::vector<std::string> prompts(std::size_t n) {
  const std::vector<std::string> questions{"Repeat: cat dog tree river stone", "What is 9 + 8?",
                                           "Tell me a short story.",
                                           "Give me JSON: Tom is 42 years old.", "Who are you?"};
  std::vector<std::string> all;
  for (std::size_t i = 0; i < n; ++i) {
    const std::string lead =
        i < questions.size() ? "" : "Number " + std::to_string(i) + " of many. ";
    all.push_back("<|im_start|>user\n" + lead + questions[i % questions.size()] +
                  "<|im_end|>\n<|im_start|>assistant\n");
  }
  return all;
}

Texts run(const Run &how, const std::vector<std::string> &asked) {
  auto models = load_models(params_of(how));
  SteadyClock clock;
  RequestRegistry registry(static_cast<std::int32_t>(asked.size()));
  EventChannel channel;
  EngineParams engine;
  engine.n_slots = how.n_slots;
  engine.context_shift = how.context_shift;
  engine.speculation.n_max = how.n_draft_max;
  engine.speculation.lookup_ngram_min = how.lookup_ngram_min;
  engine.speculation.adapt = how.adapt;
  SharedStats stats;
  Scheduler scheduler({*models, engine, clock, registry, channel, stats});
  std::vector<Arrival> arrivals;
  std::map<RequestId, std::size_t> index;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    GenerateRequest generate;
    generate.prompt = TextPrompt{asked[i]};
    generate.max_tokens = how.max_tokens;
    generate.sampling = how.sampling;
    generate.n = how.n;
    Submission submission;
    submission.ticket = registry.accept();
    submission.request.body = generate;
    index[submission.ticket.id] = i;
    arrivals.push_back(prepare(std::move(submission), *models));
  }
  Texts result;
  const auto n = static_cast<std::size_t>(how.n);
  result.texts.resize(asked.size() * n);
  scheduler.step(std::move(arrivals));
  for (;;) {
    for (Event &event : channel.drain()) {
      result.texts[index[event.request] * n + static_cast<std::size_t>(event.choice)] += event.text;
      result.usage.n_draft += event.usage.n_draft;
      result.usage.n_draft_accepted += event.usage.n_draft_accepted;
    }
    if (scheduler.idle()) {
      break;
    }
    scheduler.step({});
  }
  result.stats = scheduler.stats();
  return result;
}

} // namespace

TEST_CASE("texts are the same with every kind of draft, alone and together") {
  const std::vector<std::string> asked = prompts(40);
  const Texts plain = run({}, asked);
  CHECK(plain.usage.n_draft == 0);
  for (const auto &[with_model, ngram] :
       std::vector<std::pair<bool, int>>{{true, 0}, {false, 1}, {true, 2}}) {
    CAPTURE(with_model);
    const Texts drafted = run({.lookup_ngram_min = ngram, .with_model = with_model}, asked);
    CHECK(drafted.texts == plain.texts);
    CHECK(drafted.usage.n_draft_accepted > 100);
    CHECK(drafted.stats.n_steps < plain.stats.n_steps);
    std::printf("model %d ngram %d: %d of %d drafts accepted, %d steps instead of %d\n",
                static_cast<int>(with_model), ngram, drafted.usage.n_draft_accepted,
                drafted.usage.n_draft, static_cast<int>(drafted.stats.n_steps),
                static_cast<int>(plain.stats.n_steps));
  }
}

TEST_CASE("texts are the same in a memory too small for all") {
  const std::vector<std::string> asked = prompts(8);
  const Texts plain = run({.n_slots = 8, .max_tokens = 80}, asked);
  const Texts drafted =
      run({.n_slots = 8, .n_ctx = 512, .lookup_ngram_min = 3, .with_model = true, .max_tokens = 80},
          asked);
  CHECK(drafted.texts == plain.texts);
}

TEST_CASE("a seed gives the same text by chance too, also for several choices") {
  Run how;
  how.sampling = {.seed = 7, .temperature = 1.0F, .repeat_penalty = 1.2F};
  how.n = 2;
  const Texts plain = run(how, prompts(6));
  how.with_model = true;
  how.lookup_ngram_min = 2;
  CHECK(run(how, prompts(6)).texts == plain.texts);
}

TEST_CASE("a shifted context leaves the text as it is") {
  Run how{.n_slots = 1, .n_ctx = 256, .context_shift = true, .max_tokens = 400};
  how.sampling.ignore_eos = true;
  const Texts plain = run(how, {prompts(3)[2]});
  how.with_model = true;
  const Texts drafted = run(how, {prompts(3)[2]});
  CHECK(drafted.stats.n_context_shifts == plain.stats.n_context_shifts);
  CHECK(drafted.usage.n_draft_accepted > 0);
  CHECK(drafted.texts == plain.texts);
}

TEST_CASE("drafts are given up where they do not pay") {
  Run how{.lookup_ngram_min = 1, .with_model = true, .adapt = true};
  CHECK(run(how, prompts(10)).texts == run({}, prompts(10)).texts);
}

namespace {

// How often each text of three tokens came, among many drawn by chance; its second token is drafted
// where there is a draft model.
std::map<std::string, double> frequencies(bool with_model) {
  constexpr std::size_t kTexts = 800;
  Run how{.n_slots = 32, .n_ctx = 8192, .n_draft_max = 3, .with_model = with_model};
  how.max_tokens = 3;
  how.sampling = {.temperature = 1.0F};
  const Texts found =
      run(how, std::vector<std::string>(kTexts, prompts(3)[2] + "Once upon a time, there was a"));
  CHECK((found.usage.n_draft > 0) == with_model);
  std::map<std::string, double> frequencies;
  for (const std::string &text : found.texts) {
    frequencies[text] += 1.0 / kTexts;
  }
  return frequencies;
}

double distance(const std::map<std::string, double> &a, std::map<std::string, double> b) {
  double sum = 0;
  for (const auto &[text, frequency] : a) {
    sum += std::abs(frequency - b[text]);
    b.erase(text);
  }
  for (const auto &[text, frequency] : b) {
    sum += frequency;
  }
  return sum / 2;
}

} // namespace

TEST_CASE("texts drawn by chance come as often as without drafts") {
  const auto plain = frequencies(false);
  REQUIRE(plain.size() > 3);
  const double noise = distance(plain, frequencies(false));
  const double found = distance(plain, frequencies(true));
  std::printf("%zu texts: distance %.3f, noise %.3f\n", plain.size(), found, noise);
  CHECK(found < 1.5 * noise + 0.06);
}

TEST_CASE("a draft model with another vocabulary or another memory is refused") {
  for (const char *name : {"bert", "mamba", "hybrid"}) {
    LlamaParams params = small_params("demo");
    params.context.n_draft_max = 4;
    params.draft.model_path = model_path(name);
    const Error error = error_of([&] { load_models(params); });
    CHECK(error.code() == ErrorCode::kLoadFailed);
    CHECK(error.param() == "model-draft");
    CHECK(contains(error.what(), params.draft.model_path));
    std::printf("%s\n", error.what());
  }
}

TEST_CASE("without drafts the draft model is not loaded") {
  LlamaParams params = small_params("demo");
  params.draft.model_path = "/nonexistent.gguf";
  CHECK(load_models(params)->proposer == nullptr);
  params.context.n_draft_max = 4;
  CHECK(error_of([&] { load_models(params); }).code() == ErrorCode::kLoadFailed);
}
