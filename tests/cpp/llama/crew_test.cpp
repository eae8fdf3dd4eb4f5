// The compute threads as a crew, between the steps of a model that runs on them.
#include "tiny_model.h"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

using namespace llamabox;

TEST_CASE("every part is done once, by both threads, and the model goes on") {
  LlamaParams params = small_params("demo");
  params.context.n_threads = 1;
  params.context.n_threads_batch = 2;
  const auto models = load_models(params);
  REQUIRE(models->crew->n_threads() == 2);
  const std::vector<Token> prompt = some_tokens(20);
  const std::vector<float> first = run(*models, 0, 0, prompt);
  std::vector<float> again;
  for (int round = 0; round < 4; ++round) {
    std::vector<int> n_done(100);
    std::vector<std::thread::id> by(n_done.size());
    // Both threads are there before any part ends.
    std::atomic<int> n_begun{0};
    models->crew->run(n_done.size(), [&](std::size_t i) {
      ++n_begun;
      while (i < 2 && n_begun < 2) {
        std::this_thread::yield();
      }
      ++n_done[i];
      by[i] = std::this_thread::get_id();
    });
    CHECK(n_done == std::vector<int>(n_done.size(), 1));
    CHECK(std::set<std::thread::id>(by.begin(), by.end()).size() == 2);
    models->kv->trim(0, 0);
    again = run(*models, 0, 0, prompt);
  }
  CHECK(again == first);
}

TEST_CASE("a crew of one does all itself") {
  const auto models = load("demo");
  CHECK(models->crew->n_threads() == 1);
  int n_done = 0;
  models->crew->run(7, [&](std::size_t) { ++n_done; });
  CHECK(n_done == 7);
}
