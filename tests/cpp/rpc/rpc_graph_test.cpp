#include <doctest/doctest.h>

#include "rpc_rig.h"

#include "rpc/graph.h"

#include <functional>

using namespace llamabox;

namespace {

constexpr RpcType kF32 = RpcType::kF32;
constexpr RpcType kF16 = RpcType::kF16;
constexpr RpcType kI32 = RpcType::kI32;
constexpr RpcType kI64 = RpcType::kI64;
constexpr auto kQ4 = static_cast<RpcType>(2);

// One op with its sources, each in its own part of one buffer.
struct OneOp {
  RpcOp op;
  RpcType type;
  std::vector<std::uint32_t> ne;
  std::vector<std::pair<RpcType, std::vector<std::uint32_t>>> sources;
  std::vector<std::int32_t> params;
  int own_source = -1; // the source that is the target itself
};

constexpr std::uint64_t kBase = std::uint64_t{1} << 40;

struct Built {
  std::vector<WireTensor> tensors; // the node is the last
  RpcBuffers buffers;

  std::unique_ptr<RpcGraph> check() const {
    return check_graph(graph_payload(1, {tensors.back().id}, tensors), buffers, test_types());
  }
  bool passes() const {
    try {
      check();
      return true;
    } catch (const BadMessage &) {
      return false;
    }
  }
};

Built build(const OneOp &one) {
  Built built;
  RpcBuffer buffer;
  buffer.handle = 7;
  buffer.base = kBase;
  buffer.size = 1 << 20;
  built.buffers.emplace(buffer.handle, buffer);
  WireTensor node = wire(100, one.type, one.ne);
  node.op = static_cast<std::uint32_t>(one.op);
  node.buffer = buffer.handle;
  node.data = kBase;
  for (std::size_t i = 0; i < one.params.size(); ++i) {
    node.op_params[i] = one.params[i];
  }
  for (std::size_t i = 0; i < one.sources.size(); ++i) {
    WireTensor source = wire(i + 1, one.sources[i].first, one.sources[i].second);
    source.buffer = buffer.handle;
    source.data = kBase + (static_cast<int>(i) == one.own_source ? 0 : (i + 1) * 65536);
    built.tensors.push_back(source);
    node.src[i] = source.id;
  }
  built.tensors.push_back(node);
  return built;
}

// Every op in a form that its kernel takes.
std::vector<OneOp> good_ops() {
  const std::int32_t half = 0x3f000000;
  return {
      {RpcOp::kDup, kF16, {8, 4}, {{kF32, {8, 4}}}, {}},
      {RpcOp::kAdd, kF32, {8, 4}, {{kF32, {8, 4}}, {kF32, {8}}}, {}},
      {RpcOp::kAddId, kF32, {8, 2, 3}, {{kF32, {8, 2, 3}}, {kF32, {8, 5}}, {kI32, {2, 3}}}, {}},
      {RpcOp::kSub, kF32, {8}, {{kF32, {8}}, {kF32, {8}}}, {}},
      {RpcOp::kMul, kF16, {8}, {{kF16, {8}}, {kF32, {4}}}, {}},
      {RpcOp::kDiv, kF32, {8}, {{kF32, {8}}, {kF32, {1}}}, {}},
      {RpcOp::kSqr, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kSqrt, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kLog, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kSin, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kCos, kF32, {8}, {{kF32, {8}}}, {}},
      {RpcOp::kSumRows, kF32, {1, 4}, {{kF32, {8, 4}}}, {}},
      {RpcOp::kRepeat, kF32, {8, 4}, {{kF32, {8}}}, {}},
      {RpcOp::kConcat, kF32, {8, 5}, {{kF32, {8, 2}}, {kF32, {8, 3}}}, {1}},
      {RpcOp::kNorm, kF32, {8, 4}, {{kF32, {8, 4}}}, {half}},
      {RpcOp::kRmsNorm, kF32, {8, 4}, {{kF32, {8, 4}}}, {half}},
      {RpcOp::kL2Norm, kF32, {8, 4}, {{kF32, {8, 4}}}, {half}},
      {RpcOp::kMulMat, kF32, {5, 3}, {{kQ4, {32, 5}}, {kF32, {32, 3}}}, {}},
      {RpcOp::kMulMatId,
       kF32,
       {5, 2, 3},
       {{kQ4, {32, 5, 4}}, {kF32, {32, 1, 3}}, {kI32, {2, 3}}},
       {}},
      {RpcOp::kScale, kF32, {8}, {{kF32, {8}}}, {half}},
      {RpcOp::kCpy, kF16, {8, 2}, {{kF32, {16}}, {kF16, {8, 2}}}, {}, 1},
      {RpcOp::kCont, kF32, {8, 2}, {{kF32, {8, 2}}}, {}},
      {RpcOp::kGetRows, kF32, {32, 3}, {{kQ4, {32, 9}}, {kI32, {3}}}, {}},
      {RpcOp::kSetRows, kQ4, {32, 9}, {{kF32, {32, 3}}, {kI64, {3}}, {kQ4, {32, 9}}}, {}, 2},
      {RpcOp::kSoftMax, kF32, {8, 4, 2}, {{kF32, {8, 4, 2}}, {kF16, {8, 4}}, {kF32, {2}}}, {half}},
      {RpcOp::kRope, kF32, {8, 2, 3}, {{kF32, {8, 2, 3}}, {kI32, {3}}, {kF32, {4}}}, {0, 8, 2}},
      {RpcOp::kClamp, kF32, {8}, {{kF32, {8}}}, {0, half}},
      {RpcOp::kArgsort, kI32, {8, 2}, {{kF32, {8, 2}}}, {1}},
      {RpcOp::kTopK, kI32, {3, 2}, {{kF32, {8, 2}}}, {}},
      {RpcOp::kFlashAttnExt,
       kF32,
       {16, 4, 2},
       {{kF32, {8, 2, 4}}, {kF16, {8, 6, 2}}, {kF16, {16, 6, 2}}, {kF16, {6, 2}}, {kF32, {4}}},
       {half}},
      {RpcOp::kSsmConv, kF32, {6, 2}, {{kF32, {5, 6}}, {kF32, {4, 6}}}, {}},
      {RpcOp::kSsmScan,
       kF32,
       {60},
       {{kF32, {4, 3, 2, 5}},
        {kF32, {3, 2, 1, 2}},
        {kF32, {2, 1, 2}},
        {kF32, {4, 2}},
        {kF32, {4, 1, 1, 2}},
        {kF32, {4, 1, 1, 2}},
        {kI32, {2}}},
       {1}},
      {RpcOp::kUnary, kF32, {8, 4}, {{kF32, {8, 4}}}, {10}},
      {RpcOp::kGlu, kF32, {4, 4}, {{kF32, {8, 4}}}, {2}},
  };
}

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
    bad = good;
    bad.tensors.back().type = static_cast<std::uint32_t>(kI64);
    bad.tensors.back().nb[0] = 8;
    CHECK_FALSE(bad.passes());
    bad = good;
    bad.tensors.back().ne[0] += 32;
    CHECK_FALSE(bad.passes());
  }
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
  CHECK(refused(RpcOp::kSsmScan, [](WireTensor &t) { t.op_params[0] = 0; }));
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

TEST_CASE("a target may not lie over the indices it is computed with") {
  Built built = build({RpcOp::kGetRows, kF32, {4, 2}, {{kF32, {4, 9}}, {kI32, {2}}}, {}});
  CHECK(built.passes());
  built.tensors[1].data = kBase + 4;
  CHECK_FALSE(built.passes());
}
