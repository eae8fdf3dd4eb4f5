// What fits on devices, on lists of devices that are not there; and machines without any.
#include "llama/offload_plan.h"
#include "tiny_model.h"

using namespace llamabox;

namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

DeviceRoom room(std::uint64_t free, std::uint64_t spare, std::uint64_t asked) {
  return {"GPU", free * kGiB, spare * kGiB, asked * kGiB, asked * kGiB};
}

} // namespace

TEST_CASE("what is asked fits when each device also keeps what it must") {
  CHECK(all_fit({}));
  CHECK(all_fit(std::vector{room(24, 1, 23)}));
  CHECK_FALSE(all_fit(std::vector{room(24, 1, 24)}));
  CHECK_FALSE(all_fit(std::vector{room(24, 0, 25)}));
  CHECK(all_fit(std::vector{room(24, 0, 24)}));
  // Room on one device is none on another.
  CHECK_FALSE(all_fit(std::vector{room(80, 1, 10), room(8, 1, 8)}));
  CHECK(all_fit(std::vector{room(80, 1, 10), room(8, 1, 7)}));
}

TEST_CASE("a plan moves layers only where no option says what lies where") {
  const auto may = [](auto change) {
    ModelParams params;
    change(params);
    return may_place(params);
  };
  CHECK(may([](ModelParams &) {}));
  CHECK(may([](ModelParams &m) { m.devices = std::vector<std::string>{"CUDA0"}; }));
  CHECK_FALSE(may([](ModelParams &m) { m.n_gpu_layers = 20; }));
  CHECK_FALSE(may([](ModelParams &m) { m.tensor_split = {3, 1}; }));
  CHECK_FALSE(may([](ModelParams &m) { m.placements = {{".*", "CPU"}}; }));
}

TEST_CASE("without a device nothing is measured and nothing changed") {
  LlamaParams params = small_params("demo");
  params.model.devices.emplace(); // none
  const OffloadPlan plan = plan_offload(params);
  CHECK(plan.outcome == Offload::kUnmeasured);
  CHECK(plan.devices.empty());
  CHECK(plan.params.model.n_gpu_layers == -1);
  CHECK(plan.params.context.n_ctx == params.context.n_ctx);
}

TEST_CASE("a device that there is none of is refused before anything is measured") {
  LlamaParams params = small_params("demo");
  params.model.devices = std::vector<std::string>{"GPU9"};
  CHECK(error_of([&] { plan_offload(params); }).param() == "device");
}
