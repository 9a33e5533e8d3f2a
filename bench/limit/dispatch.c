// The limit of dispatch: eventfds on epoll, of which a few are written each round and then found, read and counted.
//
//   dispatch --registered N [--active A] [--warmup-ms MS] [--duration-ms MS]
//
// Prints JSON: CPU nanoseconds per event, its write, its share of the wait and its read included. The choice of who is
// written is made beforehand (see also servers/dispatch.js, which does the same).

#include "limit.h"

#include <getopt.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

// Rounds after which the choice repeats: enough that all of 19,000 are written about once.
#define SCHEDULE_ROUNDS 256
#define ACTIVE_MAX 1024
#define CHECK_ROUNDS 16

static long registered, active = 100, warmup_ms = 300, duration_ms = 500;
static int epoll_fd;
static int *fds;
static int *schedule;
static uint64_t read_total;

// What a registration is to the loop of a program: found by the kernel's user data.
struct source {
  int fd;
  uint64_t events;
};

static uint32_t next_random(void) {
  static uint32_t state = 2463534242u;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

// Of each round `active` different ones, by the beginning of a shuffle.
static void choose(void) {
  int *order = malloc((size_t)registered * sizeof *order);
  schedule = malloc((size_t)(SCHEDULE_ROUNDS * active) * sizeof *schedule);
  if (order == NULL || schedule == NULL) die("malloc");
  for (long i = 0; i < registered; i++) order[i] = fds[i];
  for (long round = 0; round < SCHEDULE_ROUNDS; round++) {
    for (long i = 0; i < active; i++) {
      long other = i + (long)(next_random() % (uint32_t)(registered - i));
      int chosen = order[other];
      order[other] = order[i];
      order[i] = schedule[round * active + i] = chosen;
    }
  }
  free(order);
}

static void register_all(void) {
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  fds = malloc((size_t)registered * sizeof *fds);
  if (fds == NULL) die("malloc");
  for (long i = 0; i < registered; i++) {
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL) die("calloc");
    if ((fds[i] = source->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) die("eventfd");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, source->fd, &event) != 0) die("epoll_ctl");
  }
}

static void one_round(const int *chosen) {
  static struct epoll_event events[ACTIVE_MAX];
  uint64_t one = 1;
  for (long i = 0; i < active; i++) {
    if (write(chosen[i], &one, sizeof one) != (ssize_t)sizeof one) die("write");
  }
  for (long left = active; left > 0;) {
    int count = epoll_wait(epoll_fd, events, ACTIVE_MAX, 0);
    if (count <= 0) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct source *source = events[i].data.ptr;
      uint64_t value;
      if (read(source->fd, &value, sizeof value) != (ssize_t)sizeof value) die("read");
      source->events += value;
      read_total += value;
    }
    left -= count;
  }
}

// Rounds for at least so long. Returns how many.
static uint64_t run_for(long ms) {
  static uint64_t at;
  uint64_t rounds = 0, end_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000u;
  do {
    for (int i = 0; i < CHECK_ROUNDS; i++, at++)
      one_round(schedule + (at % SCHEDULE_ROUNDS) * (uint64_t)active);
    rounds += CHECK_ROUNDS;
  } while (clock_ns(CLOCK_MONOTONIC) < end_ns);
  return rounds;
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"registered", required_argument, NULL, 'r'},
                                          {"active", required_argument, NULL, 'a'},
                                          {"warmup-ms", required_argument, NULL, 'w'},
                                          {"duration-ms", required_argument, NULL, 't'},
                                          {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
      case 'r': registered = number_argument("--registered", optarg, 1, 1000000); break;
      case 'a': active = number_argument("--active", optarg, 1, ACTIVE_MAX); break;
      case 'w': warmup_ms = number_argument("--warmup-ms", optarg, 0, 60000); break;
      case 't': duration_ms = number_argument("--duration-ms", optarg, 1, 60000); break;
      default: return 2;
    }
  }
  if (registered < active) {
    fprintf(stderr, "usage: dispatch --registered N [--active A <= N] [--warmup-ms MS] [--duration-ms MS]\n");
    return 2;
  }
  raise_descriptor_limit();
  register_all();
  choose();
  run_for(warmup_ms);
  read_total = 0;
  uint64_t start_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  uint64_t events = run_for(duration_ms) * (uint64_t)active;
  uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns;
  if (read_total != events) {
    fprintf(stderr, "%llu events were written and %llu read\n", (unsigned long long)events,
            (unsigned long long)read_total);
    return 1;
  }
  printf("{\"events\":%llu,\"cpuNsPerEvent\":%.2f}\n", (unsigned long long)events,
         (double)cpu_ns / (double)events);
}
