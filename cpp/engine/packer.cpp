#include "engine/packer.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace llamabox {
namespace {

Row make_row(const Sequence &sequence, std::int32_t index, Token token) {
  Row row;
  row.token = token;
  row.pos = sequence.prompt->positions_of(index);
  row.seq = sequence.seq;
  if (const MediaSpan *span = sequence.prompt->span_of(index)) {
    const auto n_embd = span->embd->size() / static_cast<std::size_t>(span->n_rows);
    row.embd = span->embd->data() + n_embd * static_cast<std::size_t>(index - span->start);
    row.causal = span->causal;
  }
  return row;
}

Row text_row(SeqId seq, Pos pos, Token token) {
  Row row;
  row.token = token;
  row.pos = {pos, pos, pos, pos};
  row.seq = seq;
  return row;
}

} // namespace

void pack_rows(PackedStep &step, Sequence &sequence, std::int32_t n_rows, Draft draft) {
  const std::int32_t begin = sequence.n_past;
  const std::int32_t end =
      sequence.prompt->chunk_end(begin, std::min(n_rows, sequence.n_until_stop()));
  if (end == begin) {
    return;
  }
  PackedRows part;
  part.sequence = &sequence;
  part.first_row = static_cast<std::int32_t>(step.batch.size());
  part.n_committed = end - begin;
  part.samples = end == sequence.n_tokens() && !sequence.ends_with_prompt();
  part.draft = std::move(draft);
  const bool is_text = sequence.prompt->media.empty();
  for (std::int32_t index = begin; index < end; ++index) {
    const Token token = sequence.tokens[static_cast<std::size_t>(index)];
    step.batch.push_back(is_text ? text_row(sequence.seq, index, token)
                                 : make_row(sequence, index, token));
    step.batch.back().logits = sequence.is_scored_by(index);
  }
  step.batch.back().logits = step.batch.back().logits || part.samples;
  for (std::size_t i = 0; i < part.draft.tokens.size(); ++i) {
    Row row = make_row(sequence, end + static_cast<std::int32_t>(i), part.draft.tokens[i]);
    row.logits = true;
    step.batch.push_back(row);
  }
  const auto n_packed = static_cast<std::int32_t>(step.batch.size()) - part.first_row;
  (sequence.phase == Phase::kDecode ? step.n_decode_rows : step.n_prefill_rows) += n_packed;
  step.n_seen += std::int64_t{n_packed} * begin + std::int64_t{n_packed} * (n_packed - 1) / 2;
  step.parts.push_back(std::move(part));
}

} // namespace llamabox
