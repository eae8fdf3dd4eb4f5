#include "simulation.h"

#include "cpu_time.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace llamabox::sim {
namespace {

std::int64_t real_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

EngineParams engine_params(const SimParams &params) {
  EngineParams made;
  made.n_slots = params.model.n_slots;
  made.n_queue = params.n_queue;
  return made;
}

[[noreturn]] void fail(RequestId id, const std::string &what) {
  throw std::logic_error("request " + std::to_string(id) + ": " + what);
}

} // namespace

Simulation::Simulation(SimParams params)
    : params_(std::move(params)), models_(make_models(params_.model, clock_, handles_)),
      registry_(params_.n_queue),
      scheduler_(SchedulerContext{*models_, engine_params(params_), clock_, registry_, channel_,
                                  shared_stats_}),
      trace_(params_.trace), next_(trace_.next()), n_left_(params_.n_requests) {}

SimReport Simulation::run() {
  const std::int64_t begin_ns = real_ns();
  while (n_left_ > 0 || !open_.empty()) {
    if (scheduler_.idle() && n_left_ > 0) {
      clock_.advance_ns(std::max<std::int64_t>(0, next_.at_ns - clock_.now_ns()));
    }
    std::vector<Arrival> arrivals;
    submit_due(arrivals);
    cancel_due();
    step(std::move(arrivals));
    for (const Event &event : channel_.drain()) {
      take(event);
    }
  }
  report_.simulated_s = static_cast<double>(clock_.now_ns()) / 1e9;
  report_.real_s = static_cast<double>(real_ns() - begin_ns) / 1e9;
  report_.stats = scheduler_.stats();
  for (auto *values : {&report_.ttft_ms, &report_.itl_ms, &report_.own_us, &report_.calm_us,
                       &report_.calm_allocations}) {
    std::ranges::sort(*values);
  }
  return std::move(report_);
}

void Simulation::submit_due(std::vector<Arrival> &arrivals) {
  while (n_left_ > 0 && next_.at_ns <= clock_.now_ns()) {
    submit(std::move(next_), arrivals);
    next_ = trace_.next();
    --n_left_;
  }
}

void Simulation::submit(TraceRequest request, std::vector<Arrival> &arrivals) {
  Submission submission;
  submission.ticket = registry_.accept();
  if (submission.ticket.id == 0) {
    ++report_.n_refused;
    return;
  }
  Open open;
  open.n_answer = request.n_answer;
  open.may_be_late = request.timeout_ns != kNever;
  if (request.cancel_after_ns != kNever) {
    open.cancel_at_ns = request.at_ns + request.cancel_after_ns;
    to_cancel_.push_back(submission.ticket.id);
  }
  open_.emplace(submission.ticket.id, open);
  GenerateRequest body;
  body.prompt = TokenPrompt{std::move(request.prompt)};
  body.max_tokens = request.n_answer;
  submission.request.body = std::move(body);
  submission.request.priority = request.priority;
  submission.request.timeout_ns = request.timeout_ns;
  submission.submitted_ns = request.at_ns;
  arrivals.push_back(prepare(std::move(submission), *models_));
}

void Simulation::cancel_due() {
  std::erase_if(to_cancel_, [this](RequestId id) {
    const auto found = open_.find(id);
    if (found == open_.end()) {
      return true;
    }
    const bool is_due = found->second.cancel_at_ns <= clock_.now_ns();
    if (is_due) {
      registry_.cancel(id);
    }
    return is_due;
  });
}

void Simulation::step(std::vector<Arrival> arrivals) {
  const Stats &stats = scheduler_.stats();
  const bool nobody_comes = arrivals.empty();
  const auto n_busy = stats.n_slots_busy;
  const auto n_prompt = stats.n_prompt_tokens;
  const std::uint64_t n_allocated = params_.n_allocations();
  const std::int64_t model_ns = handles_.runner->spent_ns();
  const std::int64_t begin_ns = cpu_ns();
  scheduler_.step(std::move(arrivals));
  const std::int64_t spent_ns = cpu_ns() - begin_ns;
  const double own_us =
      static_cast<double>(spent_ns - (handles_.runner->spent_ns() - model_ns)) / 1e3;
  report_.own_us.push_back(own_us);
  if (nobody_comes && stats.n_slots_busy == n_busy && stats.n_prompt_tokens == n_prompt) {
    report_.calm_us.push_back(own_us);
    report_.calm_allocations.push_back(static_cast<double>(params_.n_allocations() - n_allocated));
  }
  report_.most_cells = std::max(report_.most_cells, stats.n_kv_used);
  if (n_steps_++ % static_cast<std::uint64_t>(params_.check_every) == 0) {
    if (const auto broken = broken_invariant(scheduler_.state())) {
      throw std::logic_error("broken " + *broken + " in step " + std::to_string(n_steps_));
    }
    if (stats.n_kv_used != handles_.kv->n_used()) {
      throw std::logic_error("the budget counts other cells than there are");
    }
  }
}

void Simulation::take(const Event &event) {
  const auto found = open_.find(event.request);
  if (found == open_.end()) {
    fail(event.request, "an event after its end");
  }
  Open &open = found->second;
  if (!event.text.empty()) {
    if (open.last_ns != 0) {
      report_.itl_ms.push_back(ms_between(open.last_ns, clock_.now_ns()));
    }
    open.last_ns = clock_.now_ns();
    open.n_text += static_cast<std::int32_t>(event.text.size());
  }
  if (event.kind == EventKind::kDone) {
    end(event, open);
    open_.erase(found);
  }
}

void Simulation::end(const Event &event, const Open &open) {
  if (event.finish == FinishReason::kCancelled && open.cancel_at_ns <= clock_.now_ns()) {
    ++report_.n_cancelled;
  } else if (event.error == ErrorCode::kDeadlineExceeded && open.may_be_late) {
    ++report_.n_late;
  } else if (event.error == ErrorCode::kQueueFull) {
    ++report_.n_refused;
  } else if (event.finish != FinishReason::kNone) {
    fail(event.request, "ended with " + event.message);
  } else if (open.n_text != open.n_answer) {
    fail(event.request, "has an answer of " + std::to_string(open.n_text) + " tokens");
  } else {
    ++report_.n_done;
    report_.ttft_ms.push_back(event.usage.ttft_ms);
    report_.n_prompt_tokens += event.usage.n_prompt;
    report_.n_cached_tokens += event.usage.n_cached;
  }
}

} // namespace llamabox::sim
