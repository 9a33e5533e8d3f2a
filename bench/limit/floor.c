// The price of the bare system calls that an event loop is made of, in C: the floor under bench/calls.js.
//
//   floor      prints one JSON line, nanoseconds per call
//
// Each figure is the median of several short batches: the mean would carry every interruption of this thread.

#include "limit.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#define BATCHES 21
#define CALLS_PER_BATCH 20000

static int pair[2];
static int epoll_fd;
static int event_fd;
static char buffer[BUFFER_BYTES];

static void call_getppid(void) { syscall(SYS_getppid); }
static void call_clock(void) { clock_ns(CLOCK_MONOTONIC); }
static void call_recv_nothing(void) {
  if (recv(pair[0], buffer, sizeof buffer, 0) >= 0 || errno != EAGAIN) die("recv");
}
static void call_wait_nothing(void) {
  struct epoll_event events[64];
  if (epoll_wait(epoll_fd, events, 64, 0) != 0) die("epoll_wait");
}
static void call_wake(void) {
  uint64_t count = 1;
  if (write(event_fd, &count, sizeof count) != sizeof count) die("write eventfd");
  if (read(event_fd, &count, sizeof count) != sizeof count) die("read eventfd");
}

static int compare(const void *left, const void *right) {
  double difference = *(const double *)left - *(const double *)right;
  return (difference > 0) - (difference < 0);
}

static double median_ns(void (*call)(void)) {
  double batches_ns[BATCHES];
  for (int batch = 0; batch < BATCHES; batch++) {
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < CALLS_PER_BATCH; i++) call();
    batches_ns[batch] = (double)(clock_ns(CLOCK_MONOTONIC) - start_ns) / CALLS_PER_BATCH;
  }
  qsort(batches_ns, BATCHES, sizeof batches_ns[0], compare);
  return batches_ns[BATCHES / 2];
}

int main(void) {
  // TCP, as in the reactor's own measurement: a local socket answers recv by another path.
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
    die("listener");
  }
  pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (pair[1] < 0 || connect(pair[1], (struct sockaddr *)&address, length) != 0) die("connect");
  pair[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (pair[0] < 0) die("accept4");
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pair[0], &event) != 0) die("epoll");
  event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) die("eventfd");
  printf(
      "{\"clockNs\":%.1f,\"getppidNs\":%.1f,\"recvNothingNs\":%.1f,\"waitNothingNs\":%.1f,\"wakeNs\":%.1f}\n",
      median_ns(call_clock), median_ns(call_getppid), median_ns(call_recv_nothing),
      median_ns(call_wait_nothing), median_ns(call_wake));
  return 0;
}
