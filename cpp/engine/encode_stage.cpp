#include "engine/encode_stage.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace llamabox {
namespace {

constexpr std::int64_t kMaxWaitingTokens = std::int64_t{1} << 22U;
constexpr double kBesideStreamsMs = 50;
constexpr std::int32_t kLeastTokens = 32; // of a pass that is kept short

void scale(std::span<float> values, float factor) {
  for (float &value : values) {
    value *= factor;
  }
}

void normalize(std::span<float> row) {
  double sum = 0;
  for (const float value : row) {
    sum += static_cast<double>(value) * value;
  }
  if (sum > 0) {
    scale(row, static_cast<float>(1 / std::sqrt(sum)));
  }
}

std::int32_t n_rows_of(const std::vector<Token> &text, PieceJoin join) {
  return join == PieceJoin::kAppend ? static_cast<std::int32_t>(text.size()) : 1;
}

} // namespace

EncodeStage::EncodeStage(TextEncoder *encoder, const Clock &clock)
    : encoder_(encoder), clock_(clock) {
  for (const EncodeKind kind : {EncodeKind::kEmbed, EncodeKind::kRerank}) {
    if (encoder_ != nullptr && encoder_->supports(kind)) {
      limits_[static_cast<std::size_t>(kind)] = encoder_->limits(kind);
      queues_[static_cast<std::size_t>(kind)] =
          std::make_unique<EncodeQueue>(encoder_->limits(kind));
      // Where a text may go on in the next pass, a small pass would cut it for nothing.
      if (const EncodeLimits &limits = encoder_->limits(kind); !limits.can_split) {
        sizes_[static_cast<std::size_t>(kind)].emplace(limits.n_batch);
      }
    }
  }
}

void EncodeStage::add(EncodeJob job) {
  const EncodeLimits &limits = limits_[static_cast<std::size_t>(job.kind)];
  EncodeQueue &waiting = *queue(job.kind);
  std::vector<std::int32_t> n_tokens;
  std::int64_t n_all = 0;
  for (const std::vector<Token> &text : job.texts) {
    n_tokens.push_back(static_cast<std::int32_t>(text.size()));
    n_all += n_tokens.back();
  }
  if (!waiting.empty() && waiting.n_waiting_tokens() + n_all > kMaxWaitingTokens) {
    throw Error(ErrorCode::kQueueFull, "too many tokens are waiting to be encoded");
  }
  Work work;
  job.n_dims = job.n_dims > 0 ? job.n_dims : limits.n_values;
  work.result = std::make_unique<Result>();
  work.result->n_tokens = n_tokens;
  work.result->n_values = job.n_dims;
  work.result->n_made_bytes = job.n_made_bytes;
  std::size_t n_rows = 0;
  for (const std::vector<Token> &text : job.texts) {
    work.row_of.push_back(n_rows);
    work.result->n_rows.push_back(n_rows_of(text, limits.join));
    n_rows += static_cast<std::size_t>(work.result->n_rows.back());
  }
  work.result->values.resize(n_rows * static_cast<std::size_t>(job.n_dims));
  work.n_texts_left = job.texts.size();
  waiting.add(job.id, std::move(n_tokens), job.priority);
  const RequestId id = job.id;
  work.job = std::move(job);
  works_.emplace(id, std::move(work));
}

void EncodeStage::remove(RequestId id) {
  const auto work = works_.find(id);
  if (work == works_.end()) {
    return;
  }
  const EncodeKind kind = work->second.job.kind;
  if (const std::optional<SeqId> seq = queue(kind)->remove(id)) {
    encoder_->forget(kind, *seq);
  }
  works_.erase(work);
}

// Kinds take turns where both wait.
bool EncodeStage::pick_kind() {
  const EncodeKind other = turn_ == EncodeKind::kEmbed ? EncodeKind::kRerank : EncodeKind::kEmbed;
  for (const EncodeKind kind : {other, turn_}) {
    if (queue(kind) && !queue(kind)->empty()) {
      turn_ = kind;
      return true;
    }
  }
  return false;
}

std::int32_t EncodeStage::room(bool beside_streams) const {
  const auto &size = sizes_[static_cast<std::size_t>(turn_)];
  const std::int32_t n_batch =
      size ? size->next() : limits_[static_cast<std::size_t>(turn_)].n_batch;
  if (!beside_streams || ms_per_token_ <= 0) {
    return n_batch;
  }
  const double n_short = std::min<double>(n_batch, kBesideStreamsMs / ms_per_token_);
  return std::max(std::min(n_batch, kLeastTokens), static_cast<std::int32_t>(n_short));
}

void EncodeStage::use_loras(std::span<const LoraScale> loras) {
  const auto same = [](const LoraScale &a, const LoraScale &b) {
    return a.id == b.id && a.scale == b.scale;
  };
  if (!std::ranges::equal(loras, loras_, same)) {
    encoder_->set_loras(loras);
    loras_.assign(loras.begin(), loras.end());
  }
}

EncodePass EncodeStage::run(bool beside_streams, std::span<const LoraScale> loras) {
  EncodePass pass;
  if (!pick_kind()) {
    return pass;
  }
  const std::vector<PackedPiece> packed = queue(turn_)->pack(room(beside_streams));
  std::vector<EncodePiece> pieces;
  for (const PackedPiece &piece : packed) {
    Work &work = works_.at(piece.job);
    if (!std::exchange(work.begun, true)) {
      pass.begun.push_back(piece.job);
    }
    const std::span<const Token> text = work.job.texts[piece.text];
    pieces.push_back({piece.seq,
                      text.subspan(static_cast<std::size_t>(piece.first),
                                   static_cast<std::size_t>(piece.n_tokens)),
                      piece.first, piece.is_last});
    pass.n_tokens += piece.n_tokens;
    pass.n_texts += piece.first == 0 ? 1 : 0;
  }
  use_loras(loras);
  const std::int64_t begin_ns = clock_.now_ns();
  if (!encoder_->encode(turn_, pieces)) {
    end_failed(packed, pass);
    return pass;
  }
  for (std::size_t i = 0; i < packed.size(); ++i) {
    take_output(packed[i], encoder_->output(i), pass);
  }
  pass.ms = ms_between(begin_ns, clock_.now_ns());
  if (auto &size = sizes_[static_cast<std::size_t>(turn_)]) {
    size->observe(pass.n_tokens, pass.ms);
  }
  const double now = pass.ms / pass.n_tokens;
  ms_per_token_ = ms_per_token_ > 0 ? 0.75 * ms_per_token_ + 0.25 * now : now;
  return pass;
}

void EncodeStage::take_output(const PackedPiece &piece, std::span<const float> output,
                              EncodePass &pass) {
  Work &work = works_.at(piece.job);
  const EncodeLimits &limits = limits_[static_cast<std::size_t>(turn_)];
  const auto n_values = static_cast<std::size_t>(limits.n_values);
  const auto n_dims = static_cast<std::size_t>(work.job.n_dims);
  const auto write = [&](std::size_t row, std::span<const float> values) {
    const std::span<float> to = std::span(work.result->values).subspan(row * n_dims, n_dims);
    std::ranges::copy(values.first(n_dims), to.begin());
    if (work.job.normalize) {
      normalize(to);
    }
  };
  const std::size_t row = work.row_of[piece.text];
  if (limits.join == PieceJoin::kAppend) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(piece.n_tokens); ++i) {
      write(row + static_cast<std::size_t>(piece.first) + i,
            output.subspan(i * n_values, n_values));
    }
  } else if (piece.first == 0 && piece.is_last) {
    write(row, output);
  } else if (limits.join == PieceJoin::kMean) {
    work.joined.resize(n_values);
    const auto n_text = static_cast<float>(work.job.texts[piece.text].size());
    for (std::size_t i = 0; i < n_values; ++i) {
      work.joined[i] += output[i] * static_cast<float>(piece.n_tokens) / n_text;
    }
    if (piece.is_last) {
      write(row, std::exchange(work.joined, {}));
    }
  } else if (limits.join == PieceJoin::kFirst ? piece.first == 0 : piece.is_last) {
    write(row, output);
  }
  if (piece.is_last && --work.n_texts_left == 0) {
    pass.ended.push_back({piece.job, std::move(work.result), std::nullopt});
    works_.erase(piece.job);
  }
}

void EncodeStage::end_failed(const std::vector<PackedPiece> &packed, EncodePass &pass) {
  queue(turn_)->drop_split();
  for (const PackedPiece &piece : packed) {
    const auto work = works_.find(piece.job);
    if (work != works_.end()) {
      pass.ended.push_back(
          {piece.job, nullptr, Error(ErrorCode::kInternal, "the model failed to encode a text")});
      queue(turn_)->remove(piece.job);
      works_.erase(work);
    }
  }
}

} // namespace llamabox
