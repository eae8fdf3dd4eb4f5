// A draft model made of the fakes: with the parameters of the target it guesses every token right,
// as long as its memory holds what the target's does.
// Thread rule: one thread, the test's.
#pragma once

#include "fake_models.h"
#include "spec/draft_proposer.h"

#include <memory>
#include <utility>

namespace llamabox {

struct FakeDrafter {
  std::unique_ptr<DraftProposer> proposer;
  FakeKv *kv = nullptr;         // its memory, which lives as long as the proposer
  FakeRunner *runner = nullptr; // likewise
  std::unique_ptr<Models> models;
};

// With a source it is a head, which has drafts only where the source's states reach.
inline FakeDrafter make_fake_drafter(const FakeModelParams &params, float p_min = 0,
                                     std::unique_ptr<StateSource> source = nullptr) {
  FakeDrafter drafter;
  FakeHandles handles;
  drafter.models = load_fake_models(params, &handles);
  drafter.kv = handles.kv;
  drafter.runner = handles.runner;
  DraftProposerParts parts;
  parts.runner = std::move(drafter.models->runner);
  parts.kv = std::move(drafter.models->kv);
  parts.clock = std::make_unique<FakeClock>();
  parts.vocab = drafter.models->vocab.get();
  parts.n_seqs = params.n_slots;
  parts.p_min = p_min;
  if (source) {
    parts.states = std::make_shared<StateStore>(params.n_slots, source->width(), 1000);
    parts.source = std::move(source);
  }
  drafter.proposer = std::make_unique<DraftProposer>(std::move(parts));
  return drafter;
}

} // namespace llamabox
