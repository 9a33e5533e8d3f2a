// The waker: what is woken is seen, however many threads wake and whenever it is drained.
#include "waker.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tools.h"

using underloop::Waker;

TEST_CASE("a wake makes the descriptor readable until it is drained") {
  Waker waker;
  REQUIRE(waker.Open() == 0);
  CHECK_FALSE(BecomesReadable(waker.read_fd(), 0));
  for (int i = 0; i < 1000; i++) waker.Wake();
  CHECK(BecomesReadable(waker.read_fd(), 0));
  waker.Drain();
  CHECK_FALSE(BecomesReadable(waker.read_fd(), 0));
  waker.Drain();  // of nothing: does not block
}

TEST_CASE("a waker closes its descriptors once, and they are not inherited") {
  const int before = CountFds();
  {
    Waker waker;
    REQUIRE(waker.Open() == 0);
    CHECK((fcntl(waker.read_fd(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(waker.write_fd(), F_GETFL) & O_NONBLOCK) != 0);
    waker.Close();
    CHECK(CountFds() == before);
    waker.Close();
  }
  CHECK(CountFds() == before);
}

TEST_CASE("what was done before a wake is seen after the drain that follows it") {
  Waker waker;
  REQUIRE(waker.Open() == 0);
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) {
    threads.emplace_back([&] {
      for (int k = 0; k < kEach; k++) {
        done++;
        waker.Wake();
      }
    });
  }
  int seen = 0;
  while (seen < kThreads * kEach) {
    REQUIRE(BecomesReadable(waker.read_fd()));
    waker.Drain();
    seen = done;
  }
  for (std::thread& thread : threads) thread.join();
}
