// A scheduler on a fake model, driven by hand: submit, step, look at what came out.
// Thread rule: one thread, the test's.
// Guarantee: every invariant is checked after every step; a broken one throws.
#pragma once

#include "engine/scheduler.h"
#include "fake_models.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace llamabox {

// What came out for one request, by choice.
struct Outcome {
  std::map<std::int32_t, std::string> text;
  std::map<std::int32_t, FinishReason> finish;
  std::vector<Event> done; // exactly one in the end
  std::string reasoning;
  std::vector<TokenLogprobs> logprobs; // of all choices
  std::vector<TokenLogprobs> prompt;   // of the prompt
  std::size_t n_tool_calls = 0;
  int n_events = 0;
};

class Rig {
public:
  explicit Rig(FakeModelParams model = {}, EngineParams params = {},
               std::unique_ptr<Proposer> proposer = nullptr)
      : models_(load_fake_models(model, &fakes_)), registry_(params.n_queue) {
    models_->proposer = std::move(proposer);
    fakes_.runner->clock = &clock_;
    fakes_.texts->clock = &clock_;
    params.n_slots = model.n_slots;
    scheduler_ = std::make_unique<Scheduler>(
        SchedulerContext{*models_, params, clock_, registry_, channel_, stats_});
  }

  // The request waits for the next step.
  RequestId submit(Request request) {
    Submission submission;
    submission.ticket = registry_.accept();
    submission.request = std::move(request);
    submission.submitted_ns = clock_.now_ns();
    const RequestId id = submission.ticket.id;
    arrivals_.push_back(prepare(std::move(submission), *models_));
    return id;
  }

  RequestId submit_prepared(Arrival arrival) {
    const RequestId id = arrival.ticket.id;
    arrivals_.push_back(std::move(arrival));
    return id;
  }

  RequestId generate(const std::string &prompt, std::int32_t max_tokens, std::int32_t n = 1) {
    return submit(generate_request(prompt, max_tokens, n));
  }

  static Request generate_request(const std::string &prompt, std::int32_t max_tokens,
                                  std::int32_t n = 1) {
    GenerateRequest body;
    body.prompt = TextPrompt{prompt};
    body.sampling.temperature = 0;
    body.max_tokens = max_tokens;
    body.n = n;
    Request request;
    request.body = std::move(body);
    return request;
  }

  void cancel(RequestId id) { registry_.cancel(id); }

  // One step of the engine. ERRORS: std::logic_error names a broken invariant.
  void step() {
    scheduler_->step(std::exchange(arrivals_, {}));
    for (Event &event : channel_.drain()) {
      collect(std::move(event));
    }
    if (const auto broken = broken_invariant(scheduler_->state())) {
      throw std::logic_error("broken " + *broken);
    }
  }

  void run_until_idle(int n_steps_max = 10000) {
    do {
      step();
    } while (!scheduler_->idle() && --n_steps_max > 0);
    if (!scheduler_->idle()) {
      throw std::logic_error("no progress");
    }
  }

  Scheduler &scheduler() { return *scheduler_; }
  FakeKv &kv() { return *fakes_.kv; }
  FakeRunner &runner() { return *fakes_.runner; }
  FakeTextEncoder &texts() { return *fakes_.texts; }
  FakeClock &clock() { return clock_; }
  RequestRegistry &registry() { return registry_; }
  Models &models() { return *models_; }
  const Outcome &outcome(RequestId id) { return outcomes_[id]; }
  const std::string &text(RequestId id, std::int32_t choice = 0) {
    return outcomes_[id].text[choice];
  }
  const Event &done(RequestId id) { return outcomes_.at(id).done.at(0); }

private:
  void collect(Event event) {
    Outcome &outcome = outcomes_[event.request];
    ++outcome.n_events;
    if (event.kind == EventKind::kPrompt) {
      outcome.prompt.insert(outcome.prompt.end(), event.logprobs.begin(), event.logprobs.end());
      return;
    }
    outcome.text[event.choice] += event.text;
    outcome.reasoning += event.reasoning;
    outcome.logprobs.insert(outcome.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
    outcome.n_tool_calls += event.tool_calls.size();
    if (event.kind == EventKind::kFinish) {
      outcome.finish[event.choice] = event.finish;
    }
    if (event.kind == EventKind::kDone) {
      outcome.done.push_back(std::move(event));
    }
  }

  FakeHandles fakes_;
  std::unique_ptr<Models> models_;
  FakeClock clock_;
  RequestRegistry registry_;
  EventChannel channel_;
  SharedStats stats_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<Arrival> arrivals_;
  std::map<RequestId, Outcome> outcomes_;
};

// What an undisturbed engine with endless memory answers.
inline std::string alone(const std::string &prompt, std::int32_t max_tokens,
                         FakeModelParams model = {}) {
  model.n_ctx = model.n_cells = 1 << 16;
  Rig rig(model);
  const RequestId id = rig.generate(prompt, max_tokens);
  rig.run_until_idle();
  return rig.text(id);
}

} // namespace llamabox
