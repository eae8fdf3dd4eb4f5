#include <doctest/doctest.h>

#include "rpc_ops.h"

#include "rpc/graph.h"

#include <functional>

using namespace llamabox;

namespace {

constexpr RpcType kF32 = RpcType::kF32;
constexpr RpcType kI32 = RpcType::kI32;
constexpr RpcType kI64 = RpcType::kI64;
constexpr auto kQ4 = static_cast<RpcType>(2);

} // namespace

TEST_CASE("every op of the list passes in a form its kernel takes") {
  for (const OneOp &one : good_ops()) {
    CAPTURE(static_cast<int>(one.op));
    CHECK_NOTHROW(build(one).check());
  }
}

TEST_CASE("no op passes with a source too few, too many, empty, elsewhere, or of another type") {
  for (const OneOp &one : good_ops()) {
    CAPTURE(static_cast<int>(one.op));
    const Built good = build(one);
    Built bad = good;
    bad.tensors.back().type = static_cast<std::uint32_t>(kI64);
    bad.tensors.back().nb[0] = 8;
    CHECK_FALSE(bad.passes());
    bad = good;
    bad.tensors.back().ne[0] += 32;
    CHECK_FALSE(bad.passes());
    if (one.sources.empty()) {
      continue;
    }
    bad = good;
    bad.tensors.back().src[0] = 0;
    CHECK_FALSE(bad.passes());
    bad = good;
    bad.tensors.back().src[9] = 1;
    CHECK_FALSE(bad.passes());
    bad = good;
    bad.tensors[0].ne[1] = 0;
    CHECK_FALSE(bad.passes());
    bad = good;
    bad.tensors[0].buffer = 0;
    bad.tensors[0].data = 0;
    CHECK_FALSE(bad.passes());
  }
}

TEST_CASE("a stride over one element becomes that of packed elements") {
  Built built =
      build({RpcOp::kPool2d, kF32, {4, 2, 1}, {{kF32, {8, 4, 1}}}, {1, 2, 2, 2, 2, 0, 0}});
  for (const std::uint32_t stride : {0U, 4U, 16384U, UINT32_MAX}) {
    built.tensors[0].nb[2] = stride;
    built.tensors[0].nb[3] = stride;
    const auto graph = built.check();
    CHECK(graph->tensors[0].nb[2] == 128);
    CHECK(graph->tensors[0].nb[3] == 128);
    CHECK(graph->tensors[0].bytes == 128);
  }
}

TEST_CASE("conversions that upstream plans no memory for are refused") {
  CHECK_FALSE(build({RpcOp::kCont, kQ4, {32}, {{kF32, {32}}}, {}}).passes());
  CHECK_FALSE(build({RpcOp::kDup, kQ4, {32}, {{kF32, {32}}}, {}}).passes());
  CHECK_FALSE(build({RpcOp::kCont, kF32, {32}, {{kQ4, {32}}}, {}}).passes());
  CHECK_FALSE(build({RpcOp::kCpy, kQ4, {32, 4}, {{kF32, {128}}, {kQ4, {32, 4}}}, {}, 1}).passes());
  CHECK(build({RpcOp::kCpy, kQ4, {32, 4}, {{kF32, {32, 4}}, {kQ4, {32, 4}}}, {}, 1}).passes());
}

TEST_CASE("rows that threads keep beside all lent memory are bounded") {
  const auto takes_heads_of = [](std::uint32_t n) {
    return build({RpcOp::kFlashAttnExt,
                  kF32,
                  {n, 1, 1},
                  {{kF32, {n, 1, 1}}, {kF32, {n, 1, 1}}, {kF32, {n, 1, 1}}},
                  {0x3f800000}})
        .passes();
  };
  CHECK(takes_heads_of(4096));
  CHECK_FALSE(takes_heads_of(4128));
}

TEST_CASE("parameters that a kernel would abort on or divide by are refused") {
  const auto refused = [](RpcOp op, const std::function<void(WireTensor &)> &change) {
    for (const OneOp &one : good_ops()) {
      if (one.op == op) {
        Built built = build(one);
        change(built.tensors.back());
        return !built.passes();
      }
    }
    return false;
  };
  CHECK(refused(RpcOp::kRmsNorm, [](WireTensor &t) { t.op_params[0] = -1; })); // not a number
  CHECK(refused(RpcOp::kNorm, [](WireTensor &t) { t.op_params[0] = INT32_MIN + 0x3f000000; }));
  CHECK(refused(RpcOp::kUnary, [](WireTensor &t) { t.op_params[0] = 22; }));
  CHECK(refused(RpcOp::kUnary, [](WireTensor &t) { t.op_params[0] = -1; }));
  CHECK(refused(RpcOp::kGlu, [](WireTensor &t) { t.op_params[0] = 7; }));
  CHECK(refused(RpcOp::kRope, [](WireTensor &t) { t.op_params[2] = 1; }));
  CHECK(refused(RpcOp::kRope, [](WireTensor &t) { t.op_params[1] = 10; }));
  CHECK(refused(RpcOp::kRope, [](WireTensor &t) { t.op_params[15] = 2; }));
  CHECK(refused(RpcOp::kArgsort, [](WireTensor &t) { t.op_params[0] = 2; }));
  CHECK(refused(RpcOp::kConcat, [](WireTensor &t) { t.op_params[0] = 4; }));
  CHECK(refused(RpcOp::kMulMat, [](WireTensor &t) { t.op_params[1] = 1; }));
  CHECK(refused(RpcOp::kGroupNorm, [](WireTensor &t) { t.op_params[0] = 0; }));
  CHECK(refused(RpcOp::kGroupNorm, [](WireTensor &t) { t.op_params[0] = 4; }));
  CHECK(refused(RpcOp::kGroupNorm, [](WireTensor &t) { t.op_params[1] = -1; }));
  CHECK(refused(RpcOp::kPool2d, [](WireTensor &t) { t.op_params[0] = 2; }));
  CHECK(refused(RpcOp::kPool2d, [](WireTensor &t) { t.op_params[1] = 1 << 30; }));
  CHECK(refused(RpcOp::kPool2d, [](WireTensor &t) { t.op_params[4] = 0; }));
  CHECK(refused(RpcOp::kPool2d, [](WireTensor &t) { t.op_params[6] = -1; }));
  CHECK(refused(RpcOp::kUpscale, [](WireTensor &t) { t.op_params[0] = 3; }));
  CHECK(refused(RpcOp::kUpscale, [](WireTensor &t) { t.op_params[0] = 1 << 10; }));
  CHECK(refused(RpcOp::kPad, [](WireTensor &t) { t.op_params[8] = 2; }));
  CHECK(refused(RpcOp::kPad, [](WireTensor &t) {
    t.op_params[0] = -1;
    t.op_params[1] = 4;
  }));
  CHECK(refused(RpcOp::kArange, [](WireTensor &t) { t.op_params[2] = 0; }));
  CHECK(refused(RpcOp::kArange, [](WireTensor &t) { t.op_params[1] = 0x40800000; }));
  CHECK(refused(RpcOp::kArange, [](WireTensor &t) { t.op_params[0] = -1; }));
  CHECK(refused(RpcOp::kTimestepEmbedding, [](WireTensor &t) { t.op_params[0] = 9; }));
  CHECK(refused(RpcOp::kTimestepEmbedding, [](WireTensor &t) { t.op_params[1] = 0; }));
  for (std::size_t i = 0; i < 7; ++i) { // steps, paddings, spreads, and the kind
    CHECK(refused(RpcOp::kIm2col, [&](WireTensor &t) { t.op_params[i] = -1; }));
    CHECK(refused(RpcOp::kIm2col, [&](WireTensor &t) { t.op_params[i] = INT32_MAX; }));
  }
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(refused(RpcOp::kConv2d, [&](WireTensor &t) { t.op_params[i] = -1; }));
    CHECK(refused(RpcOp::kConv2d, [&](WireTensor &t) { t.op_params[i] = INT32_MAX; }));
  }
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(refused(RpcOp::kIm2col3d, [&](WireTensor &t) { t.op_params[i] = -1; }));
    CHECK(refused(RpcOp::kIm2col3d, [&](WireTensor &t) { t.op_params[i] = INT32_MAX; }));
  }
  CHECK(refused(RpcOp::kSsmScan, [](WireTensor &t) { t.op_params[0] = 0; }));
}

TEST_CASE("keys are turned where they are, with a part of each head left alone") {
  const auto turned = [](std::uint32_t head_stride, std::uint32_t cell_stride) {
    Built built = build({RpcOp::kRope, kF32, {8, 2, 3}, {{kF32, {8, 2, 3}}, {kI32, {3}}}, {0, 8}});
    for (WireTensor *tensor : {&built.tensors[0], &built.tensors.back()}) {
      tensor->nb[1] = head_stride;
      tensor->nb[2] = cell_stride;
      tensor->nb[3] = 3 * cell_stride;
    }
    built.tensors[0].data = built.tensors.back().data;
    return built.passes();
  };
  CHECK(turned(32, 64));
  CHECK(turned(48, 96));
  CHECK_FALSE(turned(16, 64));
  CHECK_FALSE(turned(32, 32));
  CHECK_FALSE(turned(0, 0));
}

TEST_CASE("custom ops and all others that are not on the list are refused") {
  for (std::uint32_t op = 0; op < kRpcOps + 3; ++op) {
    Built built = build({RpcOp::kScale, kF32, {8}, {{kF32, {8}}}, {}});
    built.tensors.back().op = op;
    bool listed = is_view(op);
    for (const OneOp &one : good_ops()) {
      listed = listed || static_cast<std::uint32_t>(one.op) == op;
    }
    if (!listed) {
      CAPTURE(op);
      CHECK_FALSE(built.passes());
    }
  }
}

TEST_CASE("a tensor must lie in its buffer, aligned, with blocks that are whole") {
  const auto passes = [](const std::function<void(WireTensor &)> &change, RpcType type = kF32) {
    Built built = build({RpcOp::kScale, type, {32}, {{kF32, {32}}}, {}});
    WireTensor leaf = wire(50, type, {32, 4});
    leaf.buffer = 7;
    leaf.data = kBase;
    change(leaf);
    return Built{{leaf}, built.buffers}.passes();
  };
  CHECK(passes([](WireTensor &) {}));
  CHECK(passes([](WireTensor &t) { t.data = kBase + (1 << 20) - 512; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.data = kBase + (1 << 20) - 508; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.data = kBase - 4; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.data = UINT64_MAX - 3; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.data += 2; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.buffer = 8; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.buffer = 0; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.type = 4; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.type = 1000; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.ne[3] = UINT32_MAX; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.nb[1] = UINT32_MAX - 3; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.nb[1] = 126; }));
  CHECK_FALSE(passes([](WireTensor &t) { t.ne[0] = 33; }, kQ4));
  CHECK_FALSE(passes([](WireTensor &t) { t.nb[0] = 36; }, kQ4));
  CHECK_FALSE(passes([](WireTensor &t) { t.ne[0] = t.ne[1] = t.ne[2] = t.ne[3] = INT32_MAX; }));
}

TEST_CASE("strides of zero cannot make a kernel work more than its buffer is long") {
  Built built = build({RpcOp::kSumRows, kF32, {1, 4}, {{kF32, {8, 4}}}, {}});
  WireTensor &source = built.tensors[0];
  source.ne[1] = built.tensors.back().ne[1] = 100000;
  source.nb[1] = source.nb[2] = source.nb[3] = 0;
  CHECK_FALSE(built.passes());
}

TEST_CASE("graphs that are not what they say are refused") {
  const Built good = build({RpcOp::kScale, kF32, {8}, {{kF32, {8}}}, {}});
  const std::vector<std::byte> payload = graph_payload(1, {100}, good.tensors);
  const auto check = [&](const std::vector<std::byte> &bytes) {
    check_graph(bytes, good.buffers, test_types());
  };
  CHECK_NOTHROW(check(payload));
  for (std::size_t n = 0; n < payload.size(); ++n) {
    CHECK_THROWS_AS(check({payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(n)}),
                    BadMessage);
  }
  CHECK_THROWS_AS(check(graph_payload(1, {}, good.tensors)), BadMessage);
  CHECK_THROWS_AS(check(graph_payload(1, {0}, good.tensors)), BadMessage);
  CHECK_THROWS_AS(check(graph_payload(1, {100, 100}, good.tensors)), BadMessage);
  CHECK_THROWS_AS(check(graph_payload(1, {101}, good.tensors)), BadMessage);
  // A source after its user, which is how a cycle would look.
  CHECK_THROWS_AS(check(graph_payload(1, {100}, {good.tensors[1], good.tensors[0]})), BadMessage);
  CHECK_THROWS_AS(
      check(graph_payload(1, {100}, {good.tensors[0], good.tensors[0], good.tensors[1]})),
      BadMessage);
}

TEST_CASE("a graph is cut where it reads indices that it has computed itself") {
  // argsort -> get_rows by its result; another get_rows by indices that were there before.
  Built sorted = build({RpcOp::kArgsort, kI32, {8}, {{kF32, {8}}}, {1}});
  WireTensor table = wire(60, kF32, {4, 8});
  table.buffer = 7;
  table.data = kBase + 200000;
  WireTensor given = wire(61, kI32, {2});
  given.buffer = 7;
  given.data = kBase + 300000;
  WireTensor first = wire(62, kF32, {4, 2});
  first.op = static_cast<std::uint32_t>(RpcOp::kGetRows);
  first.buffer = 7;
  first.data = kBase + 400000;
  first.src[0] = 60;
  first.src[1] = 61;
  WireTensor second = wire(63, kF32, {4, 8});
  second.op = first.op;
  second.buffer = 7;
  second.data = kBase + 500000;
  second.src[0] = 60;
  second.src[1] = 100;
  std::vector<WireTensor> tensors = sorted.tensors;
  tensors.insert(tensors.end(), {table, given, first, second});
  const auto graph =
      check_graph(graph_payload(0, {100, 62, 63}, tensors), sorted.buffers, test_types());
  REQUIRE(graph->pieces.size() == 2);
  CHECK(graph->pieces[0].end == 2);
  CHECK(graph->pieces[0].checks.size() == 2);
  CHECK(graph->pieces[1].begin == 2);
  CHECK(graph->pieces[1].checks.size() == 1);

  const ValueCheck indices{&graph->tensors[3], ValueRule{1, 8}};
  const auto hold = [&](std::int32_t a, std::int32_t b) {
    return values_hold(indices, Bytes().add(a).add(b).bytes);
  };
  CHECK(hold(0, 7));
  CHECK_FALSE(hold(0, 8));
  CHECK_FALSE(hold(-1, 0));
}

TEST_CASE("a cast may name itself as its target, and no other op or source may") {
  Built cast = build({RpcOp::kCpy, RpcType::kF16, {8}, {{kF32, {8}}}, {}});
  WireTensor &node = cast.tensors.back();
  node.src[1] = node.id;
  const auto graph = cast.check();
  CHECK(graph->nodes[0]->src[1] == graph->nodes[0]);
  node.src[0] = node.id;
  CHECK_FALSE(cast.passes());
  Built sum = build({RpcOp::kAdd, kF32, {8}, {{kF32, {8}}}, {}});
  sum.tensors.back().src[1] = sum.tensors.back().id;
  CHECK_FALSE(sum.passes());
}

TEST_CASE("a target may not lie over the indices it is computed with") {
  Built built = build({RpcOp::kGetRows, kF32, {4, 2}, {{kF32, {4, 9}}, {kI32, {2}}}, {}});
  CHECK(built.passes());
  built.tensors[1].data = kBase + 4;
  CHECK_FALSE(built.passes());
}
