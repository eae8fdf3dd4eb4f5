// Who comes when, and with what: a seeded stream of requests as a server of chats sees them. Some
// open a conversation under one of a few system prompts, the others come back to one of theirs with
// all that was said before; the rate swings between calm and twice as much.
// Thread rule: one thread. Guarantee: the same seed gives the same requests.
// Covered by the short run of the simulator in ctest.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <random>
#include <vector>

namespace llamabox::sim {

struct TraceParams {
  std::uint32_t seed = 1;
  double per_second = 20;    // in the mean
  std::int32_t n_system = 8; // system prompts
  std::int32_t n_system_tokens = 800;
  std::int32_t n_turn_tokens = 250; // of a question, in the mean
  std::int32_t n_answer = 120;      // in the mean
  std::int32_t n_longest = 16384;   // a conversation ends before its prompt is longer
  double return_share = 0.6;        // requests that go on with a conversation
  double long_share = 0.01;         // requests whose question is a document
  double cancel_share = 0.01;
  double timeout_share = 0.01;
};

struct TraceRequest {
  std::int64_t at_ns = 0;
  std::vector<Token> prompt;
  std::int32_t n_answer = 1;
  std::int32_t priority = 0;
  std::int64_t cancel_after_ns = kNever; // counted from its arrival
  std::int64_t timeout_ns = kNever;
};

class Trace {
public:
  explicit Trace(TraceParams params);

  TraceRequest next();

private:
  std::int32_t about(std::int32_t mean);
  bool happens(double share);
  std::vector<Token> tokens(std::int32_t n);

  TraceParams params_;
  std::mt19937_64 random_;
  std::int64_t now_ns_ = 1;
  std::vector<std::vector<Token>> systems_;
  std::vector<std::vector<Token>> open_; // conversations that may go on
};

} // namespace llamabox::sim
