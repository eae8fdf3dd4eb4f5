#include "engine/invariants.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

// A healthy engine with one decoding and one prefilling sequence.
EngineState healthy() {
  EngineState state;
  state.bound = {{0, 0, Phase::kDecode, 11, 10, 10, 10}, {1, 1, Phase::kPrefill, 50, 20, 20, 20}};
  state.n_batch = 64;
  state.n_rows = 21;
  state.n_cells = 100;
  state.n_cells_used = 30;
  state.n_open_choices = 2;
  return state;
}

} // namespace

TEST_CASE("a healthy engine breaks nothing") { CHECK_FALSE(broken_invariant(healthy())); }

TEST_CASE("each invariant is found by its name") {
  EngineState state = healthy();
  state.bound[0].bound_to = 1;
  CHECK(broken_invariant(state) == "inv.slot");
  state = healthy();
  state.bound[0].n_kv = 9;
  CHECK(broken_invariant(state) == "inv.n_past");
  state = healthy();
  state.bound[1].n_cached = 21;
  CHECK(broken_invariant(state) == "inv.n_past");
  state = healthy();
  state.bound[0].n_tokens = 12;
  CHECK(broken_invariant(state) == "inv.decode_ready");
  state = healthy();
  state.n_rows = 65;
  CHECK(broken_invariant(state) == "inv.budget");
  state = healthy();
  state.n_cells_used = 101;
  CHECK(broken_invariant(state) == "inv.budget");
  state = healthy();
  state.n_open_choices = 3;
  CHECK(broken_invariant(state) == "inv.terminal");
  state = healthy();
  state.n_classes = 2;
  CHECK(broken_invariant(state) == "inv.class");
  state = healthy();
  state.n_rows = 0;
  CHECK(broken_invariant(state) == "inv.progress");
  state.n_held = 1;
  CHECK_FALSE(broken_invariant(state));
}
