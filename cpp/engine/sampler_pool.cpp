#include "engine/sampler_pool.h"

namespace llamabox {
namespace {

void do_job(SampleJob &job) {
  try {
    verify(*job.sampler, job.rows, *job.draft, *job.random, job.verdict);
  } catch (...) {
    job.failure = std::current_exception(); // a crew's thread has nobody above it
  }
}

} // namespace

SampleJob &SamplerPool::add(Sampler &sampler, const Draft &draft, std::minstd_rand &random) {
  if (n_jobs_ == jobs_.size()) {
    jobs_.emplace_back();
  }
  SampleJob &job = jobs_[n_jobs_++];
  job.sampler = &sampler;
  job.rows.clear();
  job.draft = &draft;
  job.random = &random;
  job.failure = nullptr;
  return job;
}

void SamplerPool::run() {
  std::size_t n_rows = 0;
  for (const SampleJob &job : jobs()) {
    n_rows += job.rows.size();
  }
  const bool is_large = n_rows * static_cast<std::size_t>(n_vocab_) >= kMinLogits;
  if (crew_ != nullptr && crew_->n_threads() > 1 && n_jobs_ > 1 && is_large) {
    crew_->run(n_jobs_, [this](std::size_t i) { do_job(jobs_[i]); });
  } else {
    for (std::size_t i = 0; i < n_jobs_; ++i) {
      do_job(jobs_[i]);
    }
  }
  for (const SampleJob &job : jobs()) {
    if (job.failure) {
      std::rethrow_exception(job.failure);
    }
  }
}

} // namespace llamabox
