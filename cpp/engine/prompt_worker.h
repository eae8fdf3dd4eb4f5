// Threads that turn requests into prompts: template, tokenizer, samplers. What takes long and needs
// no KV happens here, so that neither the event loop nor the engine thread waits for it.
// Thread rule: put from any thread; a worker shares nothing but the two inboxes.
// Guarantee: every request put comes out as one Arrival, with a prompt or with an error.
// Covered by engine_test and scheduler_failure_test.
#pragma once

#include "base/error.h"
#include "base/inbox.h"
#include "base/request_registry.h"
#include "engine/models.h"
#include "engine/request.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace llamabox {

// A request between submit and the prompt worker.
struct Submission {
  Ticket ticket;
  Request request;
  std::int64_t submitted_ns = 0;
};

// A request as the scheduler takes it in.
struct Arrival {
  Ticket ticket;
  Request request;
  std::int64_t submitted_ns = 0;
  std::shared_ptr<const Prompt> prompt;           // generate
  std::vector<std::unique_ptr<Sampler>> samplers; // generate: one per choice
  std::vector<std::string> stop;                  // generate: the request's and the template's
  MakeOutputParser make_parser;                   // generate
  std::shared_ptr<const std::vector<Token>> shown_tokens; // generate: special tokens with a text
  std::unique_ptr<Result> result;                         // render: ready
  std::vector<std::vector<Token>> texts;                  // encode
  std::uint64_t n_made_bytes = 0;                         // encode: of a context made for it
  std::uint64_t n_media_encoded = 0;                      // generate: chunks of media
  std::uint64_t n_media_cached = 0;                       // and those found in the cache
  std::optional<Error> error;                             // ends the request

  // When its time is over; never is after everything.
  std::int64_t deadline_ns() const {
    return request.timeout_ns < kNever - submitted_ns ? submitted_ns + request.timeout_ns : kNever;
  }
};

// What a worker does with one submission; never throws.
Arrival prepare(Submission submission, const Models &models);

// Why a span of media cannot be run, if it cannot.
std::optional<Error> too_large(const MediaSpan &span, const RunnerLimits &limits);

class MediaWorker;

class PromptWorkers {
public:
  // Prompts with media that is still to be encoded go to `media`, null where there are none.
  PromptWorkers(std::int32_t n_threads, const Models &models, Inbox<Arrival> &arrivals,
                MediaWorker *media);
  ~PromptWorkers(); // closes the inbox and joins; what was not begun is dropped
  PromptWorkers(const PromptWorkers &) = delete;
  PromptWorkers &operator=(const PromptWorkers &) = delete;

  void put(Submission submission) { submissions_.put(std::move(submission)); }

private:
  void hand_over(Arrival arrival);

  const Models &models_;
  Inbox<Arrival> &arrivals_;
  MediaWorker *media_;
  Inbox<Submission> submissions_;
  std::vector<std::thread> threads_;
};

} // namespace llamabox
