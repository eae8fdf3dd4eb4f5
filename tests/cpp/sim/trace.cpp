#include "trace.h"

#include "sim_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace llamabox::sim {
namespace {

constexpr double kSwingNs = 60e9;      // calm to busy and back
constexpr std::int32_t kDocument = 12; // times as long as a question
constexpr std::size_t kMostOpen = 512;
constexpr Token kFirstWord = 1000; // below are answers

} // namespace

Trace::Trace(TraceParams params) : params_(params), random_(params.seed) {
  for (std::int32_t i = 0; i < params_.n_system; ++i) {
    systems_.push_back(tokens(about(params_.n_system_tokens)));
  }
}

// Most are shorter than the mean, a few several times as long.
std::int32_t Trace::about(std::int32_t mean) {
  const double factor = std::exponential_distribution<double>(1)(random_);
  return std::max(1, static_cast<std::int32_t>(mean * (0.25 + 0.75 * factor)));
}

bool Trace::happens(double share) {
  return std::uniform_real_distribution<double>(0, 1)(random_) < share;
}

std::vector<Token> Trace::tokens(std::int32_t n) {
  std::vector<Token> made(static_cast<std::size_t>(n));
  for (Token &token : made) {
    token = kFirstWord + static_cast<Token>(random_() % 30000);
  }
  return made;
}

TraceRequest Trace::next() {
  const double phase = 2 * std::acos(-1.0) * static_cast<double>(now_ns_) / kSwingNs;
  const double rate = params_.per_second * (1 + 0.8 * std::sin(phase));
  now_ns_ += static_cast<std::int64_t>(std::exponential_distribution<double>(rate)(random_) * 1e9);

  TraceRequest request;
  request.at_ns = now_ns_;
  const bool returns = !open_.empty() && happens(params_.return_share);
  if (returns) {
    // Those who were here last come back soonest.
    const double back = std::exponential_distribution<double>(0.02)(random_);
    const auto at = open_.size() - 1 - std::min(open_.size() - 1, static_cast<std::size_t>(back));
    request.prompt = std::move(open_[at]);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
  } else {
    request.prompt = systems_[static_cast<std::size_t>(random_()) % systems_.size()];
  }
  const std::int32_t n_question = about(params_.n_turn_tokens);
  const std::vector<Token> question =
      tokens(happens(params_.long_share) ? kDocument * n_question : n_question);
  request.prompt.insert(request.prompt.end(), question.begin(), question.end());
  request.prompt.resize(
      std::min(request.prompt.size(), static_cast<std::size_t>(params_.n_longest)));
  request.n_answer = about(params_.n_answer);
  request.priority = happens(0.1) ? static_cast<std::int32_t>(random_() % 5) - 2 : 0;
  if (happens(params_.cancel_share)) {
    request.cancel_after_ns = static_cast<std::int64_t>(random_() % 4'000'000'000);
  }
  if (happens(params_.timeout_share)) {
    request.timeout_ns = 1 + static_cast<std::int64_t>(random_() % 4'000'000'000);
  }

  std::vector<Token> goes_on = request.prompt;
  goes_on.resize(goes_on.size() + static_cast<std::size_t>(request.n_answer), kAnswer);
  if (goes_on.size() + static_cast<std::size_t>(params_.n_turn_tokens) <
      static_cast<std::size_t>(params_.n_longest)) {
    open_.push_back(std::move(goes_on));
  }
  if (open_.size() > kMostOpen) {
    open_.erase(open_.begin());
  }
  return request;
}

} // namespace llamabox::sim
