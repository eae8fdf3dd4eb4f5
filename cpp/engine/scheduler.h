// One pass of the engine: take in, plan, draft, pack, decode, verify, commit, publish. Owns every
// sequence, slot and KV cell; only its commit phase changes them.
// Thread rule: engine thread; tests call step() by hand. Guarantee: inv.* of README.md after every
// step. Covered by scheduler_test, scheduler_random_test and scheduler_failure_test.
#pragma once

#include "base/clock.h"
#include "base/compute_turns.h"
#include "base/event_channel.h"
#include "base/request_registry.h"
#include "base/step_cost.h"
#include "engine/admission.h"
#include "engine/encode_stage.h"
#include "engine/invariants.h"
#include "engine/lora_sets.h"
#include "engine/models.h"
#include "engine/packer.h"
#include "engine/params.h"
#include "engine/planner.h"
#include "engine/prompt_worker.h"
#include "engine/sampler_pool.h"
#include "engine/share_groups.h"
#include "engine/slot_table.h"
#include "engine/stats.h"
#include "engine/wait_queue.h"
#include "kv/prefix_cache.h"
#include "spec/speculation.h"
#include "spec/verify.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace llamabox {

// What a scheduler works with; all of it outlives the scheduler.
struct SchedulerContext {
  Models &models;
  EngineParams params;
  const Clock &clock;
  RequestRegistry &registry;
  EventChannel &channel;
  SharedStats &stats;            // set before each step's events are pushed
  ComputeTurns *turns = nullptr; // a step computes in its turn; null: nobody else computes
};

class Scheduler {
public:
  explicit Scheduler(SchedulerContext context);

  // One pass. Throws nothing a request could cause: Error(kDeviceLost) when what it computes on is
  // gone, any other std::exception when the engine is broken.
  void step(std::vector<Arrival> arrivals);

  bool idle() const { return live_.empty(); }

  // When the next step has something to do without arrivals or nudges: 0 is at once, kNever when
  // idle, else the time at which the first sequence held back by its pace is due, or a deadline.
  std::int64_t wake_ns() const;

  // Ends every request; the events are published.
  void end_all(const Error &reason);

  const Stats &stats() const { return stats_; }
  EngineState state() const;

private:
  // take in
  void take_in(Arrival arrival);
  void take_in_generate(Arrival arrival, LiveRequest &request);
  std::optional<Error> refusal_of(Arrival &arrival, LiveRequest &request) const;
  bool may_shift(const Arrival &arrival) const;
  void allow_drafts(Sequence &sequence, const GenerateRequest &generate) const;
  void keep_states(Sequence &sequence) const;
  void take_in_encode(Arrival arrival, LiveRequest &request);
  void run_side_call(LiveRequest &request, const SideCall &call);
  Result answer(const SideCall &call);
  Result save_slot(const SideCall &call);
  Result restore_slot(const SideCall &call);
  Result erase_slot(const SideCall &call);
  void check_idle(std::int32_t slot) const;
  void end_cancelled();
  void admit();
  void copy_parked();
  void note_restored(Sequence &sequence, Pos n);
  // plan, draft, pack, decode
  StepPlan plan();
  std::int32_t n_draft_max(const Sequence &sequence, std::int64_t now_ns) const;
  std::int32_t n_left(const Sequence &sequence) const;
  static std::span<const Token> text_of(Sequence &sequence);
  void draft(const StepPlan &plan);
  void note_states(const PackedStep &step);
  PackedStep pack(const StepPlan &plan);
  bool make_cells(StepPlan &plan);
  void use_class(const PackedStep &step);
  void fail_decoded(const PackedStep &step);
  // verify, commit
  void commit(const PackedStep &step);
  void score(const PackedRows &part);
  void end_with_prompt(Sequence &sequence);
  void sample(const PackedStep &step);
  void note_draft(Sequence &sequence, std::int32_t n_drafted, std::int32_t n_kept);
  void settle(const PackedRows &part, const Verdict &verdict);
  void note_unsampled(LiveRequest &request, const Error &error);
  FinishReason accept(Sequence &sequence, Token token);
  FinishReason make_context_room(Sequence &sequence);
  void note_token(Sequence &sequence, Token token, std::int32_t row);
  void stream(Sequence &sequence);
  void account(const PackedStep &step, double draft_ms, double ms);
  // encode
  void encode();
  void note_encoded(LiveRequest &request, std::int64_t begin_ns);
  // publish
  void finish_choice(Sequence &sequence, FinishReason reason);
  void end_request(LiveRequest &request, const Error *error, std::unique_ptr<Result> result);
  void describe_slots();
  void publish();
  void check_invariants(std::int32_t n_rows);

  Models &models_;
  const EngineParams params_;
  const RunnerLimits limits_;
  const Clock &clock_;
  RequestRegistry &registry_;
  EventChannel &channel_;
  SharedStats &shared_stats_;
  ComputeTurns *turns_;

  SlotTable slots_;
  WaitQueue queue_;
  PrefixCache cache_;
  Admission admission_;
  StepCost cost_; // without drafting
  Speculation speculation_;
  const bool can_draft_;
  std::unordered_map<std::int32_t, Draft> drafts_; // of this step, by slot
  const bool can_shift_;                           // a full context may lose tokens
  const bool keeps_states_;                        // of prompts, where a sequence cannot go back
  SamplerPool sampler_pool_;
  LoraSets lora_sets_;
  ShareGroups groups_;
  LoraSet default_loras_; // of requests that name none
  ClassTurn class_turn_;
  EncodeStage encodes_;
  ClassKey active_class_ = 0; // whose adapters the runner has
  std::unordered_map<RequestId, std::unique_ptr<LiveRequest>> live_;
  std::set<std::pair<std::int64_t, RequestId>> deadlines_; // of live requests that have one
  std::vector<Event> events_;                              // of this step
  Stats stats_;
  std::uint64_t n_arrived_ = 0;
  std::int32_t n_last_rows_ = 0;    // of the last step
  std::int32_t n_last_held_ = 0;    // by their pace, in the last plan
  std::int32_t n_last_classes_ = 0; // among its rows
  bool ended_something_ = false;    // in the last step
  bool last_had_prefill_ = false;   // the last plan
  bool may_admit_ = false; // what the queue waits for has changed since it was last looked at
  std::vector<std::pair<LiveRequest *, Error>> unsampled_; // of this step: no token could be chosen
};

} // namespace llamabox
