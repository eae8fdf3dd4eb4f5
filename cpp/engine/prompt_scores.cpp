#include "engine/prompt_scores.h"

#include "engine/logprobs.h"
#include "engine/sampler_pool.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>

namespace llamabox {
namespace {

// A row and the token that followed it.
struct ScoreJob {
  std::span<const float> logits;
  Token token = kNoToken;
  TokenLogprobs scored;
  std::exception_ptr failure;
};

void run(std::vector<ScoreJob> &jobs, std::int32_t n_best, const ScoreContext &context) {
  const auto score = [&](std::size_t i) {
    try {
      jobs[i].scored = token_logprobs(jobs[i].logits, jobs[i].token, n_best, context.vocab);
    } catch (...) {
      jobs[i].failure = std::current_exception(); // a crew's thread has nobody above it
    }
  };
  const std::size_t n_logits = jobs.empty() ? 0 : jobs.size() * jobs.front().logits.size();
  if (context.crew != nullptr && jobs.size() > 1 && n_logits >= SamplerPool::kMinLogits) {
    context.crew->run(jobs.size(), score);
  } else {
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      score(i);
    }
  }
}

} // namespace

std::vector<TokenLogprobs> score_prompt(const PackedRows &part, const ScoreContext &context) {
  Sequence &sequence = *part.sequence;
  const Pos begin = sequence.n_past - part.n_committed;
  std::vector<ScoreJob> jobs;
  for (Pos index = begin; index < sequence.n_past; ++index) {
    if (sequence.is_scored_by(index)) {
      ScoreJob job;
      job.logits = context.runner.logits(part.first_row + index - begin);
      job.token = sequence.tokens[static_cast<std::size_t>(index) + 1];
      jobs.push_back(std::move(job));
    }
  }
  run(jobs, sequence.n_logprobs, context);
  std::vector<TokenLogprobs> scores;
  scores.reserve(jobs.size() + 1);
  if (sequence.n_scored == 0) {
    const Token first = sequence.tokens.front();
    scores.push_back({{first, 0, context.vocab.piece(first, true)}, {}});
  }
  for (ScoreJob &job : jobs) {
    if (job.failure) {
      std::rethrow_exception(job.failure);
    }
    scores.push_back(std::move(job.scored));
  }
  const std::int32_t n_known = std::min(sequence.n_past + 1, sequence.prompt->size());
  sequence.n_scored = std::max(sequence.n_scored, n_known);
  return scores;
}

} // namespace llamabox
