#include "llama/threadpool.h"

#include "base/error.h"

#include <algorithm>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace llamabox {
namespace {

using New = ggml_threadpool_t (*)(ggml_threadpool_params *);

template <class Function> Function cpu_function(const char *name) {
  ggml_backend_dev_t dev = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  void *address = dev == nullptr
                      ? nullptr
                      : ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(dev), name);
  if (address == nullptr) {
    throw Error(ErrorCode::kLoadFailed, std::string("the CPU backend lacks ") + name);
  }
  return reinterpret_cast<Function>(address);
}

// The CPUs that the calling thread may run on.
std::vector<std::int32_t> allowed_cpus() {
  std::vector<std::int32_t> cpus;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (std::int32_t cpu = 0; cpu < std::min<std::int32_t>(CPU_SETSIZE, GGML_MAX_N_THREADS);
         ++cpu) {
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) {
        cpus.push_back(cpu);
      }
    }
  }
#endif
  return cpus;
}

// The policy and level that ggml gives to the threads of a pool.
struct Schedule {
  int policy;
  int level;
};

Schedule schedule_of(std::int32_t priority) {
  constexpr int kLevels[] = {0, 40, 80, 90};
  return {priority == 0 ? SCHED_OTHER : SCHED_FIFO, kLevels[priority]};
}

bool set_priority(std::int32_t priority) {
  const Schedule schedule = schedule_of(priority);
  sched_param level{};
  level.sched_priority = schedule.level;
  return pthread_setschedparam(pthread_self(), schedule.policy, &level) == 0;
}

[[noreturn]] void refuse(const std::string &option, const std::string &sentence) {
  throw Error(ErrorCode::kLoadFailed, option + ": " + sentence, option);
}

void check_cpus(const ThreadPlacement &placement, const std::string &suffix) {
  const std::vector<std::int32_t> allowed = allowed_cpus();
  for (const std::int32_t cpu : placement.cpus) {
    if (std::ranges::find(allowed, cpu) == allowed.end()) {
      refuse("cpu-mask" + suffix,
             "CPU " + std::to_string(cpu) + " is not among those that this process may use");
    }
  }
}

void check_priority(const ThreadPlacement &placement, const std::string &suffix) {
  const std::string option = "prio" + suffix;
  if (placement.priority < 0 || placement.priority > 3) {
    refuse(option, std::to_string(placement.priority) + " is not within 0 and 3");
  }
  if (placement.priority == 0) {
    return;
  }
  bool granted = false;
  std::thread([&] { granted = set_priority(placement.priority); }).join();
  if (!granted) {
    refuse(option, std::to_string(placement.priority) +
                       " is real-time scheduling, which this process may not use (it needs"
                       " CAP_SYS_NICE or an rtprio limit of " +
                       std::to_string(schedule_of(placement.priority).level) + ")");
  }
}

void check_poll(const ThreadPlacement &placement, const std::string &suffix) {
  if (placement.poll < 0 || placement.poll > 100) {
    refuse("poll" + suffix, std::to_string(placement.poll) + " is not within 0 and 100");
  }
}

// Paused, so that the threads begin with the schedule of their maker and only take on their own:
// made running, the second pool would inherit what the first one gave to the maker.
ggml_threadpool_params upstream_params(std::int32_t n_threads, const ThreadPlacement &placement) {
  ggml_threadpool_params upstream = ggml_threadpool_params_default(n_threads);
  for (const std::int32_t cpu : placement.cpus) {
    upstream.cpumask[cpu] = true;
  }
  upstream.strict_cpu = placement.strict;
  upstream.prio = static_cast<ggml_sched_priority>(placement.priority);
  upstream.poll = static_cast<std::uint32_t>(placement.poll);
  upstream.paused = true;
  return upstream;
}

} // namespace

void check_placements(const ThreadpoolParams &params) {
  const auto check = [](const ThreadPlacement &placement, const std::string &suffix) {
    check_cpus(placement, suffix);
    check_priority(placement, suffix);
    check_poll(placement, suffix);
  };
  check(params.placement, "");
  check(params.placement_batch, "-batch");
}

Threadpools::Threadpools(const ThreadpoolParams &params)
    : idle_(ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr), ggml_backend_free),
      priority_(params.placement.priority), priority_batch_(params.placement_batch.priority) {
  const New create = cpu_function<New>("ggml_threadpool_new");
  free_ = cpu_function<Free>("ggml_threadpool_free");
  set_pool_ = cpu_function<SetPool>("ggml_backend_cpu_set_threadpool");

  ThreadPlacement placement = params.placement;
  ThreadPlacement placement_batch = params.placement_batch;
  if (placement.cpus.empty() != placement_batch.cpus.empty()) {
    // The calling thread goes from pool to pool; a pool without CPUs of its own would leave it on
    // those of the other.
    (placement.cpus.empty() ? placement : placement_batch).cpus = allowed_cpus();
  }
  ggml_threadpool_params single = upstream_params(params.n_threads, placement);
  ggml_threadpool_params batch = upstream_params(params.n_threads_batch, placement_batch);
  single_ = create(&single);
  if (!ggml_threadpool_params_match(&single, &batch)) {
    batch_ = create(&batch);
  }
  if (single_ == nullptr) {
    throw Error(ErrorCode::kLoadFailed, "cannot start the compute threads");
  }
}

Threadpools::~Threadpools() {
  if (single_ != nullptr) {
    free_(single_);
  }
  if (batch_ != nullptr) {
    free_(batch_);
  }
}

void Threadpools::attach(llama_context *context) const {
  llama_attach_threadpool(context, single_, batch_);
}

void Threadpools::rest() const {
  // The table of the CPU backend has no function for it, but a backend that is given another pool
  // pauses the one it had.
  for (ggml_threadpool_t pool : {single_, batch_}) {
    if (pool != nullptr && idle_) {
      set_pool_(idle_.get(), pool);
      set_pool_(idle_.get(), nullptr);
    }
  }
}

void Threadpools::attach_batch(ggml_backend_t backend, std::int32_t n_threads) const {
  using Attach = void (*)(ggml_backend_t, ggml_threadpool_t);
  using SetCount = void (*)(ggml_backend_t, int);
  cpu_function<Attach>("ggml_backend_cpu_set_threadpool")(backend,
                                                          batch_ != nullptr ? batch_ : single_);
  cpu_function<SetCount>("ggml_backend_set_n_threads")(backend, n_threads);
}

void Threadpools::before_step(std::size_t n_rows) {
  // ggml raises the calling thread with the rest of a pool, and never lowers it again.
  const std::int32_t wanted = n_rows > 1 ? priority_batch_ : priority_;
  if (wanted != own_priority_) {
    set_priority(wanted);
    own_priority_ = wanted;
  }
}

} // namespace llamabox
