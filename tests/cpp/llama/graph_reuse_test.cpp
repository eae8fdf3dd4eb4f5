// Steps of the same sequences are batches of the same shape, for which upstream keeps its graph.
#include "tiny_model.h"

#include "llama/adapters.h"
#include "llama/context.h"
#include "llama/model.h"
#include "llama/runner.h"

#include "llama.h"

using namespace llamabox;

TEST_CASE("the graph of a step serves the next one, for any number of streams") {
  LlamaParams params = small_params("demo");
  params.context.n_slots = 16;
  params.context.n_ctx = 16 * 64;
  const LoadedModel model(params.model);
  LoadedAdapters adapters(model, params.model.model_path, params.adapters);
  for (const bool unified : {true, false}) {
    params.context.kv_unified = unified;
    LoadedContext context(model, params.context);
    LlamaRunner runner(context, adapters);
    Pos pos = 0;
    for (const SeqId n_streams : {1, 2, 5, 16}) {
      CAPTURE(n_streams);
      llama_perf_context_reset(context.get());
      llama_memory_clear(llama_get_memory(context.get()), false);
      constexpr int kSteps = 30; // of less than one block of cells
      for (pos = 0; pos < kSteps; ++pos) {
        Batch batch;
        for (SeqId seq = 0; seq < n_streams; ++seq) {
          batch.push_back(
              {.token = 50 + seq, .pos = {pos, pos, pos, pos}, .seq = seq, .logits = true});
        }
        REQUIRE(runner.decode(batch) == DecodeStatus::kOk);
        REQUIRE(runner.logits(0).size() > 0);
      }
      // The first builds it; cells of all streams pass the end of a block once or twice.
      CHECK(llama_perf_context(context.get()).n_reused >= kSteps - 4);
    }
  }
}
