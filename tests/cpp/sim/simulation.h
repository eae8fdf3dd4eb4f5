// Drives a trace through the real scheduler, planner, cache and admission on a model without
// numbers, and measures both times: that of the simulated machine, which users would feel, and that
// of this one, which is what our own code costs a step.
// Thread rule: one thread. Guarantee: throws when an invariant breaks, a request ends twice, never,
// or with an answer of the wrong length.
// Covered by the short run of the simulator in ctest.
#pragma once

#include "engine/scheduler.h"
#include "sim_model.h"
#include "trace.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace llamabox::sim {

struct SimParams {
  SimModelParams model;
  TraceParams trace;
  std::int32_t n_requests = 100'000;
  std::int32_t n_queue = 1024;
  int check_every = 1; // steps between two checks of the invariants
  // Allocations of this thread so far; counts nothing where the program does not.
  std::function<std::uint64_t()> n_allocations = [] { return std::uint64_t{0}; };
};

struct SimReport {
  std::vector<double> ttft_ms;          // of requests that ended well; each ascends once sorted
  std::vector<double> itl_ms;           // between two tokens of a stream
  std::vector<double> own_us;           // of each step, without the model's and the trace's part
  std::vector<double> calm_us;          // of these, steps in which nobody came or went
  std::vector<double> calm_allocations; // of the same
  std::int32_t n_done = 0;
  std::int32_t n_refused = 0; // the queue was full
  std::int32_t n_late = 0;
  std::int32_t n_cancelled = 0;
  std::int64_t n_prompt_tokens = 0;
  std::int64_t n_cached_tokens = 0;
  std::int32_t most_cells = 0;
  double simulated_s = 0;
  double real_s = 0;
  Stats stats;
};

class Simulation {
public:
  explicit Simulation(SimParams params);

  SimReport run();

private:
  struct Open {
    std::int32_t n_answer = 0;
    std::int64_t cancel_at_ns = kNever;
    std::int64_t last_ns = 0;
    std::int32_t n_text = 0;
    bool may_be_late = false;
  };

  void submit_due(std::vector<Arrival> &arrivals);
  void submit(TraceRequest request, std::vector<Arrival> &arrivals);
  void cancel_due();
  void step(std::vector<Arrival> arrivals);
  void take(const Event &event);
  void end(const Event &event, const Open &open);

  SimParams params_;
  SimClock clock_;
  SimHandles handles_;
  std::unique_ptr<Models> models_;
  RequestRegistry registry_;
  EventChannel channel_;
  SharedStats shared_stats_;
  Scheduler scheduler_;
  Trace trace_;
  TraceRequest next_;
  std::int32_t n_left_; // of the trace
  std::unordered_map<RequestId, Open> open_;
  std::vector<RequestId> to_cancel_;
  std::uint64_t n_steps_ = 0;
  SimReport report_;
};

} // namespace llamabox::sim
