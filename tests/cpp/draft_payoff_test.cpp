// Requests on a simulated machine: whatever its rows and its drafter cost and however often
// guesses come true, drafts never cost more than a fiftieth of the time, and where they pay much
// they are made.
#include "spec/speculation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

using namespace llamabox;

namespace {

using Cost = std::function<double(double)>;

struct Machine {
  Cost target;                  // ms of a step that decodes so many rows
  double drafter_ms = 0.1;      // of a run; 0: there is no draft model
  double drafter_row_ms = 0.01; // of a further row of it
  double noise = 0.1;           // of each measurement
  double stall_chance = 0.005;  // that one takes five times as long
};

struct Load {
  std::int32_t n_requests = 60;
  std::int32_t n_streams = 1;
  std::int32_t n_prompt = 60;
  std::int32_t n_tokens = 128;
  double p_right = 0.5; // chance that the draft model is right with a token that it dares to guess
  double p_dares = 1;   // that it dares
  std::int32_t period = 0; // tokens after which a text repeats; 0: never
  std::int32_t lookup_ngram_min = 0;
};

Token token_at(std::uint64_t text, std::size_t index, const Load &load) {
  const std::size_t at = load.period > 0 ? index % static_cast<std::size_t>(load.period) : index;
  const std::uint64_t mixed = (text * 1000003 + at + 1) * 0x9E3779B97F4A7C15U;
  return static_cast<Token>((mixed >> 40U) % 30000);
}

// A draft model that knows the texts, and errs as often as it should.
class SimDrafter final : public Proposer {
public:
  SimDrafter(const Machine &machine, const Load &load, std::minstd_rand &random)
      : machine_(machine), load_(load), random_(random), held_(64), streams_(64) {}

  std::vector<Draft> propose(std::span<const DraftWish> wishes) override {
    std::vector<Draft> drafts(wishes.size());
    std::int32_t n_rows = 0;
    for (const DraftWish &wish : wishes) {
      n_rows += *n_behind(wish);
      held_[static_cast<std::size_t>(wish.seq)] = wish.tokens.size();
      streams_[static_cast<std::size_t>(wish.seq)] = wish.stream;
    }
    run(static_cast<std::int32_t>(wishes.size()), n_rows);
    for (std::size_t depth = 0;; ++depth) {
      std::int32_t n_drafting = 0;
      for (std::size_t i = 0; i < wishes.size(); ++i) {
        n_drafting += extend(wishes[i], drafts[i], depth) ? 1 : 0;
      }
      if (n_drafting == 0) {
        return drafts;
      }
      run(n_drafting, n_drafting);
    }
  }
  std::optional<std::int32_t> n_behind(const DraftWish &wish) const override {
    const auto seq = static_cast<std::size_t>(wish.seq);
    const std::size_t n_held = streams_[seq] == wish.stream ? held_[seq] : 0;
    return static_cast<std::int32_t>(wish.tokens.size() - std::min(n_held, wish.tokens.size() - 1));
  }
  const StepCost &cost() const override { return cost_; }

  double ms = 0; // of all runs

private:
  void run(std::int32_t n_wanted, std::int32_t n_rows) {
    const double run_ms = machine_.drafter_ms + machine_.drafter_row_ms * (n_rows - 1);
    ms += run_ms;
    cost_.observe(n_rows - n_wanted > 16 ? StepLoad{n_wanted, n_rows - n_wanted, 0}
                                         : StepLoad{n_rows, 0, 0},
                  run_ms);
  }
  // Whether the draft needs a further run.
  bool extend(const DraftWish &wish, Draft &draft, std::size_t depth) {
    if (draft.gave_up || draft.tokens.size() != depth) {
      return false;
    }
    const auto chance = [this] { return std::uniform_real_distribution<double>(0, 1)(random_); };
    draft.gave_up = chance() >= load_.p_dares;
    if (!draft.gave_up) {
      const Token right = token_at(wish.stream, wish.tokens.size() + depth, load_);
      draft.tokens.push_back(chance() < load_.p_right ? right : right + 30000);
    }
    return !draft.gave_up && static_cast<std::int32_t>(draft.tokens.size()) < wish.n_max;
  }

  const Machine &machine_;
  const Load &load_;
  std::minstd_rand &random_;
  StepCost cost_;
  std::vector<std::size_t> held_;
  std::vector<std::uint64_t> streams_;
};

struct Stream {
  std::uint64_t text = 0; // 0: none
  std::vector<Token> tokens;
  DraftState state;
};

// The time that all requests take; 0 drafts at most: that without them.
double simulate(const Machine &machine, const Load &load, std::int32_t n_draft_max) {
  std::minstd_rand random(7);
  SimDrafter drafter(machine, load, random);
  StepCost cost;
  SpeculationParams params;
  params.n_max = n_draft_max;
  params.lookup_ngram_min = load.lookup_ngram_min;
  Speculation speculation(params, machine.drafter_ms > 0 ? &drafter : nullptr, cost);
  std::vector<Stream> streams(static_cast<std::size_t>(load.n_streams));
  const auto n_whole = static_cast<std::size_t>(load.n_prompt + load.n_tokens);
  std::uint64_t n_begun = 0;
  double all_ms = 0;
  for (;;) {
    std::vector<DraftSeat> seats;
    std::vector<Stream *> seated;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      Stream &stream = streams[i];
      if (stream.tokens.size() >= n_whole || stream.text == 0) {
        stream = Stream{};
        if (n_begun == static_cast<std::uint64_t>(load.n_requests)) {
          continue;
        }
        stream.text = ++n_begun;
        for (std::int32_t at = 0; at < load.n_prompt; ++at) {
          stream.tokens.push_back(token_at(stream.text, static_cast<std::size_t>(at), load));
        }
      }
      DraftSeat seat;
      seat.wish = {.seq = static_cast<SeqId>(i), .stream = stream.text, .tokens = stream.tokens};
      seat.tokens = stream.tokens;
      seat.n_left = static_cast<std::int32_t>(n_whole - stream.tokens.size());
      seat.wish.n_max = std::min(n_draft_max, seat.n_left - 1);
      seat.n_prompt = load.n_prompt;
      seat.state = &stream.state;
      seats.push_back(seat);
      seated.push_back(&stream);
    }
    if (seats.empty()) {
      return all_ms;
    }
    const auto n_decodes = static_cast<std::int32_t>(seats.size());
    const double before_ms = drafter.ms;
    std::vector<Draft> drafts(seats.size());
    if (n_draft_max > 0) {
      drafts = speculation.draft(seats, {.n_decodes = n_decodes, .n_room = 512});
    }
    StepRan ran;
    for (std::size_t i = 0; i < seats.size(); ++i) {
      ran.n_drafted += static_cast<std::int32_t>(drafts[i].tokens.size());
      Stream &stream = *seated[i];
      for (std::size_t at = 0;; ++at) {
        const Token right = token_at(stream.text, stream.tokens.size(), load);
        stream.tokens.push_back(right);
        if (at >= drafts[i].tokens.size() || drafts[i].tokens[at] != right) {
          break;
        }
      }
    }
    const double true_ms = machine.target(n_decodes + ran.n_drafted);
    const double factor =
        std::uniform_real_distribution<double>(1 - machine.noise, 1 + machine.noise)(random);
    const bool stalls = std::uniform_real_distribution<double>(0, 1)(random) < machine.stall_chance;
    ran.draft_ms = drafter.ms - before_ms;
    ran.ms = true_ms * factor * (stalls ? 5 : 1);
    speculation.ran(ran);
    cost.observe({n_decodes + ran.n_drafted, 0, 0}, ran.ms);
    all_ms += true_ms + ran.draft_ms; // noise is not what is judged
  }
}

double speedup(const Machine &machine, const Load &load) {
  return simulate(machine, load, 0) / simulate(machine, load, 8);
}

const Cost kFlat = [](double) { return 1.0; };
const Cost kSteep = [](double n) { return n; };
const Cost kSmall = [](double n) { return 0.4 + 0.6 * n; };       // what little models cost
const Cost kKnee = [](double n) { return n <= 8 ? 1.0 : n / 8; }; // memory, then arithmetic

} // namespace

TEST_CASE("a draft model costs at most a fiftieth, whatever it costs and however good it is") {
  double worst = 10;
  for (const Cost &target : {kFlat, kSteep, kSmall, kKnee}) {
    for (const double drafter_ms : {0.1, 0.4, 0.9}) {
      for (const double p_right : {0.05, 0.4, 0.7, 0.9}) {
        for (const std::int32_t n_streams : {1, 16}) {
          const Machine machine{target, drafter_ms, drafter_ms / 20};
          const Load load{.n_requests = 40 * n_streams, .n_streams = n_streams, .p_right = p_right};
          const double found = speedup(machine, load);
          CAPTURE(target(2));
          CAPTURE(drafter_ms);
          CAPTURE(p_right);
          CAPTURE(n_streams);
          CHECK(found > 0.98);
          worst = std::min(worst, found);
        }
      }
    }
  }
  MESSAGE("worst " << worst);
}

TEST_CASE("a drafter that seldom dares and long prompts cost no more") {
  for (const std::int32_t n_prompt : {20, 1000}) {
    for (const double p_dares : {0.1, 0.5}) {
      for (const Cost &target : {kFlat, kSmall}) {
        const Machine machine{target, 0.4, 0.02};
        const Load load{.n_requests = 40, .n_prompt = n_prompt, .p_right = 0.6, .p_dares = p_dares};
        CAPTURE(n_prompt);
        CAPTURE(p_dares);
        CHECK(speedup(machine, load) > 0.98);
      }
    }
  }
}

TEST_CASE("a draft model that pays is used") {
  const Load often{.p_right = 0.9};
  CHECK(speedup({kFlat, 0.1, 0.005}, often) > 2.5);
  CHECK(speedup({kKnee, 0.1, 0.005}, often) > 2.5);
  CHECK(speedup({kFlat, 0.1, 0.005}, {.p_right = 0.6}) > 1.5);
  CHECK(speedup({kFlat, 0.1, 0.005}, {.n_requests = 320, .n_streams = 16, .p_right = 0.9}) > 1.8);
  CHECK(speedup({kFlat, 0.1, 0.005}, {.p_right = 0.95, .p_dares = 0.5}) > 1.4);
}

TEST_CASE("lookups cost at most a fiftieth, and pay where texts repeat") {
  for (const Cost &target : {kFlat, kSteep, kSmall, kKnee}) {
    const Machine machine{target, 0};
    for (const std::int32_t n_streams : {1, 16}) {
      const Load load{.n_requests = 40 * n_streams, .n_streams = n_streams, .lookup_ngram_min = 1};
      CHECK(speedup(machine, load) > 0.98);
    }
  }
  const Load repeating{.period = 30, .lookup_ngram_min = 2};
  CHECK(speedup({kFlat, 0}, repeating) > 4);
  CHECK(speedup({kKnee, 0}, repeating) > 4);
  CHECK(speedup({kSteep, 0}, repeating) > 0.98);
}

TEST_CASE("lookup and draft model together cost at most a fiftieth") {
  for (const double p_right : {0.1, 0.6}) {
    for (const std::int32_t period : {0, 30}) {
      for (const Cost &target : {kSmall, kSteep}) {
        const Machine machine{target, 0.5, 0.03};
        const Load load{.p_right = p_right, .period = period, .lookup_ngram_min = 2};
        CHECK(speedup(machine, load) > 0.98);
      }
    }
  }
}
