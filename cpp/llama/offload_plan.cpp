#include "llama/offload_plan.h"

#include "base/error.h"
#include "guard/gguf_check.h"
#include "guard/gguf_projector.h"
#include "llama/context.h"
#include "llama/context_params.h"
#include "llama/device.h"
#include "llama/draft_head.h"
#include "llama/draft_model.h"
#include "llama/encoder_facts.h"
#include "llama/media.h"
#include "llama/model.h"
#include "llama/model_params.h"
#include "llama/rpc_servers.h"

#include "fit.h"
#include "ggml-backend.h"
#include "llama.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace llamabox {
namespace {

// Buffers grow with use, and other programs use a device too. As much as upstream leaves.
constexpr std::uint64_t kSpareBytes = std::uint64_t{1} << 30U;

constexpr ggml_log_level kLeastLog = GGML_LOG_LEVEL_ERROR;

// A model without its weights, and the context it would get: what upstream measures.
class Sketch {
public:
  Sketch(ModelParams model, const ContextParams &context)
      : asked_(std::move(model)), upstream_(asked_), params_(upstream_.get()) {
    llama_model_params bare = params_;
    bare.no_alloc = true;
    bare.load_mode = LLAMA_LOAD_MODE_NONE;
    const std::unique_ptr<llama_model, FreeModel> read(llama_model_load_from_file(path(), bare));
    if (!read) {
      throw std::runtime_error("the model cannot be read");
    }
    is_causal_ = encoder_facts(read.get()).causal;
    if (!is_causal_) {
      return;
    }
    ContextParams resolved = context;
    resolve_threads(resolved);
    check_context_params(read.get(), resolved);
    context_ = sized_context_params(read.get(), resolved);
    if (context_.n_ctx == 0) {
      context_.n_ctx = static_cast<std::uint32_t>(llama_model_n_ctx_train(read.get()));
    }
  }
  Sketch(const Sketch &) = delete;
  Sketch &operator=(const Sketch &) = delete;

  bool is_causal() const { return is_causal_; }
  std::int32_t n_ctx() const { return static_cast<std::int32_t>(context_.n_ctx); }
  const char *path() const { return asked_.model_path.c_str(); }
  llama_model_params &model() { return params_; }
  llama_context_params &context() { return context_; }

private:
  const ModelParams asked_;            // what upstream_ points into
  const UpstreamModelParams upstream_; // what params_ points into
  llama_model_params params_;
  llama_context_params context_ = {};
  bool is_causal_ = false;
};

struct Needs {
  std::vector<ggml_backend_dev_t> devices;
  std::vector<std::uint64_t> free_bytes; // of each
  std::vector<std::uint64_t> bytes;      // that it would hold
  std::int32_t n_layers = 0;             // and one for the output

  void add(const Needs &other) {
    for (std::size_t i = 0; i < other.devices.size(); ++i) {
      const auto at = std::ranges::find(devices, other.devices[i]);
      if (at != devices.end()) {
        bytes[static_cast<std::size_t>(at - devices.begin())] += other.bytes[i];
      }
    }
  }
};

Needs needs_of(Sketch &sketch) {
  Needs needs;
  std::uint32_t n_layers = 0;
  std::uint32_t n_ctx_train = 0;
  std::uint32_t n_experts = 0;
  const common_device_memory_data_vec measured =
      common_get_device_memory_data(sketch.path(), &sketch.model(), &sketch.context(),
                                    needs.devices, n_layers, n_ctx_train, n_experts, kLeastLog);
  needs.n_layers = static_cast<std::int32_t>(n_layers) + 1;
  for (std::size_t i = 0; i < needs.devices.size(); ++i) {
    const common_device_memory_data &of = measured[i];
    needs.free_bytes.push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(0, of.free)));
    needs.bytes.push_back(of.model + of.context + of.compute);
  }
  return needs;
}

std::uint64_t adapter_bytes(const AdapterParams &adapters) {
  std::uint64_t n_bytes = 0;
  for (const AdapterFile &file : adapters.loras) {
    std::error_code missing; // the load says so
    const std::uintmax_t size = std::filesystem::file_size(file.path, missing);
    n_bytes += missing ? 0 : size;
  }
  return n_bytes;
}

// Takes the devices of one model and fills a plan.
class Planner {
public:
  explicit Planner(const LlamaParams &params) : params_(params) {
    if (!params.projector.path.empty()) {
      check_projector(params.projector.path);
      fit_batch_to(params.projector, params_.context);
    }
    model_ = std::make_unique<Sketch>(with_own_head(params.model), params_.context);
    if (model_->is_causal() && has_own_draft()) {
      check_gguf(params.draft.model_path);
      draft_ = std::make_unique<Sketch>(draft_model_params(params),
                                        draft_context_params(params_.context, model_->n_ctx()));
    }
  }

  // Embeddings and ranks have small contexts of their own instead of the one that is measured.
  bool is_measured() const { return model_->is_causal() && !params_.encoder.rerank; }

  void fill(OffloadPlan &plan) {
    const Needs asked = needs();
    const bool is_free = may_place(params_.model);
    const std::int32_t n_wanted = params_.model.n_gpu_layers;
    plan.n_layers_asked = n_wanted < 0 ? asked.n_layers : std::min(n_wanted, asked.n_layers);
    plan.n_layers_given = plan.n_layers_asked;
    plan.n_ctx = model_->n_ctx();
    for (std::size_t i = 0; i < asked.devices.size(); ++i) {
      plan.devices.push_back({ggml_backend_dev_name(asked.devices[i]), asked.free_bytes[i],
                              is_free ? spare_bytes(asked.devices[i]) : 0, asked.bytes[i],
                              asked.bytes[i]});
    }
    if (all_fit(plan.devices)) {
      plan.outcome = Offload::kFits;
    } else {
      plan.outcome = is_free ? reduce(plan) : Offload::kFixed;
    }
  }

private:
  ModelParams with_own_head(ModelParams model) const {
    model.load_own_head = wants_own_head(params_);
    return model;
  }

  // A head computes with what the model has in memory already.
  bool has_own_draft() const {
    const std::string &path = params_.draft.model_path;
    return !path.empty() && params_.context.n_draft_max > 0 && !wants_own_head(params_) &&
           !is_head_file(path);
  }

  Needs needs() {
    Needs all = needs_of(*model_);
    if (draft_ && draft_->is_causal()) {
      all.add(needs_of(*draft_));
    }
    return all;
  }

  std::uint64_t spare_bytes(ggml_backend_dev_t device) const {
    std::uint64_t n_bytes = kSpareBytes + adapter_bytes(params_.adapters);
    if (!params_.projector.path.empty() && device == projector_device(params_.model)) {
      n_bytes += projector_bytes(params_);
    }
    return n_bytes;
  }

  // Fewer layers, as upstream finds that they fit; into plan.params.
  Offload reduce(OffloadPlan &plan) {
    llama_model_params fitted = model_->model();
    llama_context_params context = model_->context();
    std::vector<float> split(llama_max_devices());
    std::vector<llama_model_tensor_buft_override> cuts(llama_max_tensor_buft_overrides());
    std::vector<std::size_t> spare(llama_max_devices(), kSpareBytes);
    std::ranges::transform(plan.devices, spare.begin(), &DeviceRoom::spare_bytes);
    std::optional<common_fit_extra_model> extra;
    if (draft_ && draft_->is_causal()) {
      extra.emplace(
          common_fit_extra_model{draft_->path(), &draft_->model(), &draft_->context(), false});
    }
    const auto status =
        common_fit_params(model_->path(), &fitted, &context, split.data(), cuts.data(),
                          spare.data(), 0, extra ? &*extra : nullptr, kLeastLog);
    if (status != COMMON_PARAMS_FIT_STATUS_SUCCESS || fitted.n_gpu_layers < 0) {
      return Offload::kUnsolved;
    }
    ModelParams &model = plan.params.model;
    model.n_gpu_layers = plan.n_layers_given = fitted.n_gpu_layers;
    if (plan.devices.size() > 1) {
      model.tensor_split.assign(split.begin(), split.begin() + std::ssize(plan.devices));
    }
    for (const llama_model_tensor_buft_override &cut : cuts) {
      if (cut.pattern == nullptr) {
        break;
      }
      model.placements.push_back({cut.pattern, ggml_backend_buft_name(cut.buft)});
    }
    plan.n_layers_cut = static_cast<std::int32_t>(model.placements.size());
    model_ = std::make_unique<Sketch>(with_own_head(model), params_.context);
    const Needs given = needs();
    for (std::size_t i = 0; i < plan.devices.size(); ++i) {
      // With no layer left the device is not used at all.
      plan.devices[i].given_bytes = i < given.bytes.size() ? given.bytes[i] : 0;
    }
    return Offload::kReduced;
  }

  LlamaParams params_;
  std::unique_ptr<Sketch> model_;
  std::unique_ptr<Sketch> draft_; // none: no model beside it
};

bool can_be_measured(const ModelParams &params) {
  return params.split_mode == SplitMode::kNone || params.split_mode == SplitMode::kLayer;
}

} // namespace

bool all_fit(std::span<const DeviceRoom> devices) {
  return std::ranges::all_of(devices, [](const DeviceRoom &room) {
    return room.asked_bytes <= room.free_bytes &&
           room.spare_bytes <= room.free_bytes - room.asked_bytes;
  });
}

bool may_place(const ModelParams &params) {
  return params.n_gpu_layers < 0 && params.tensor_split.empty() && params.placements.empty();
}

OffloadPlan plan_offload(const LlamaParams &params) {
  OffloadPlan plan;
  plan.params = params;
  init_backends();
  if (!can_be_measured(params.model) || used_devices(params.model).empty()) {
    return plan;
  }
  try {
    check_gguf(params.model.model_path, params.model.overrides);
    Planner planner(params);
    if (planner.is_measured()) {
      planner.fill(plan);
    }
  } catch (const Error &) {
    check_rpc_servers();
    throw;
  } catch (const std::exception &) {
    // The load meets the same trouble and says what it is.
    plan = {};
    plan.params = params;
  }
  check_rpc_servers();
  return plan;
}

} // namespace llamabox
