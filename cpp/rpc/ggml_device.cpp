#include "rpc/ggml_device.h"

#include "base/error.h"

#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml.h"

#include "ggml-impl.h" // the fields of a graph: the public interface only builds whole ones

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <new>
#include <vector>

namespace llamabox {
namespace {

static_assert(GGML_OP_COUNT == kRpcOps && GGML_TYPE_COUNT == kRpcTypes);
static_assert(GGML_MAX_DIMS == kRpcDims && GGML_MAX_SRC == kRpcSources);
static_assert(GGML_MAX_NAME == kRpcName && GGML_MAX_OP_PARAMS == kRpcParams * 4);
#define SAME_OP(ours, theirs) static_assert(static_cast<int>(RpcOp::ours) == (theirs))
SAME_OP(kAddId, GGML_OP_ADD_ID);
SAME_OP(kSub, GGML_OP_SUB);
SAME_OP(kDiv, GGML_OP_DIV);
SAME_OP(kSqr, GGML_OP_SQR);
SAME_OP(kCos, GGML_OP_COS);
SAME_OP(kSumRows, GGML_OP_SUM_ROWS);
SAME_OP(kRepeat, GGML_OP_REPEAT);
SAME_OP(kConcat, GGML_OP_CONCAT);
SAME_OP(kNorm, GGML_OP_NORM);
SAME_OP(kRmsNorm, GGML_OP_RMS_NORM);
SAME_OP(kL2Norm, GGML_OP_L2_NORM);
SAME_OP(kMulMat, GGML_OP_MUL_MAT);
SAME_OP(kMulMatId, GGML_OP_MUL_MAT_ID);
SAME_OP(kScale, GGML_OP_SCALE);
SAME_OP(kCpy, GGML_OP_CPY);
SAME_OP(kCont, GGML_OP_CONT);
SAME_OP(kReshape, GGML_OP_RESHAPE);
SAME_OP(kTranspose, GGML_OP_TRANSPOSE);
SAME_OP(kGetRows, GGML_OP_GET_ROWS);
SAME_OP(kSetRows, GGML_OP_SET_ROWS);
SAME_OP(kSoftMax, GGML_OP_SOFT_MAX);
SAME_OP(kRope, GGML_OP_ROPE);
SAME_OP(kClamp, GGML_OP_CLAMP);
SAME_OP(kArgsort, GGML_OP_ARGSORT);
SAME_OP(kTopK, GGML_OP_TOP_K);
SAME_OP(kFlashAttnExt, GGML_OP_FLASH_ATTN_EXT);
SAME_OP(kSsmConv, GGML_OP_SSM_CONV);
SAME_OP(kSsmScan, GGML_OP_SSM_SCAN);
SAME_OP(kUnary, GGML_OP_UNARY);
SAME_OP(kGlu, GGML_OP_GLU);
SAME_OP(kMean, GGML_OP_MEAN);
SAME_OP(kGroupNorm, GGML_OP_GROUP_NORM);
SAME_OP(kIm2col, GGML_OP_IM2COL);
SAME_OP(kIm2col3d, GGML_OP_IM2COL_3D);
SAME_OP(kConv2d, GGML_OP_CONV_2D);
SAME_OP(kPool2d, GGML_OP_POOL_2D);
SAME_OP(kUpscale, GGML_OP_UPSCALE);
SAME_OP(kPad, GGML_OP_PAD);
SAME_OP(kArange, GGML_OP_ARANGE);
SAME_OP(kTimestepEmbedding, GGML_OP_TIMESTEP_EMBEDDING);
SAME_OP(kLeakyRelu, GGML_OP_LEAKY_RELU);
SAME_OP(kFill, GGML_OP_FILL);
#undef SAME_OP
static_assert(kRpcComputes == GGML_TENSOR_FLAG_COMPUTE);
static_assert(static_cast<int>(RpcType::kF64) == GGML_TYPE_F64);
static_assert(static_cast<int>(RpcType::kBf16) == GGML_TYPE_BF16);

ggml_backend_buffer_t storage_of(const RpcBuffer &buffer) {
  return static_cast<ggml_backend_buffer_t>(buffer.storage);
}

// Sources are left to the caller, who knows the tensors they became.
void fill(const RpcTensor &from, ggml_tensor &to) {
  to = ggml_tensor{};
  to.type = static_cast<ggml_type>(from.type);
  to.op = static_cast<ggml_op>(from.op);
  to.flags = from.flags;
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    to.ne[i] = from.ne[i];
    to.nb[i] = from.nb[i];
  }
  std::memcpy(to.op_params, from.params.data(), sizeof to.op_params);
  to.view_offs = from.view_offs;
  if (from.buffer != nullptr) {
    to.buffer = storage_of(*from.buffer);
    to.data = static_cast<char *>(ggml_backend_buffer_get_base(to.buffer)) + from.offset;
  }
}

// One tensor alone, for a transfer.
ggml_tensor alone(const RpcTensor &from) {
  ggml_tensor tensor;
  fill(from, tensor);
  tensor.op = GGML_OP_NONE;
  tensor.view_offs = 0;
  return tensor;
}

// A run of bytes of a buffer as a row of bytes: transfers were checked against the buffer.
ggml_tensor bytes_at(const RpcTensor &place, std::uint64_t offset, std::size_t n) {
  ggml_tensor tensor = alone(place);
  tensor.type = GGML_TYPE_I8;
  const auto length = static_cast<std::int64_t>(n);
  for (std::size_t i = 0; i < kRpcDims; ++i) {
    tensor.ne[i] = i == 0 ? length : 1;
    tensor.nb[i] = i == 0 ? 1 : n;
  }
  tensor.data = static_cast<char *>(tensor.data) + offset;
  return tensor;
}

// A node with its sources and nothing else, for questions about it.
struct Lone {
  explicit Lone(const RpcTensor &node) {
    fill(node, target);
    for (std::size_t i = 0; i < kRpcSources; ++i) {
      if (node.src[i] == &node) {
        target.src[i] = &target;
      } else if (node.src[i] != nullptr) {
        fill(*node.src[i], sources[i]);
        target.src[i] = &sources[i];
      }
    }
  }
  Lone(const Lone &) = delete;
  Lone &operator=(const Lone &) = delete;

  ggml_tensor target;
  std::array<ggml_tensor, kRpcSources> sources;
};

class GgmlGraph final : public PreparedGraph {
public:
  explicit GgmlGraph(const RpcGraph &graph) : tensors_(graph.tensors.size()) {
    const std::size_t n_nodes = std::max<std::size_t>(graph.nodes.size(), 1);
    const ggml_init_params params{ggml_graph_overhead_custom(n_nodes, false) + 1024, nullptr, true};
    context_.reset(ggml_init(params));
    if (!context_) {
      throw std::bad_alloc();
    }
    const RpcTensor *first = graph.tensors.data();
    const auto ours = [&](const RpcTensor *tensor) {
      return tensor == nullptr ? nullptr : &tensors_[static_cast<std::size_t>(tensor - first)];
    };
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const RpcTensor &from = graph.tensors[i];
      fill(from, tensors_[i]);
      for (std::size_t k = 0; k < kRpcSources; ++k) {
        tensors_[i].src[k] = ours(from.src[k]);
      }
      tensors_[i].view_src = ours(from.view_src);
    }
    cgraph_ = ggml_new_graph_custom(context_.get(), n_nodes, false);
    for (const RpcTensor *node : graph.nodes) {
      ggml_tensor *tensor = ours(node);
      cgraph_->nodes[cgraph_->n_nodes++] = tensor;
      const std::size_t slot = ggml_hash_find_or_insert(&cgraph_->visited_hash_set, tensor);
      cgraph_->use_counts[slot] = node->use_count;
    }
  }

  ggml_cgraph piece(std::size_t begin, std::size_t end) {
    ggml_cgraph part = *cgraph_;
    part.nodes = cgraph_->nodes + begin;
    part.n_nodes = static_cast<int>(end - begin);
    part.uid = 0;
    return part;
  }

private:
  std::vector<ggml_tensor> tensors_;
  ggml_context_ptr context_;
  ggml_cgraph *cgraph_ = nullptr;
};

class GgmlDevice final : public RpcDevice {
public:
  GgmlDevice(ggml_backend_dev_t dev, std::int32_t n_threads, const std::atomic<bool> &stop)
      : dev_(dev), n_threads_(n_threads), stop_(stop), type_(ggml_backend_dev_buffer_type(dev)) {
    open();
  }

  std::uint64_t alignment() const override { return ggml_backend_buft_get_alignment(type_); }
  std::uint64_t max_buffer_bytes() const override { return ggml_backend_buft_get_max_size(type_); }

  RpcMemory memory() const override {
    std::size_t free_bytes = 0;
    std::size_t total_bytes = 0;
    ggml_backend_dev_memory(dev_, &free_bytes, &total_bytes);
    return {free_bytes, total_bytes};
  }

  bool allocate(std::uint64_t bytes, RpcBuffer &buffer) override {
    ggml_backend_buffer_t storage = ggml_backend_buft_alloc_buffer(type_, bytes);
    if (storage == nullptr) {
      return false;
    }
    buffer.storage = storage;
    buffer.size = ggml_backend_buffer_get_size(storage);
    // Memory of an earlier client is not shown to the next.
    ggml_backend_buffer_clear(storage, 0);
    return true;
  }

  void release(RpcBuffer &buffer) override { ggml_backend_buffer_free(storage_of(buffer)); }

  std::uint64_t allocated_bytes(const RpcTensor &tensor) const override {
    const Lone lone(tensor);
    return ggml_backend_buft_get_alloc_size(type_, &lone.target);
  }

  void clear(const RpcBuffer &buffer, std::uint8_t value) override {
    ggml_backend_buffer_clear(storage_of(buffer), value);
  }

  void init(const RpcTensor &tensor) override {
    ggml_tensor target = alone(tensor);
    ggml_backend_buffer_init_tensor(target.buffer, &target);
  }

  void write(const RpcTensor &tensor, std::uint64_t offset, const void *data,
             std::size_t n) override {
    ggml_tensor target = bytes_at(tensor, offset, n);
    ggml_backend_tensor_set(&target, data, 0, n);
  }

  void read(const RpcTensor &tensor, std::uint64_t offset, void *data, std::size_t n) override {
    const ggml_tensor target = bytes_at(tensor, offset, n);
    ggml_backend_tensor_get(&target, data, 0, n);
  }

  bool supports(const RpcTensor &node) const override {
    const Lone lone(node);
    return ggml_backend_dev_supports_op(dev_, &lone.target);
  }

  std::unique_ptr<PreparedGraph> prepare(const RpcGraph &graph) override {
    return std::make_unique<GgmlGraph>(graph);
  }

  bool run(PreparedGraph &graph, std::size_t begin, std::size_t end,
           const Abandoned &abandoned) override {
    if (begin == end) {
      return true;
    }
    abandoned_ = &abandoned;
    ggml_cgraph piece = static_cast<GgmlGraph &>(graph).piece(begin, end);
    try {
      return ggml_backend_graph_compute(backend_.get(), &piece) == GGML_STATUS_SUCCESS;
    } catch (const std::bad_alloc &) {
      // Upstream's CPU keeps the address of the memory that it gave back before it asked for more:
      // this backend can be neither used nor freed.
      [[maybe_unused]] const ggml_backend_t left = backend_.release();
      open();
      throw;
    }
  }

private:
  void open() {
    backend_.reset(ggml_backend_dev_init(dev_, nullptr));
    if (!backend_) {
      throw Error(ErrorCode::kLoadFailed, "rpc-server-main-gpu: the device cannot be used",
                  "rpc-server-main-gpu");
    }
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(dev_);
    const auto set_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(
        ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_n_threads"));
    if (set_threads != nullptr && n_threads_ > 0) {
      set_threads(backend_.get(), n_threads_);
    }
    const auto set_abort = reinterpret_cast<ggml_backend_set_abort_callback_t>(
        ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_abort_callback"));
    if (set_abort != nullptr) {
      set_abort(
          backend_.get(), [](void *self) { return static_cast<GgmlDevice *>(self)->should_end(); },
          this);
    }
  }

  // Between two nodes, on the thread that runs the graph. The question is a system call, so that it
  // is asked rarely.
  bool should_end() {
    constexpr std::chrono::milliseconds kBetween{20};
    if (stop_) {
      return true;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now < next_question_) {
      return false;
    }
    next_question_ = now + kBetween;
    return (*abandoned_)();
  }

  ggml_backend_dev_t dev_;
  std::int32_t n_threads_;
  ggml_backend_ptr backend_;
  const std::atomic<bool> &stop_;
  ggml_backend_buffer_type_t type_;
  const Abandoned *abandoned_ = nullptr; // of the run in progress
  std::chrono::steady_clock::time_point next_question_;
};

bool is_gpu(ggml_backend_dev_t dev) {
  const auto type = ggml_backend_dev_type(dev);
  return type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
}

ggml_backend_dev_t find_device(std::optional<std::int32_t> main_gpu) {
  if (!main_gpu) {
    return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  }
  std::int32_t n_gpus = 0;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t dev = ggml_backend_dev_get(i);
    if (is_gpu(dev) && n_gpus++ == *main_gpu) {
      return dev;
    }
  }
  throw Error(ErrorCode::kLoadFailed,
              "rpc-server-main-gpu: there is no GPU " + std::to_string(*main_gpu) +
                  " (this machine has " + std::to_string(n_gpus) + "); -1 serves the CPU",
              "rpc-server-main-gpu");
}

} // namespace

TypeTable ggml_type_table() {
  TypeTable table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto type = static_cast<ggml_type>(i);
    const auto block = static_cast<std::uint32_t>(ggml_blck_size(type));
    if (block != 0) {
      table[i] = {block, static_cast<std::uint32_t>(ggml_type_size(type)), ggml_is_quantized(type)};
    }
  }
  return table;
}

std::unique_ptr<RpcDevice> make_ggml_device(std::optional<std::int32_t> main_gpu,
                                            std::int32_t n_threads, const std::atomic<bool> &stop,
                                            RpcDeviceInfo &info) {
  ggml_backend_dev_t dev = find_device(main_gpu);
  auto device = std::make_unique<GgmlDevice>(dev, n_threads, stop);
  info = {ggml_backend_dev_name(dev), ggml_backend_dev_description(dev), device->memory()};
  return device;
}

RpcMemory machine_memory() {
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  ggml_backend_dev_memory(find_device(std::nullopt), &free_bytes, &total_bytes);
  return {free_bytes, total_bytes};
}

} // namespace llamabox
