// Unit tests of the kqueue poller on the fake kqueue. Prints "ok NAME" or "not ok NAME: why" for each; kqueue.test.ts reads it.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "fake_kqueue.h"
#include "poller.h"

namespace underloop {

// Not linked: the choice of a poller by name knows them.
std::unique_ptr<Poller> OpenEpoll(int*) { return nullptr; }
std::unique_ptr<Poller> OpenPoll(int*) { return nullptr; }
std::unique_ptr<Poller> OpenSelect(int*) { return nullptr; }

namespace {

struct Check {
  Check(const char* name, void (*run)()) : name(name), run(run) { all().push_back(this); }
  static std::vector<Check*>& all() {
    static std::vector<Check*> checks;
    return checks;
  }
  const char* name;
  void (*run)();
};

std::string failure;

std::string Text(std::string_view value) { return '"' + std::string(value) + '"'; }
std::string Text(double value) { return std::to_string(value); }

template <typename T, typename U>
void Equal(const T& actual, const U& expected, const char* expression, int line) {
  if (actual == expected || !failure.empty()) return;
  failure =
      "line " + std::to_string(line) + ": " + expression + " is " + Text(actual) + ", not " + Text(expected);
}

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define CHECK(name)                                             \
  void JOIN(Run, __LINE__)();                                   \
  const Check JOIN(check, __LINE__)(name, JOIN(Run, __LINE__)); \
  void JOIN(Run, __LINE__)()
#define EQUAL(actual, expected) Equal(actual, expected, #actual, __LINE__)

constexpr int kBoth = kReadable | kWritable;

std::unique_ptr<Poller> Open() {
  int error = 0;
  return OpenPoller("kqueue", &error);
}

// A descriptor that is really open: the poller looks at what it is.
std::vector<int> opened;
int NewFd() {
  int ends[2];
  if (pipe(ends) != 0) std::perror("pipe");
  opened.insert(opened.end(), {ends[0], ends[1]});
  return ends[0];
}

std::string Show(const Event* events, int count) {
  constexpr std::pair<int, const char*> names[] = {{kReadable, "R"},   {kWritable, "W"}, {kPriority, "P"},
                                                   {kReadClosed, "C"}, {kHangup, "H"},   {kError, "E"}};
  std::string text;
  for (int i = 0; i < count; i++) {
    if (i > 0) text += ' ';
    text += std::to_string(events[i].slot) + ':';
    for (const auto& [bit, name] : names) text += (events[i].readiness & bit) ? name : "";
  }
  return text;
}

// What one wait brings: "slot:bits slot:bits", with R, W, P, C (read-closed), H (hang-up) and E (error).
std::string Wait(Poller& poller, double timeout_ms = 0, int capacity = 16) {
  std::vector<Event> events(static_cast<size_t>(capacity));
  const int count = poller.Wait(events.data(), capacity, timeout_ms);
  return count < 0 ? std::to_string(count) : Show(events.data(), count);
}

std::string Filters(int fd) {
  std::string text;
  for (int filter : fake.Filters(fd))
    text += filter == EVFILT_READ ? 'R' : filter == EVFILT_WRITE ? 'W' : 'P';
  return text;
}

double NowMs() { return static_cast<double>(fake.now_ns) / 1e6; }

CHECK("is one of the kinds, and says what it can do") {
  bool is_listed = false;
  for (std::string_view kind : PollerKinds()) is_listed = is_listed || kind == "kqueue";
  EQUAL(is_listed, true);
  const auto poller = Open();
  const Capabilities can = poller->capabilities();
  EQUAL(can.edge && can.oneshot, true);
  EQUAL(can.exclusive, false);
  EQUAL(can.fd_max, -1);
#ifdef __linux__
  EQUAL(can.nestable, false);
#else
  EQUAL(can.nestable, true);
#endif
  EQUAL(poller->fd() >= 0, can.nestable);
}

CHECK("a refused kqueue() is reported, and nothing stays open") {
  fake.open_error = EMFILE;
  int error = 0;
  EQUAL(OpenKqueue(&error) == nullptr, true);
  EQUAL(error, -EMFILE);
  fake.open_error = 0;
  const int before = dup(0);
  close(before);
  {
    const auto poller = OpenKqueue(&error);
    EQUAL(fcntl(before, F_GETFD) >= 0, true);
  }
  EQUAL(fcntl(before, F_GETFD), -1);
}

CHECK("filter merging: both filters of one fd are one event") {
  const auto poller = Open();
  const int a = NewFd();
  EQUAL(poller->Add(a, kBoth, {1, 1}), 0);
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:R");
  fake.Become(a, EVFILT_WRITE);
  EQUAL(Wait(*poller), "1:RW");
  fake.Cease(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:W");
}

CHECK("filter merging: the filters of several fds may be mixed") {
  const auto poller = Open();
  const int fds[] = {NewFd(), NewFd(), NewFd()};
  for (int i = 0; i < 3; i++) EQUAL(poller->Add(fds[i], kReadable, {i, 1}), 0);
  // Read filters first, write filters after all of them, and in another order.
  for (int i : {1, 2, 0}) EQUAL(poller->Modify(fds[i], i == 1 ? kWritable : kBoth, {i, 1}), 0);
  for (int i : {0, 1, 2}) fake.Become(fds[i], EVFILT_READ), fake.Become(fds[i], EVFILT_WRITE);
  EQUAL(Wait(*poller), "1:W 2:RW 0:RW");
  // Each batch begins anew.
  for (int i : {0, 2}) fake.Cease(fds[i], EVFILT_READ);
  EQUAL(Wait(*poller), "1:W 2:W 0:W");
}

CHECK("EV_EOF with data: readable and read-closed in one") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable, {1, 1});
  fake.Become(a, EVFILT_READ, EV_EOF, 0, 100);
  EQUAL(Wait(*poller), "1:RC");
  fake.Become(a, EVFILT_READ, EV_EOF, 0, 0);
  EQUAL(Wait(*poller), "1:RC");
}

CHECK("EV_EOF on the write filter is a hang-up") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kBoth, {1, 1});
  fake.Become(a, EVFILT_WRITE, EV_EOF);
  EQUAL(Wait(*poller), "1:WH");
  fake.Become(a, EVFILT_READ, EV_EOF);
  EQUAL(Wait(*poller), "1:RWCH");
}

CHECK("EV_EOF with a pending error in fflags is an error too") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kBoth, {1, 1});
  fake.Become(a, EVFILT_WRITE, EV_EOF, ECONNREFUSED);
  EQUAL(Wait(*poller), "1:WHE");
  fake.Cease(a, EVFILT_WRITE);
  fake.Become(a, EVFILT_READ, EV_EOF, ECONNRESET);
  EQUAL(Wait(*poller), "1:RCE");
}

CHECK("EV_EOF is tested by bit: other flags stand beside it") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable | kEdge | kOneshot, {1, 1});
  fake.Become(a, EVFILT_READ, EV_EOF);
  EQUAL(Wait(*poller), "1:RC");
}

CHECK("EV_ERROR by bit: an event that is an error is no readiness") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable | kEdge, {1, 1});
  fake.Become(a, EVFILT_READ, EV_ERROR | EV_EOF, 0, EIO);
  EQUAL(Wait(*poller), "1:E");
}

CHECK("EV_RECEIPT: a change is one call and takes no pending event") {
  const auto poller = Open();
  const int a = NewFd();
  const int b = NewFd();
  poller->Add(a, kReadable | kEdge, {1, 1});
  fake.Become(a, EVFILT_READ);
  fake.calls.clear();
  poller->Add(b, kBoth, {2, 1});
  poller->Modify(b, kReadable, {2, 1});
  poller->Remove(b);
  EQUAL(fake.calls.size(), size_t{3});
  for (const FakeCall& call : fake.calls) {
    EQUAL(call.timeout_ms, 0);
    EQUAL(call.events_max, static_cast<int>(call.changes.size()));
    for (const struct kevent& change : call.changes) EQUAL((change.flags & EV_RECEIPT) != 0, true);
  }
  EQUAL(Wait(*poller), "1:R");
}

CHECK("EV_RECEIPT: when one filter is refused, the add leaves none behind") {
  const auto poller = Open();
  const int a = NewFd();
  fake.Refuse(a, EVFILT_WRITE, EINVAL);
  EQUAL(poller->Add(a, kBoth, {1, 1}), -EINVAL);
  EQUAL(Filters(a), "");
  fake.Refuse(a, EVFILT_READ, ENOMEM);
  EQUAL(poller->Add(a, kBoth, {1, 1}), -ENOMEM);
  EQUAL(Filters(a), "");
  EQUAL(poller->Add(a, kBoth, {1, 1}), 0);
  EQUAL(Filters(a), "RW");
}

CHECK("EV_RECEIPT: a refused modify leaves everything as it was") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable | kEdge, {1, 1});
  fake.Refuse(a, EVFILT_WRITE, ENOMEM);
  EQUAL(poller->Modify(a, kWritable, {2, 2}), -ENOMEM);
  EQUAL(Filters(a), "R");
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:R");
  EQUAL(Wait(*poller), "");
}

CHECK("EV_RECEIPT: a spent oneshot is still spent after a refused modify") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable | kOneshot, {1, 1});
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:R");
  fake.Refuse(a, EVFILT_WRITE, ENOMEM);
  EQUAL(poller->Modify(a, kBoth | kOneshot, {1, 1}), -ENOMEM);
  EQUAL(Wait(*poller), "");
}

CHECK("EINTR: the deadline is recomputed") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable, {1, 1});
  fake.interruptions_ms = {3, 3.5, 3};
  fake.calls.clear();
  const double before_ms = NowMs();
  EQUAL(Wait(*poller, 10), "");
  EQUAL(NowMs() - before_ms, 10.0);
  EQUAL(fake.calls.size(), size_t{4});
  const double left_ms[] = {10, 7, 3.5, 0.5};
  for (size_t i = 0; i < 4 && i < fake.calls.size(); i++) EQUAL(fake.calls[i].timeout_ms, left_ms[i]);
}

CHECK("EINTR: an unbounded wait stays unbounded, and what comes is reported") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable, {1, 1});
  fake.interruptions_ms = {1000, 1000};
  fake.meanwhile = [a] { fake.Become(a, EVFILT_READ); };
  fake.calls.clear();
  EQUAL(Wait(*poller, -1), "1:R");
  EQUAL(fake.calls.size(), size_t{3});
  for (const FakeCall& call : fake.calls) EQUAL(call.timeout_ms, -1);
}

CHECK("EINTR: changes that a signal cut short have been applied") {
  const auto poller = Open();
  const int a = NewFd();
  fake.is_change_interrupted = true;
  EQUAL(poller->Add(a, kReadable, {1, 1}), 0);
  EQUAL(Filters(a), "R");
  fake.is_change_interrupted = true;
  EQUAL(poller->Modify(a, kWritable, {1, 1}), 0);
  EQUAL(Filters(a), "W");
}

CHECK("timeouts: zero looks, fractions are kept, rounding is never early") {
  const auto poller = Open();
  const double before_ms = NowMs();
  EQUAL(Wait(*poller, 0), "");
  EQUAL(NowMs(), before_ms);
  fake.calls.clear();
  EQUAL(Wait(*poller, 0.25), "");
  EQUAL(fake.calls[0].timeout_ms, 0.25);
  const timespec carried = ToTimespec(999.9999999);
  EQUAL(carried.tv_sec, 1);
  EQUAL(carried.tv_nsec, 0);
  const timespec up = ToTimespec(1500.0000001);
  EQUAL(up.tv_sec, 1);
  EQUAL(up.tv_nsec, 500000001);
  const timespec long_one = ToTimespec(1e300);
  EQUAL(long_one.tv_sec, 2147483);
}

CHECK("oneshot with both filters: the one that did not report is silent too") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kBoth | kOneshot, {1, 1});
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:R");
  fake.Become(a, EVFILT_WRITE);
  EQUAL(Wait(*poller), "");
  EQUAL(poller->Modify(a, kBoth | kOneshot, {1, 1}), 0);
  EQUAL(Wait(*poller), "1:RW");
  EQUAL(Wait(*poller), "");
}

CHECK("oneshot with both filters: also when the batch had room for one of them") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kBoth | kOneshot, {1, 1});
  fake.Become(a, EVFILT_READ);
  fake.Become(a, EVFILT_WRITE);
  EQUAL(Wait(*poller, 0, 1), "1:R");
  EQUAL(Wait(*poller, 0, 1), "");
}

CHECK("oneshot: silencing the other filters takes no pending event") {
  const auto poller = Open();
  const int a = NewFd();
  const int b = NewFd();
  poller->Add(a, kBoth | kOneshot, {1, 1});
  poller->Add(b, kReadable | kEdge, {2, 1});
  fake.Become(a, EVFILT_READ);
  fake.Become(b, EVFILT_READ);
  EQUAL(Wait(*poller, 0, 1), "1:R");
  EQUAL(Wait(*poller, 0, 1), "2:R");
}

CHECK("oneshot: adding a spent one again is refused and does not rearm it") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kBoth | kOneshot, {1, 1});
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:R");
  EQUAL(poller->Add(a, kBoth, {2, 1}), -EEXIST);
  EQUAL(Wait(*poller), "");
}

CHECK("edge reports once until new bytes; modify looks again") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable | kEdge, {1, 1});
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:R");
  EQUAL(Wait(*poller), "");
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:R");
  EQUAL(poller->Modify(a, kReadable | kEdge, {1, 1}), 0);
  EQUAL(Wait(*poller), "1:R");
  EQUAL(Wait(*poller), "");
}

CHECK("level repeats while it is so") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable, {1, 1});
  fake.Become(a, EVFILT_READ);
  for (int i = 0; i < 3; i++) EQUAL(Wait(*poller), "1:R");
  fake.Cease(a, EVFILT_READ);
  EQUAL(Wait(*poller), "");
}

CHECK("modify changes the trigger, the interest and the token") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kBoth, {1, 1});
  fake.Become(a, EVFILT_READ);
  EQUAL(poller->Modify(a, kReadable | kEdge, {7, 2}), 0);
  EQUAL(Filters(a), "R");
  EQUAL(Wait(*poller), "7:R");
  EQUAL(Wait(*poller), "");
  EQUAL(poller->Modify(a, kReadable, {7, 2}), 0);
  for (int i = 0; i < 2; i++) EQUAL(Wait(*poller), "7:R");
  EQUAL(poller->Modify(a, 0, {7, 2}), 0);
  EQUAL(Filters(a), "");
  EQUAL(poller->Modify(a, kWritable, {8, 2}), 0);
  EQUAL(Filters(a), "W");
}

CHECK("the token comes back untouched, however large") {
  const auto poller = Open();
  const Token tokens[] = {{0, 0},  {0, 1}, {1, 0}, {0x7fffffff, 0x7fffffff}, {0x12345678, 0x7edcba98},
                          {5, -1}, {-2, 3}};
  const int a = NewFd();
  fake.Become(a, EVFILT_READ);
  for (const Token& token : tokens) {
    EQUAL(poller->Add(a, kReadable, token), 0);
    Event event{};
    EQUAL(poller->Wait(&event, 1, 0), 1);
    EQUAL(event.slot, token.slot);
    EQUAL(event.generation, token.generation);
    EQUAL(poller->Remove(a), 0);
  }
}

CHECK("capacity: never more events than room, and nobody starves") {
  const auto poller = Open();
  for (int i = 0; i < 5; i++) {
    const int fd = NewFd();
    EQUAL(poller->Add(fd, kBoth, {i, 1}), 0);
    fake.Become(fd, EVFILT_READ);
    fake.Become(fd, EVFILT_WRITE);
  }
  fake.calls.clear();
  std::string seen;
  for (int i = 0; i < 5; i++) seen += Wait(*poller, 0, 2) + ' ';
  EQUAL(seen, "0:RW 1:RW 2:RW 3:RW 4:RW ");
  for (const FakeCall& call : fake.calls) EQUAL(call.events_max, 2);
}

CHECK("capacity: a large room is bounded by the batch") {
  const auto poller = Open();
  fake.calls.clear();
  Wait(*poller, 0, 5000);
  EQUAL(fake.calls[0].events_max, 1024);
}

CHECK("wake before a wait ends it, is no event, and many are one") {
  const auto poller = Open();
  const double before_ms = NowMs();
  for (int i = 0; i < 3; i++) poller->Wake();
  EQUAL(Wait(*poller, -1), "");
  EQUAL(poller->woken(), true);
  EQUAL(NowMs(), before_ms);
  EQUAL(Wait(*poller, 5), "");
  EQUAL(poller->woken(), false);
  EQUAL(NowMs() - before_ms, 5.0);
}

CHECK("wake during a wait ends it") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable, {1, 1});
  fake.meanwhile = [&] { poller->Wake(); };
  EQUAL(Wait(*poller, -1), "");
  EQUAL(poller->woken(), true);
}

CHECK("wake beside an event takes nothing from it") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kReadable | kEdge, {1, 1});
  fake.Become(a, EVFILT_READ);
  poller->Wake();
  std::string seen;
  for (int i = 0; i < 2; i++) seen += Wait(*poller, 0, 1);
  EQUAL(seen, "1:R");
}

CHECK("add twice is EEXIST; modify and remove of an unknown fd are ENOENT") {
  const auto poller = Open();
  const int a = NewFd();
  EQUAL(poller->Modify(a, kReadable, {1, 1}), -ENOENT);
  EQUAL(poller->Remove(a), -ENOENT);
  EQUAL(poller->Remove(-1), -ENOENT);
  EQUAL(poller->Remove(1 << 30), -ENOENT);
  EQUAL(poller->Add(a, kReadable, {1, 1}), 0);
  EQUAL(poller->Add(a, kWritable, {2, 1}), -EEXIST);
  EQUAL(Filters(a), "R");
  EQUAL(poller->Remove(a), 0);
  EQUAL(Filters(a), "");
  EQUAL(poller->Remove(a), -ENOENT);
  EQUAL(poller->Add(a, kWritable, {2, 1}), 0);
}

CHECK("what cannot be waited on is refused before any call") {
  const auto poller = Open();
  fake.calls.clear();
  const int file = open(__FILE__, O_RDONLY);
  const int directory = open("/", O_RDONLY);
  const int null = open("/dev/null", O_RDWR);
  for (int fd : {file, directory, null}) EQUAL(poller->Add(fd, kReadable, {1, 1}), -EPERM);
  for (int fd : {file, directory, null}) close(fd);
  EQUAL(poller->Add(null, kReadable, {1, 1}), -EBADF);
  EQUAL(poller->Add(-1, kReadable, {1, 1}), -EBADF);
  EQUAL(poller->Add(NewFd(), kReadable | kExclusive, {1, 1}), -ENOTSUP);
  EQUAL(fake.calls.size(), size_t{0});
}

CHECK("fd number reused at once: it can be added, and the old registration does not touch the new file") {
  const auto poller = Open();
  const int a = NewFd();
  for (int i = 0; i < 3; i++) {
    EQUAL(poller->Add(a, kReadable, {i, 1}), 0);
    fake.CloseFd(a);
    EQUAL(dup2(opened[1], a), a);
  }
  // Still named by the poller's table, but gone from the kernel.
  EQUAL(poller->Modify(a, kBoth, {9, 1}), -ENOENT);
  EQUAL(Filters(a), "");
  EQUAL(poller->Add(a, kReadable, {4, 1}), 0);
  fake.CloseFd(a);
  EQUAL(dup2(opened[1], a), a);
  EQUAL(poller->Remove(a), -ENOENT);
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "");
}

CHECK("a closed fd is EBADF, and forgotten") {
  const auto poller = Open();
  const int a = NewFd();
  poller->Add(a, kBoth, {1, 1});
  fake.CloseFd(a);
  EQUAL(poller->Modify(a, kReadable, {1, 1}), -EBADF);
  EQUAL(poller->Modify(a, kReadable, {1, 1}), -ENOENT);
  EQUAL(dup2(opened[1], a), a);
  poller->Add(a, kBoth, {1, 1});
  fake.CloseFd(a);
  EQUAL(poller->Remove(a), -EBADF);
}

CHECK("priority stands on EVFILT_EXCEPT, and is refused where there is none") {
  const auto poller = Open();
  const int a = NewFd();
#ifdef EVFILT_EXCEPT
  EQUAL(poller->Add(a, kReadable | kPriority, {1, 1}), 0);
  EQUAL(Filters(a), "RP");
  fake.Become(a, EVFILT_EXCEPT, 0, NOTE_OOB);
  EQUAL(Wait(*poller), "1:P");
  fake.Become(a, EVFILT_READ);
  EQUAL(Wait(*poller), "1:RP");
#else
  EQUAL(poller->Add(a, kReadable | kPriority, {1, 1}), -ENOTSUP);
  EQUAL(Filters(a), "");
#endif
}

}  // namespace
}  // namespace underloop

int main() {
  for (const underloop::Check* check : underloop::Check::all()) {
    fake = {};
    underloop::failure.clear();
    check->run();
    const std::string& failure = underloop::failure;
    if (failure.empty()) {
      std::printf("ok %s\n", check->name);
    } else {
      std::printf("not ok %s: %s\n", check->name, failure.c_str());
    }
    for (int fd : underloop::opened) close(fd);
    underloop::opened.clear();
  }
}
