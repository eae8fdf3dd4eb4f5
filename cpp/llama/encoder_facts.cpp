#include "llama/encoder_facts.h"

#include "llama-model.h"

namespace llamabox {
namespace {

Pooling pooling_of(enum llama_pooling_type type) {
  switch (type) {
  case LLAMA_POOLING_TYPE_MEAN:
    return Pooling::kMean;
  case LLAMA_POOLING_TYPE_CLS:
    return Pooling::kCls;
  case LLAMA_POOLING_TYPE_LAST:
    return Pooling::kLast;
  case LLAMA_POOLING_TYPE_RANK:
    return Pooling::kRank;
  default:
    // Also a file that says "none": most converters write it where nobody chose.
    return Pooling::kModel;
  }
}

} // namespace

EncoderFacts encoder_facts(const llama_model *model) {
  EncoderFacts facts;
  facts.causal = model->hparams.causal_attn;
  facts.has_rank_head = model->cls != nullptr || model->cls_out != nullptr;
  facts.pooling = pooling_of(model->hparams.pooling_type);
  return facts;
}

Pooling embedding_pooling(const EncoderFacts &facts, const EncoderParams &params) {
  for (const Pooling pooling : {params.pooling, facts.pooling}) {
    if (pooling != Pooling::kModel && pooling != Pooling::kRank) {
      return pooling;
    }
  }
  return facts.causal ? Pooling::kLast : Pooling::kMean;
}

const char *pooling_name(Pooling pooling) {
  switch (pooling) {
  case Pooling::kNone:
    return "none";
  case Pooling::kMean:
    return "mean";
  case Pooling::kCls:
    return "cls";
  case Pooling::kLast:
    return "last";
  case Pooling::kRank:
    return "rank";
  case Pooling::kModel:
    break;
  }
  return "";
}

} // namespace llamabox
