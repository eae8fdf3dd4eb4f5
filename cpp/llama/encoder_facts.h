// What a loaded model is for: to generate text, to embed, to rank. Upstream keeps these facts in
// its own headers only.
// Thread rule: pure functions on a loaded model. Covered by text_encoder_test.
#pragma once

#include "llama/params.h"

#include "llama.h"

#include <string>

namespace llamabox {

struct EncoderFacts {
  bool causal = true;                // its attention looks back only
  bool has_rank_head = false;        // a classifier's weights are in the file
  Pooling pooling = Pooling::kModel; // the file's; kModel: it names none
};

EncoderFacts encoder_facts(const llama_model *model);

// The pooling of embeddings: the option's, else the model's, else the last token of a causal model
// and the mean of others. Never kModel or kRank: scores have a context of their own.
Pooling embedding_pooling(const EncoderFacts &facts, const EncoderParams &params);

const char *pooling_name(Pooling pooling);

} // namespace llamabox
