#include "base/compute_turns.h"
#include "base/event_channel.h"
#include "base/file_path.h"
#include "base/histogram.h"
#include "base/inbox.h"
#include "base/request_registry.h"
#include "base/wake_fd.h"

#include <doctest/doctest.h>

#include <poll.h>
#include <thread>

using namespace llamabox;

namespace {

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

std::vector<Event> events_of(std::initializer_list<RequestId> ids) {
  std::vector<Event> events;
  for (const RequestId id : ids) {
    events.emplace_back().request = id;
  }
  return events;
}

} // namespace

TEST_CASE("the channel is readable exactly while events wait") {
  EventChannel channel;
  CHECK_FALSE(readable(channel.fd()));
  auto first = events_of({1, 2});
  auto second = events_of({3});
  channel.push_batch(first);
  channel.push_batch(second);
  CHECK(first.empty());
  CHECK(readable(channel.fd()));
  const auto drained = channel.drain();
  REQUIRE(drained.size() == 3);
  CHECK(drained[2].request == 3);
  CHECK_FALSE(readable(channel.fd()));
  CHECK(channel.drain().empty());
  auto third = events_of({4});
  channel.push_batch(third);
  CHECK(readable(channel.fd()));
}

TEST_CASE("any number of signals is one readable state, and none of them waits") {
  // More than a pair of sockets takes before it is full.
  constexpr int kMany = 100000;
  for (const WakeFd::Kind kind : {WakeFd::Kind::kSocketPair, WakeFd::default_kind()}) {
    WakeFd wake(kind);
    CHECK_FALSE(readable(wake.fd()));
    for (int i = 0; i < kMany; ++i) {
      wake.signal();
    }
    CHECK(readable(wake.fd()));
    wake.clear();
    CHECK_FALSE(readable(wake.fd()));
    wake.signal();
    CHECK(readable(wake.fd()));
  }
}

TEST_CASE("the path of a name has its bytes, and a folder that is none cannot be filled") {
  const std::string name = "models/\xc3\xa4.gguf";
  CHECK(path_of(name).string() == name);
  CHECK(may_fill(std::filesystem::temp_directory_path()));
  CHECK_FALSE(may_fill("no such folder"));
}

TEST_CASE("an inbox keeps order across threads and wakes its owner") {
  Inbox<int> inbox;
  std::thread producer([&] {
    for (int i = 0; i < 1000; ++i) {
      inbox.put(i);
    }
    inbox.close();
  });
  std::vector<int> taken;
  while (!inbox.closed() || taken.size() < 1000) {
    for (const int item : inbox.take_all(kNever)) {
      taken.push_back(item);
    }
  }
  producer.join();
  REQUIRE(taken.size() == 1000);
  CHECK(std::ranges::is_sorted(taken));
}

TEST_CASE("a nudge wakes without an item, and a closed inbox gives none") {
  Inbox<int> inbox;
  std::thread other([&] { inbox.nudge(); });
  CHECK(inbox.take_all(kNever).empty());
  other.join();
  CHECK(inbox.take_all(0).empty());
  CHECK(inbox.take_all(1).empty()); // the time passes, nobody wakes it
  inbox.put(7);
  CHECK(inbox.take_one() == 7);
  inbox.close();
  CHECK_FALSE(inbox.take_one().has_value());
}

TEST_CASE("a histogram counts at and below its bounds") {
  Histogram histogram({1, 10});
  for (const double value : {0.5, 1.0, 2.0, 50.0}) {
    histogram.observe(value);
  }
  CHECK(histogram.counts() == std::vector<std::uint64_t>{2, 1, 1});
  CHECK(histogram.sum() == doctest::Approx(53.5));
}

TEST_CASE("the registry bounds who waits and ends each id once") {
  RequestRegistry registry(2);
  const Ticket one = registry.accept();
  const Ticket two = registry.accept();
  CHECK(registry.accept().id == 0);
  registry.admitted(one.id);
  const Ticket three = registry.accept();
  CHECK(three.id != 0);
  CHECK(registry.cancel(one.id));
  CHECK(registry.cancel(one.id)); // repeatable, and told once
  CHECK(one.cancelled->load());
  CHECK(registry.take_cancelled() == std::vector<RequestId>{one.id});
  CHECK(registry.take_cancelled().empty());
  CHECK(registry.ended(one.id));
  CHECK_FALSE(registry.ended(one.id));
  CHECK_FALSE(registry.cancel(one.id));
  CHECK(registry.n_waiting() == 2);
  CHECK(registry.close().size() == 2);
  CHECK(registry.ended(two.id));
  CHECK(registry.accept().id == 0);
}

TEST_CASE("turns come in the order in which they were asked for") {
  ComputeTurns turns;
  std::vector<int> order;
  turns.take();
  CHECK_FALSE(turns.is_wanted());
  std::thread other([&] {
    const ComputeTurn turn(&turns);
    order.push_back(1);
  });
  while (!turns.is_wanted()) {
    std::this_thread::yield();
  }
  order.push_back(0);
  turns.give();
  turns.take(); // behind the other
  order.push_back(2);
  turns.give();
  other.join();
  CHECK(order == std::vector<int>{0, 1, 2});
}
