// Turns and order of the image queue.
#include "image/image_queue.h"

#include <doctest/doctest.h>

#include <memory>
#include <utility>
#include <vector>

using namespace llamabox;

namespace {

ImageJob job(RequestId id, std::int32_t n = 1) {
  ImageJob made;
  made.ticket = {id, std::make_shared<std::atomic<bool>>(false)};
  made.request.n = n;
  return made;
}

// The ids in the order of their turns; a request with n images has n turns.
std::vector<RequestId> turns(ImageQueue &queue) {
  std::vector<RequestId> ids;
  while (std::unique_ptr<ImageJob> next = queue.next()) {
    ids.push_back(next->ticket.id);
    if (++next->n_done < next->request.n) {
      queue.put_back(std::move(next));
    }
  }
  return ids;
}

} // namespace

TEST_CASE("requests with slots take turns image by image; others wait in order") {
  ImageQueue queue(2);
  queue.add(job(1, 3));
  queue.add(job(2, 2));
  queue.add(job(3, 1));
  CHECK(turns(queue) == std::vector<RequestId>{1, 2, 1, 2, 1, 3});
  CHECK(queue.empty());
}

TEST_CASE("newcomers do not starve a request with many images") {
  ImageQueue queue(2);
  queue.add(job(1, 3));
  std::vector<RequestId> ids;
  for (RequestId id = 2; id < 8; ++id) {
    queue.add(job(id));
    std::unique_ptr<ImageJob> next = queue.next();
    ids.push_back(next->ticket.id);
    if (++next->n_done < next->request.n) {
      queue.put_back(std::move(next));
    }
  }
  CHECK(ids == std::vector<RequestId>{1, 2, 1, 3, 1, 4});
}

TEST_CASE("one slot finishes a request before the next one") {
  ImageQueue queue(1);
  queue.add(job(1, 2));
  queue.add(job(2, 2));
  CHECK(turns(queue) == std::vector<RequestId>{1, 1, 2, 2});
}

TEST_CASE("cancelled requests leave from both places") {
  ImageQueue queue(1);
  queue.add(job(1, 2));
  queue.put_back(queue.next());
  ImageJob second = job(2);
  second.ticket.cancelled->store(true);
  queue.add(std::move(second));
  queue.add(job(3));
  const std::vector<ImageJob> waiting = queue.take_cancelled();
  REQUIRE(waiting.size() == 1);
  CHECK(waiting[0].ticket.id == 2);
  std::unique_ptr<ImageJob> first = queue.next();
  CHECK(first->ticket.id == 1);
  first->ticket.cancelled->store(true);
  queue.put_back(std::move(first));
  const std::vector<ImageJob> active = queue.take_cancelled();
  REQUIRE(active.size() == 1);
  CHECK(active[0].ticket.id == 1);
  CHECK(queue.take_all().size() == 1);
  CHECK(queue.empty());
}
