// The engine as the shell sees it: accepts requests, runs them on its own thread, hands out events.
// See README.md in this folder for the contract.
// Thread rule: every method from any thread; start and stop once each, from one thread.
// Guarantee: each accepted request ends in exactly one kDone event, also on cancel, stop and
// failure.
// Covered by engine_test (real threads), scheduler_test (step by step).
#pragma once

#include "base/clock.h"
#include "base/compute_turns.h"
#include "base/event_channel.h"
#include "base/inbox.h"
#include "base/request_registry.h"
#include "engine/media_worker.h"
#include "engine/params.h"
#include "engine/prompt_worker.h"
#include "engine/request.h"
#include "engine/scheduler.h"
#include "engine/stats.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace llamabox {

class Engine {
public:
  // The models are the engine's from here on. ERRORS: Error(kInvalidArgument) for params out of
  // range.
  Engine(std::unique_ptr<Models> models, EngineParams params,
         std::unique_ptr<Clock> clock = std::make_unique<SteadyClock>());
  ~Engine(); // stops
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  void start();
  void stop(); // ends every request with kUnavailable; returns when the threads have ended

  // Readable while events wait for drain().
  int wake_fd() const { return channel_.fd(); }

  // ERRORS: Error(kQueueFull), Error(kUnavailable) when not running.
  RequestId submit(Request request);

  // Never blocks; an unknown or ended id is ignored. The request ends within one step.
  void cancel(RequestId id);

  std::vector<Event> drain() { return channel_.drain(); }
  // At least as new as the events that drain() has returned.
  Stats stats() const { return stats_.get(); }

  std::vector<Token> tokenize(const std::string &text, TokenizeOptions options) const;
  // ERRORS: Error(kInvalidArgument) for an id that is not in the vocabulary.
  std::string detokenize(const std::vector<Token> &tokens, bool render_special) const;
  const Models &models() const { return *models_; }
  // Whether texts and prompts may be longer than the context.
  bool shifts() const { return params_.context_shift && models_->kv->traits().can_shift; }

private:
  void run();
  void end_rest(const Error &reason);

  std::unique_ptr<Models> models_;
  EngineParams params_;
  std::unique_ptr<Clock> clock_;
  EventChannel channel_;
  SharedStats stats_;
  RequestRegistry registry_;
  ComputeTurns turns_;
  Inbox<Arrival> arrivals_;
  std::unique_ptr<MediaWorker> media_worker_; // null: text only
  std::unique_ptr<PromptWorkers> prompt_workers_;
  std::unique_ptr<Scheduler> scheduler_; // engine thread
  std::thread thread_;

  std::atomic<bool> running_{false};
};

} // namespace llamabox
