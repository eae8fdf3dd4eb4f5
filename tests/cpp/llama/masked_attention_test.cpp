// Attention on the CPU over cells of many sequences, beside the same sums in double precision: what
// the patch about masked cells passes over must be nothing that a row may see.
#include <doctest/doctest.h>
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace {

constexpr std::int64_t kWidth = 32; // of a key and a value
constexpr std::int64_t kHeads = 4;
constexpr std::int64_t kKvHeads = 2;
constexpr float kHidden = -std::numeric_limits<float>::infinity();

struct Shape {
  std::int64_t n_rows;
  std::int64_t n_cells;
  std::int64_t n_mask_heads; // heads with a mask of their own
  std::int64_t n_streams;
  std::uint32_t n_owners; // sequences that share the cells
};

// A tensor's elements as floats, in the order of its memory.
struct Values {
  ggml_tensor *tensor;
  std::vector<float> at;
};

class Attention {
public:
  explicit Attention(const Shape &shape) : shape_(shape), random_(7) {
    const auto [n_rows, n_cells, n_mask_heads, n_streams, n_owners] = shape;
    q_ = drawn(GGML_TYPE_F32, {kWidth, n_rows, kHeads, n_streams});
    k_ = drawn(GGML_TYPE_F16, {kWidth, n_cells, kKvHeads, n_streams});
    v_ = drawn(GGML_TYPE_F16, {kWidth, n_cells, kKvHeads, n_streams});
    mask_ = drawn(GGML_TYPE_F16, {n_cells, n_rows, n_mask_heads, n_streams});
    mask_out();
    out_ = ggml_flash_attn_ext(context_.get(), q_.tensor, k_.tensor, v_.tensor, mask_.tensor,
                               kScale, 0.0F, 0.0F);
    buffer_.reset(ggml_backend_alloc_ctx_tensors(context_.get(), backend_.get()));
    for (const Values *one : {&q_, &k_, &v_, &mask_}) {
      store(*one);
    }
  }

  // The largest difference from the sums in double precision.
  double difference(int n_threads) {
    ggml_cgraph *graph = ggml_new_graph_custom(context_.get(), 4, false);
    ggml_build_forward_expand(graph, out_);
    auto *registry = ggml_backend_dev_backend_reg(ggml_backend_get_device(backend_.get()));
    reinterpret_cast<ggml_backend_set_n_threads_t>(ggml_backend_reg_get_proc_address(
        registry, "ggml_backend_set_n_threads"))(backend_.get(), n_threads);
    REQUIRE(ggml_backend_graph_compute(backend_.get(), graph) == GGML_STATUS_SUCCESS);
    std::vector<float> found(static_cast<std::size_t>(ggml_nelements(out_)));
    ggml_backend_tensor_get(out_, found.data(), 0, found.size() * sizeof(float));
    double largest = 0;
    std::size_t at = 0; // of the output: [width, heads, rows, streams]
    for (std::int64_t stream = 0; stream < shape_.n_streams; ++stream) {
      for (std::int64_t row = 0; row < shape_.n_rows; ++row) {
        for (std::int64_t head = 0; head < kHeads; ++head) {
          for (const double right : expected(stream, row, head)) {
            largest = std::max(largest, std::abs(right - found[at++]));
          }
        }
      }
    }
    return largest;
  }

private:
  static constexpr float kScale = 0.5F;

  Values drawn(ggml_type type, const std::vector<std::int64_t> &ne) {
    ggml_tensor *tensor = ggml_new_tensor(context_.get(), type, 4, ne.data());
    std::vector<float> values(static_cast<std::size_t>(ggml_nelements(tensor)));
    for (float &value : values) {
      const float any = std::uniform_real_distribution<float>(-1, 1)(random_);
      value = type == GGML_TYPE_F16 ? ggml_fp16_to_fp32(ggml_fp32_to_fp16(any)) : any;
    }
    return {tensor, std::move(values)};
  }

  // Cells come in runs of one owner each; a row sees those of its own, and the first cell.
  void mask_out() {
    std::vector<std::uint32_t> owner;
    while (owner.size() < static_cast<std::size_t>(shape_.n_cells)) {
      owner.insert(owner.end(), 1 + random_() % 150, random_() % shape_.n_owners);
    }
    for (std::size_t i = 0; i < mask_.at.size(); ++i) {
      const std::size_t row = i / static_cast<std::size_t>(shape_.n_cells);
      const std::size_t cell = i % static_cast<std::size_t>(shape_.n_cells);
      const bool sees = cell == 0 || owner[cell] == (row / 5) % shape_.n_owners;
      mask_.at[i] = sees ? 0.0F : kHidden;
    }
  }

  static void store(const Values &values) {
    if (values.tensor->type == GGML_TYPE_F32) {
      ggml_backend_tensor_set(values.tensor, values.at.data(), 0, ggml_nbytes(values.tensor));
      return;
    }
    std::vector<ggml_fp16_t> halves(values.at.size());
    std::transform(values.at.begin(), values.at.end(), halves.begin(), ggml_fp32_to_fp16);
    ggml_backend_tensor_set(values.tensor, halves.data(), 0, ggml_nbytes(values.tensor));
  }

  static const float *row_of(const Values &values, std::int64_t row, std::int64_t plane,
                             std::int64_t stream) {
    const std::int64_t *ne = values.tensor->ne;
    return values.at.data() + ((stream * ne[2] + plane) * ne[1] + row) * ne[0];
  }

  std::vector<double> expected(std::int64_t stream, std::int64_t row, std::int64_t head) const {
    const float *q = row_of(q_, row, head, stream);
    const float *mask = row_of(mask_, row, head % shape_.n_mask_heads, stream);
    const std::int64_t kv_head = head / (kHeads / kKvHeads);
    std::vector<double> sums(kWidth);
    double total = 0;
    for (std::int64_t cell = 0; cell < shape_.n_cells; ++cell) {
      const float *k = row_of(k_, cell, kv_head, stream);
      const float *v = row_of(v_, cell, kv_head, stream);
      double score = mask[cell];
      for (std::int64_t i = 0; i < kWidth; ++i) {
        score += static_cast<double>(kScale) * q[i] * k[i];
      }
      const double weight = std::exp(score);
      total += weight;
      for (std::int64_t i = 0; i < kWidth; ++i) {
        sums[static_cast<std::size_t>(i)] += weight * v[i];
      }
    }
    for (double &sum : sums) {
      sum /= total;
    }
    return sums;
  }

  Shape shape_;
  std::mt19937 random_;
  std::unique_ptr<ggml_context, decltype(&ggml_free)> context_{
      ggml_init({std::size_t{1} << 16U, nullptr, true}), ggml_free};
  std::unique_ptr<ggml_backend, decltype(&ggml_backend_free)> backend_{
      ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr), ggml_backend_free};
  std::unique_ptr<ggml_backend_buffer, decltype(&ggml_backend_buffer_free)> buffer_{
      nullptr, ggml_backend_buffer_free};
  Values q_, k_, v_, mask_;
  ggml_tensor *out_ = nullptr;
};

using Planes = std::pair<std::int64_t, std::int64_t>; // of the mask: heads, streams

} // namespace

TEST_CASE("attention passes over nothing that a row may see") {
  // One row takes one kernel, a few another, from 64 on tiles of 64 rows and 64 cells where they
  // pay; ends of heads and of chunks lie within tiles.
  for (const std::int64_t n_rows : {1, 7, 64, 65, 200}) {
    for (const std::int64_t n_cells : {64, 600}) {
      for (const std::uint32_t n_owners : {1U, 3U, 40U}) {
        for (const auto &[n_mask_heads, n_streams] : {Planes{1, 1}, {kHeads, 1}, {1, 2}}) {
          Attention attention({n_rows, n_cells, n_mask_heads, n_streams, n_owners});
          for (const int n_threads : {1, 2, 3}) {
            INFO(n_rows, " rows, ", n_cells, " cells, ", n_owners, " owners, ", n_mask_heads,
                 " masks, ", n_streams, " streams, ", n_threads, " threads");
            CHECK(attention.difference(n_threads) < 5e-3);
          }
        }
      }
    }
  }
}
