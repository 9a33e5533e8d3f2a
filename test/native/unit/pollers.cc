// The contract of native/poller.h, on each poller that this system has: what the addon relies on, without JavaScript.
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "poller.h"
#include "tools.h"

using namespace underloop;

namespace {

struct Epoll {
  static constexpr std::string_view kKind = "epoll";
};
struct Kqueue {
  static constexpr std::string_view kKind = "kqueue";
};
struct Poll {
  static constexpr std::string_view kKind = "poll";
};
struct Select {
  static constexpr std::string_view kKind = "select";
};

}  // namespace

TYPE_TO_STRING(Epoll);
TYPE_TO_STRING(Kqueue);
TYPE_TO_STRING(Poll);
TYPE_TO_STRING(Select);

namespace {

#if !defined(UNDERLOOP_HAVE_KQUEUE)
#define POLLERS Epoll, Poll, Select
#elif !defined(UNDERLOOP_HAVE_EPOLL)
#define POLLERS Kqueue, Poll, Select
#else
#define POLLERS Epoll, Kqueue, Poll, Select
#endif

template <typename T>
std::unique_ptr<Poller> Open() {
  int error = 0;
  auto poller = OpenPoller(T::kKind, &error);
  REQUIRE(error == 0);
  return poller;
}

// The events of one wait, by slot.
std::vector<Event> Wait(Poller& poller, double timeout_ms = 0, int capacity = 64) {
  std::vector<Event> events(static_cast<size_t>(capacity));  // exactly as long as was said
  const int count = poller.Wait(events.data(), capacity, timeout_ms);
  REQUIRE(count >= 0);
  REQUIRE(count <= capacity);
  events.resize(static_cast<size_t>(count));
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.slot < b.slot; });
  return events;
}

void Interrupted(int) {}

}  // namespace

TEST_CASE("an unknown kind of poller is refused with ENOTSUP") {
  int error = 0;
  CHECK(OpenPoller("carrier pigeon", &error) == nullptr);
  CHECK(error == -ENOTSUP);
}

TEST_CASE_TEMPLATE("a token comes back whole, whatever its bits", T, POLLERS) {
  const auto poller = Open<T>();
  Pipe pipe;
  for (const Token token : {Token{0, 0}, Token{0x7fffffff, 0x7fffffff}, Token{1, 0x12345678}}) {
    REQUIRE(poller->Add(pipe.in, kReadable, token) == 0);
    CHECK(Wait(*poller).empty());
    pipe.Write();
    const auto events = Wait(*poller);
    REQUIRE(events.size() == 1);
    CHECK(events[0].slot == token.slot);
    CHECK(events[0].generation == token.generation);
    CHECK(events[0].readiness == kReadable);
    pipe.Drain();
    REQUIRE(poller->Remove(pipe.in) == 0);
  }
}

TEST_CASE_TEMPLATE("what is registered twice, or not at all, is refused", T, POLLERS) {
  const auto poller = Open<T>();
  Pipe pipe;
  CHECK(poller->Modify(pipe.in, kReadable, {1, 1}) == -ENOENT);
  CHECK(poller->Remove(pipe.in) == -ENOENT);
  CHECK(poller->Add(pipe.in, kReadable, {1, 1}) == 0);
  CHECK(poller->Add(pipe.in, kWritable, {2, 1}) == -EEXIST);
  CHECK(poller->Remove(pipe.in) == 0);
  const int closed = dup(pipe.in);
  close(closed);
  CHECK(poller->Add(closed, kReadable, {1, 1}) == -EBADF);
  CHECK(poller->Add(-1, kReadable, {1, 1}) == -EBADF);
  CHECK(poller->Remove(-1) < 0);
  CHECK(poller->Modify(-1, kReadable, {1, 1}) < 0);
}

TEST_CASE_TEMPLATE("a regular file is refused with EPERM", T, POLLERS) {
  const auto poller = Open<T>();
  char name[] = "/tmp/underloop-unit-XXXXXX";
  const Fd file(mkstemp(name));
  unlink(name);
  CHECK(poller->Add(file, kReadable, {1, 1}) == -EPERM);
  const Fd null(open("/dev/null", O_RDWR));
  CHECK(poller->Add(null, kReadable, {1, 1}) == -EPERM);
}

TEST_CASE_TEMPLATE("a changed interest and a changed token are in force at once", T, POLLERS) {
  const auto poller = Open<T>();
  SocketPair pair;
  REQUIRE(write(pair.b, "x", 1) == 1);
  REQUIRE(poller->Add(pair.a, kReadable | kWritable, {1, 1}) == 0);
  REQUIRE(Wait(*poller).size() == 1);
  CHECK(Wait(*poller)[0].readiness == (kReadable | kWritable));
  REQUIRE(poller->Modify(pair.a, kWritable, {2, 7}) == 0);
  const auto events = Wait(*poller);
  REQUIRE(events.size() == 1);
  CHECK(events[0].slot == 2);
  CHECK(events[0].generation == 7);
  CHECK(events[0].readiness == kWritable);
  REQUIRE(poller->Modify(pair.a, 0, {2, 7}) == 0);
  CHECK(Wait(*poller).empty());
}

TEST_CASE_TEMPLATE("the level is reported as long as it lasts, an edge once, a oneshot until it is armed", T,
                   POLLERS) {
  const auto poller = Open<T>();
  Pipe pipe;
  pipe.Write();
  REQUIRE(poller->Add(pipe.in, kReadable, {1, 1}) == 0);
  CHECK(Wait(*poller).size() == 1);
  CHECK(Wait(*poller).size() == 1);
  for (const int32_t trigger : {kEdge, kOneshot}) {
    const bool can = trigger == kEdge ? poller->capabilities().edge : poller->capabilities().oneshot;
    CHECK(poller->Modify(pipe.in, kReadable | trigger, {1, 1}) == (can ? 0 : -ENOTSUP));
    if (!can) continue;
    CHECK(Wait(*poller).size() == 1);
    CHECK(Wait(*poller).empty());
    pipe.Write();
    CHECK(Wait(*poller).size() == (trigger == kEdge ? 1 : 0));
    REQUIRE(poller->Modify(pipe.in, kReadable | trigger, {1, 1}) == 0);
    CHECK(Wait(*poller).size() == 1);
  }
}

TEST_CASE_TEMPLATE("an end of file with unread bytes before it is readable", T, POLLERS) {
  const auto poller = Open<T>();
  Pipe pipe;
  REQUIRE(poller->Add(pipe.in, kReadable, {1, 1}) == 0);
  pipe.Write(3);
  pipe.out.Close();
  auto events = Wait(*poller);
  REQUIRE(events.size() == 1);
  CHECK((events[0].readiness & kReadable) != 0);
  pipe.Drain();
  events = Wait(*poller);
  REQUIRE(events.size() == 1);
  CHECK((events[0].readiness & (kReadable | kHangup | kReadClosed)) != 0);
}

TEST_CASE_TEMPLATE("a full batch starves nobody: what did not fit comes first the next time", T, POLLERS) {
  const auto poller = Open<T>();
  std::vector<Pipe> pipes(7);
  for (int i = 0; i < 7; i++) {
    pipes[static_cast<size_t>(i)].Write();
    REQUIRE(poller->Add(pipes[static_cast<size_t>(i)].in, kReadable, {i, 1}) == 0);
  }
  std::vector<int> seen(7);
  for (int wait = 0; wait < 4; wait++) {
    for (const Event& event : Wait(*poller, 0, 2)) seen[static_cast<size_t>(event.slot)]++;
  }
  for (const int count : seen) CHECK(count >= 1);
}

TEST_CASE_TEMPLATE("a fraction of a millisecond is waited for in full", T, POLLERS) {
  const auto poller = Open<T>();
  for (const double timeout_ms : {0.0, 0.2, 1.0, 1.7, 5.0}) {
    const double started_ms = MonotonicMs();
    CHECK(Wait(*poller, timeout_ms).empty());
    CHECK(MonotonicMs() - started_ms >= timeout_ms);
    CHECK_FALSE(poller->woken());
  }
}

TEST_CASE_TEMPLATE("signals neither end a bounded wait nor lengthen it without end", T, POLLERS) {
  const auto poller = Open<T>();
  struct sigaction action = {};
  action.sa_handler = Interrupted;
  struct sigaction before = {};
  REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
  std::atomic<bool> over{false};
  const pthread_t waiting = pthread_self();
  std::thread disturber([&] {
    for (int i = 0; i < 2000 && !over; i++) {
      pthread_kill(waiting, SIGUSR1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const double started_ms = MonotonicMs();
  CHECK(Wait(*poller, 40).empty());
  CHECK(MonotonicMs() - started_ms >= 40);
  over = true;
  disturber.join();
  CHECK(MonotonicMs() - started_ms < 1900);  // 2000 signals later
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE_TEMPLATE("a wake from another thread ends a wait without bound; many are one", T, POLLERS) {
  const auto poller = Open<T>();
  for (int round = 0; round < 50; round++) {
    std::thread other([&] { poller->Wake(); });
    CHECK(Wait(*poller, -1).empty());
    CHECK(poller->woken());
    other.join();
  }
  for (int i = 0; i < 100; i++) poller->Wake();
  CHECK(Wait(*poller, 20000).empty());
  CHECK(poller->woken());
  CHECK(Wait(*poller, 0).empty());
  CHECK_FALSE(poller->woken());
}

TEST_CASE_TEMPLATE("wakes of four threads while descriptors come and go", T, POLLERS) {
  const auto poller = Open<T>();
  std::atomic<int> wakers{4};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (int wake = 0; wake < 200; wake++) poller->Wake();
      wakers--;
    });
  }
  Pipe pipe;
  pipe.Write();
  while (wakers > 0) {
    REQUIRE(poller->Add(pipe.in, kReadable, {1, 1}) == 0);
    CHECK(Wait(*poller, 1).size() == 1);
    REQUIRE(poller->Remove(pipe.in) == 0);
    CHECK(Wait(*poller, 0).empty());
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE_TEMPLATE("an observer is told the mechanism's own flags, in an array of its own", T, POLLERS) {
  const auto poller = Open<T>();
  std::vector<uint32_t> raw(1);  // shorter than the batch
  poller->TellRaw(raw.data(), 1);
  Pipe one;
  Pipe two;
  one.Write();
  two.Write();
  REQUIRE(poller->Add(one.in, kReadable, {1, 1}) == 0);
  REQUIRE(poller->Add(two.in, kReadable, {2, 1}) == 0);
  CHECK(Wait(*poller).size() == 2);
  CHECK(raw[0] != 0);
}

TEST_CASE_TEMPLATE("a descriptor that was closed while registered stays nobody's", T, POLLERS) {
  const auto poller = Open<T>();
  Pipe pipe;
  Pipe other;
  REQUIRE(poller->Add(pipe.in, kReadable, {1, 1}) == 0);
  REQUIRE(poller->Add(other.in, kReadable, {2, 1}) == 0);
  pipe.Write();
  pipe.in.Close();
  for (const Event& event : Wait(*poller)) {
    // poll and select keep lists of their own, and can say so; epoll and kqueue have forgotten it.
    CHECK(event.slot == 1);
    CHECK(event.readiness == kInvalid);
  }
  CHECK(poller->Remove(other.in) == 0);
}

TEST_CASE_TEMPLATE("opening without a free descriptor is refused and leaves nothing open", T, POLLERS) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const int before = CountFds();
  const int next = dup(0);
  close(next);
  int refused = 0;
  for (int spare = 0; spare < 3; spare++) {
    const rlimit tight = {static_cast<rlim_t>(next + spare), limit.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    int error = 0;
    auto poller = OpenPoller(T::kKind, &error);
    setrlimit(RLIMIT_NOFILE, &limit);
    CHECK((poller == nullptr) == (error < 0));
    if (poller == nullptr) refused++;
    if (poller == nullptr) CHECK(error == -EMFILE);
  }
  CHECK(refused >= 1);
  CHECK(CountFds() == before);
}

TEST_CASE_TEMPLATE("opening and closing a hundred leaves nothing open", T, POLLERS) {
  const int before = CountFds();
  for (int i = 0; i < 100; i++) {
    const auto poller = Open<T>();
    poller->Wake();
  }
  CHECK(CountFds() == before);
}

TEST_CASE_TEMPLATE("whatever is done, each wait reports what poll(2) says of each descriptor alone", T,
                   POLLERS) {
  constexpr int kPipes = 24;
  const auto poller = Open<T>();
  std::vector<Pipe> pipes(kPipes);
  std::vector<int32_t> interest(kPipes, 0);
  std::vector<int32_t> generation(kPipes, 0);
  std::vector<bool> registered(kPipes, false);
  std::mt19937 random(20260101);
  for (int step = 0; step < 4000; step++) {
    const auto i = static_cast<size_t>(random() % kPipes);
    const Token token{static_cast<int32_t>(i), step};
    const int32_t wanted = random() % 4 == 0 ? 0 : static_cast<int32_t>(kReadable);
    switch (random() % 8) {
      case 0:
      case 1:
        REQUIRE(poller->Add(pipes[i].in, wanted, token) == (registered[i] ? -EEXIST : 0));
        if (registered[i]) break;
        interest[i] = wanted;
        generation[i] = step;
        registered[i] = true;
        break;
      case 2:
        REQUIRE(poller->Modify(pipes[i].in, wanted, token) == (registered[i] ? 0 : -ENOENT));
        interest[i] = wanted;
        generation[i] = step;
        break;
      case 3:
        REQUIRE(poller->Remove(pipes[i].in) == (registered[i] ? 0 : -ENOENT));
        registered[i] = false;
        break;
      case 4: pipes[i].Drain(); break;
      default: pipes[i].Write();
    }
    std::vector<int> expected;
    for (size_t k = 0; k < kPipes; k++) {
      pollfd one = {pipes[k].in, POLLIN, 0};
      if (registered[k] && (interest[k] & kReadable) && poll(&one, 1, 0) == 1)
        expected.push_back(static_cast<int>(k));
    }
    const auto events = Wait(*poller);
    REQUIRE(events.size() == expected.size());
    for (size_t k = 0; k < events.size(); k++) {
      REQUIRE(events[k].slot == expected[k]);
      REQUIRE(events[k].generation == generation[static_cast<size_t>(events[k].slot)]);
    }
    if (step % 16 == 0) {
      for (Pipe& pipe : pipes) {
        if (random() % 2) pipe.Drain();
      }
    }
  }
}

TEST_CASE("select refuses a descriptor that its sets have no bit for") {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit roomy = {std::max<rlim_t>(limit.rlim_cur, FD_SETSIZE + 8), limit.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &roomy) == 0);
  const auto poller = Open<Select>();
  Pipe pipe;
  pipe.Write();
  const Fd last(fcntl(pipe.in, F_DUPFD, FD_SETSIZE - 1));
  const Fd beyond(fcntl(pipe.in, F_DUPFD, FD_SETSIZE));
  REQUIRE(last == FD_SETSIZE - 1);
  CHECK(poller->Add(beyond, kReadable, {2, 1}) == -ERANGE);
  CHECK(poller->Modify(beyond, kReadable, {2, 1}) == -ENOENT);
  CHECK(poller->Remove(beyond) == -ENOENT);
  REQUIRE(poller->Add(last, kReadable, {1, 1}) == 0);
  CHECK(Wait(*poller).size() == 1);
  CHECK(poller->Remove(last) == 0);
  setrlimit(RLIMIT_NOFILE, &limit);
}

#ifdef UNDERLOOP_HAVE_EPOLL
TEST_CASE("epoll and poll tell a half-close from a hang-up") {
  for (const std::string_view kind : {Epoll::kKind, Poll::kKind}) {
    int error = 0;
    const auto poller = OpenPoller(kind, &error);
    SocketPair pair;
    REQUIRE(poller->Add(pair.a, kReadable, {1, 1}) == 0);
    REQUIRE(shutdown(pair.b, SHUT_WR) == 0);
    auto events = Wait(*poller);
    REQUIRE(events.size() == 1);
    CHECK(events[0].readiness == (kReadable | kReadClosed));
    pair.b.Close();
    events = Wait(*poller);
    REQUIRE(events.size() == 1);
    CHECK(events[0].readiness == (kReadable | kReadClosed | kHangup));
  }
}
#endif

TEST_CASE("a time becomes a timespec of at least that length, and of 24 days at most") {
  for (const double ms : {0.0, 1e-7, 0.000001, 0.5, 999.9999999, 1000.0, 1e6 + 0.25}) {
    const timespec time = ToTimespec(ms);
    CHECK(time.tv_nsec >= 0);
    CHECK(time.tv_nsec < 1000000000);
    CHECK(static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6 >= ms);
  }
  CHECK(ToTimespec(1e300).tv_sec == 2147483);
}

TEST_CASE("a deadline gives its whole time first, then what is left, and never less than nothing") {
  Deadline soon(2.5);
  CHECK(soon.RemainingMs() == 2.5);
  while (soon.RemainingMs() > 0) continue;
  CHECK(soon.RemainingMs() == 0);
  Deadline never(-1);
  CHECK(never.unbounded());
  CHECK(never.RemainingMs() == -1);
  CHECK(never.RemainingMs() == -1);
  CHECK(Deadline(0).RemainingMs() == 0);
}
