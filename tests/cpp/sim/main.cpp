// scheduler_sim [name=value ...]: a trace of requests through the scheduler, with percentiles of
// what users would feel and of what our own code costs a step. Exit code 1 when something broke or
// a limit that was given (max_own_us, max_allocations) was exceeded.
#include "simulation.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::atomic<std::uint64_t> n_allocated{0};

using Values = std::map<std::string, double, std::less<>>;

Values defaults() {
  return {{"requests", 100'000}, {"slots", 256},    {"cells", 1 << 20},    {"batch", 2048},
          {"ubatch", 512},       {"queue", 1024},   {"seed", 1},           {"rate", 24},
          {"check_every", 1},    {"max_own_us", 0}, {"max_allocations", 0}};
}

// Returns false for a word that is no known name=number.
bool read(Values &values, std::string_view word) {
  const std::size_t at = word.find('=');
  const auto found = at == std::string_view::npos ? values.end() : values.find(word.substr(0, at));
  if (found == values.end()) {
    return false;
  }
  const std::string_view number = word.substr(at + 1);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), found->second);
  return error == std::errc() && end == number.data() + number.size();
}

double at(const std::vector<double> &sorted, double share) {
  return sorted.empty()
             ? 0.0
             : sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void print(const char *name, const std::vector<double> &sorted) {
  std::printf("%s n=%zu p50=%.2f p90=%.2f p99=%.2f p99.9=%.2f max=%.2f\n", name, sorted.size(),
              at(sorted, 0.5), at(sorted, 0.9), at(sorted, 0.99), at(sorted, 0.999), at(sorted, 1));
}

double mean(const std::vector<double> &values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

llamabox::sim::SimParams params_of(const Values &values) {
  const auto count = [&](const char *name) {
    return static_cast<std::int32_t>(values.find(name)->second);
  };
  llamabox::sim::SimParams params;
  params.model.n_slots = count("slots");
  params.model.n_cells = count("cells");
  params.model.n_ctx = std::min(params.model.n_ctx, params.model.n_cells);
  params.model.n_batch = count("batch");
  params.model.n_ubatch = count("ubatch");
  params.trace.seed = static_cast<std::uint32_t>(count("seed"));
  params.trace.per_second = values.find("rate")->second;
  params.trace.n_longest = std::min(params.trace.n_longest, params.model.n_ctx / 2);
  params.n_requests = count("requests");
  params.n_queue = count("queue");
  params.check_every = count("check_every");
  params.n_allocations = [] { return n_allocated.load(std::memory_order_relaxed); };
  return params;
}

int report(const llamabox::sim::SimReport &found, const Values &values) {
  print("ttft_ms", found.ttft_ms);
  print("itl_ms", found.itl_ms);
  print("own_us", found.own_us);
  print("own_us_calm", found.calm_us);
  print("allocations_calm", found.calm_allocations);
  const auto &stats = found.stats;
  std::printf("requests done=%d refused=%d late=%d cancelled=%d\n", found.n_done, found.n_refused,
              found.n_late, found.n_cancelled);
  std::printf("cache_hit_rate=%.3f preempted=%llu preempted_tokens=%llu most_cells=%d\n",
              static_cast<double>(found.n_cached_tokens) /
                  std::max(1.0, static_cast<double>(found.n_prompt_tokens)),
              static_cast<unsigned long long>(stats.n_preempted),
              static_cast<unsigned long long>(stats.n_preempted_tokens), found.most_cells);
  const double own_us = mean(found.own_us);
  std::printf("own_us_mean=%.1f simulated_s=%.0f tok_s=%.0f real_s=%.1f\n", own_us,
              found.simulated_s, static_cast<double>(stats.n_generated_tokens) / found.simulated_s,
              found.real_s);
  const double max_own_us = values.find("max_own_us")->second;
  const double max_allocations = values.find("max_allocations")->second;
  const bool is_slow = max_own_us > 0 && own_us > max_own_us;
  const bool allocates = max_allocations > 0 && at(found.calm_allocations, 0.5) > max_allocations;
  if (is_slow || allocates) {
    std::printf("exceeded: %s\n", is_slow ? "max_own_us" : "max_allocations");
  }
  return is_slow || allocates ? 1 : 0;
}

} // namespace

#ifdef LLAMABOX_COUNT_ALLOCATIONS
// Every allocation of the program is counted; the engine's are told apart by when they happen.
void *operator new(std::size_t n_bytes) {
  n_allocated.fetch_add(1, std::memory_order_relaxed);
  if (void *memory = std::malloc(n_bytes > 0 ? n_bytes : 1)) {
    return memory;
  }
  throw std::bad_alloc();
}

void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t /*n_bytes*/) noexcept { std::free(memory); }
#endif

int main(int argc, char **argv) {
  Values values = defaults();
  for (int i = 1; i < argc; ++i) {
    if (!read(values, argv[i])) {
      std::fprintf(stderr, "%s: give name=number; names:", argv[i]);
      for (const auto &[name, value] : values) {
        std::fprintf(stderr, " %s=%g", name.c_str(), value);
      }
      std::fprintf(stderr, "\n");
      return 2;
    }
  }
  try {
    return report(llamabox::sim::Simulation(params_of(values)).run(), values);
  } catch (const std::exception &error) {
    std::printf("failed: %s\n", error.what());
    return 1;
  }
}
