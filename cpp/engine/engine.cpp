#include "engine/engine.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace llamabox {
namespace {

void require_range(const char *name, std::int32_t value, std::int32_t low, std::int32_t high) {
  if (value < low || value > high) {
    throw Error(ErrorCode::kInvalidArgument,
                std::string(name) + " is " + std::to_string(value) + "; it must be " +
                    std::to_string(low) + " to " + std::to_string(high),
                name);
  }
}

} // namespace

Engine::Engine(std::unique_ptr<Models> models, EngineParams params, std::unique_ptr<Clock> clock)
    : models_(std::move(models)), params_(params), clock_(std::move(clock)),
      registry_(params.n_queue) {
  require_range("n_slots", params_.n_slots, 1, 240);
  require_range("n_queue", params_.n_queue, 1, 1 << 20);
  require_range("n_queue_contexts", params_.n_queue_contexts, 1, 1 << 10);
  require_range("n_prompt_workers", params_.n_prompt_workers, 1, 16);
  require_range("n_media_cached", params_.n_media_cached, 0, 1 << 20);
  require_range("n_keep", params_.n_keep, -1, INT32_MAX);
  require_range("n_cache_reuse", params_.n_cache_reuse, 0, INT32_MAX);
  require_range("draft-max", params_.speculation.n_max, 0, 1 << 10);
  require_range("draft-min", params_.speculation.n_min, 0, 1 << 10);
  require_range("lookup-ngram-min", params_.speculation.lookup_ngram_min, 0, kMaxNgram);
  scheduler_ = std::make_unique<Scheduler>(
      SchedulerContext{*models_, params_, *clock_, registry_, channel_, stats_, &turns_});
}

Engine::~Engine() { stop(); }

void Engine::start() {
  if (running_.exchange(true)) {
    return;
  }
  if (models_->media) {
    media_worker_ = std::make_unique<MediaWorker>(
        MediaWorkerContext{*models_->media, params_.n_media_cached, *clock_, turns_, arrivals_});
  }
  prompt_workers_ = std::make_unique<PromptWorkers>(params_.n_prompt_workers, *models_, arrivals_,
                                                    media_worker_.get());
  thread_ = std::thread([this] { run(); });
}

void Engine::stop() {
  running_ = false;
  if (!thread_.joinable()) {
    return;
  }
  registry_.close();
  arrivals_.close();
  thread_.join();
  prompt_workers_.reset();
  media_worker_.reset();
}

RequestId Engine::submit(Request request) {
  Submission submission;
  submission.ticket = running_ ? registry_.accept() : Ticket{};
  const RequestId id = submission.ticket.id;
  if (id == 0 && !running_) {
    throw Error(ErrorCode::kUnavailable, "the engine is not running");
  }
  if (id == 0) {
    throw Error(ErrorCode::kQueueFull,
                "the queue is full: " + std::to_string(params_.n_queue) + " requests wait");
  }
  submission.request = std::move(request);
  submission.submitted_ns = clock_->now_ns();
  prompt_workers_->put(std::move(submission));
  return id;
}

void Engine::cancel(RequestId id) {
  if (registry_.cancel(id)) {
    arrivals_.nudge();
  }
}

std::vector<Token> Engine::tokenize(const std::string &text, TokenizeOptions options) const {
  return models_->vocab->tokenize(text, options);
}

std::string Engine::detokenize(const std::vector<Token> &tokens, bool render_special) const {
  std::string text;
  for (const Token token : tokens) {
    if (token < 0 || token >= models_->vocab->n_tokens()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "token " + std::to_string(token) + " is not in the vocabulary", "tokens");
    }
    text += models_->vocab->piece(token, render_special);
  }
  return valid_utf8(text);
}

void Engine::run() {
  Error reason(ErrorCode::kUnavailable, "the server is stopping");
  while (!arrivals_.closed()) {
    try {
      const std::int64_t wake_ns = scheduler_->wake_ns();
      const bool is_time = wake_ns != 0 && wake_ns != kNever;
      const std::int64_t wait_ns =
          is_time ? std::max<std::int64_t>(0, wake_ns - clock_->now_ns()) : wake_ns;
      scheduler_->step(arrivals_.take_all(wait_ns));
    } catch (const Error &error) {
      // A lost device has a name of its own; anything else is as below.
      const bool lost = error.code() == ErrorCode::kDeviceLost;
      reason = lost ? error : Error(ErrorCode::kInternal, error.what());
      running_ = false;
      break;
    } catch (const std::exception &error) {
      // Nothing a request can cause comes here: the engine's own state is broken.
      reason = Error(ErrorCode::kInternal, error.what());
      running_ = false;
      break;
    }
  }
  end_rest(reason);
}

void Engine::end_rest(const Error &reason) {
  scheduler_->end_all(reason);
  // What is left was accepted but never reached the scheduler.
  std::vector<Event> events;
  for (const RequestId id : registry_.close()) {
    Event event;
    event.request = id;
    event.kind = EventKind::kDone;
    event.finish = FinishReason::kError;
    event.error = reason.code();
    event.message = reason.what();
    registry_.ended(id);
    events.push_back(std::move(event));
  }
  stats_.set(scheduler_->stats());
  channel_.push_batch(events);
}

} // namespace llamabox
