// The load of connecting: each connection echoes one message and is closed by us, and the next one takes its place.
//
//   churn --port N [--connections N] [--size BYTES] [--reset] [--warmup-ms MS] [--duration-ms MS]
//         [--server-pid PID]... [--lifeline] [--json]
//
// `connections` are open at a time. They come from source addresses in turn, so that what stays in TIME_WAIT does not use
// up the ports; with --reset nothing stays there, for they are closed by RST. Figures and exit status are those of client.c,
// with a connection in place of a message.

#include "from.h"
#include "reading.h"

#include <getopt.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define EVENTS_PER_WAIT 256
#define SIZE_MAX_BYTES 4096
// 28,000 ports each: minutes of churn before a pair of addresses and ports comes again, and TIME_WAIT lasts one.
#define SOURCES 240
#define SILENCE_MS 2000
#define WATCHDOG_SLACK_S 15

struct slot {
  int fd;
  bool sent;
  size_t received;
  uint32_t number;
};

static long port, connection_count = 64, size_bytes = 64, warmup_ms = 100, duration_ms = 1000;
static bool with_reset, with_lifeline;
static int epoll_fd;
static struct slot *slots;
static struct slot lifeline = {.fd = STDIN_FILENO};
static uint32_t opened;
static uint64_t answered;

static void open_next(struct slot *slot) {
  *slot = (struct slot){.number = opened++};
  // Runs begin anywhere in the range: the ports of the last run's first addresses may be in TIME_WAIT still.
  static unsigned first;
  if (first == 0) first = (unsigned)getpid();
  slot->fd = connect_from((first + slot->number) % SOURCES, (uint16_t)port);
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = slot};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, slot->fd, &event) != 0) die("epoll_ctl");
}

// Every connection has a message of its own, so that a reply that crossed over from another one shows.
static void message_of(const struct slot *slot, char *target) {
  for (long i = 0; i < size_bytes; i++) target[i] = (char)((slot->number + (uint32_t)i) * 2654435761u >> 24);
}

static void close_slot(struct slot *slot) {
  if (with_reset) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0) die("SO_LINGER");
  }
  close(slot->fd);
}

static void connected(struct slot *slot) {
  char message[SIZE_MAX_BYTES];
  message_of(slot, message);
  if (send(slot->fd, message, (size_t)size_bytes, MSG_NOSIGNAL) != size_bytes) {
    errors++;
    fail("connecting and sending: %s", strerror(errno));
    return;
  }
  slot->sent = true;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, slot->fd, &event) != 0) die("epoll_ctl");
}

static void readable(struct slot *slot) {
  char reply[SIZE_MAX_BYTES], message[SIZE_MAX_BYTES];
  ssize_t count = recv(slot->fd, reply, (size_t)size_bytes - slot->received, 0);
  if (count <= 0) {
    errors++;
    fail("reading from the server: %s", count == 0 ? "end-of-file before the reply" : strerror(errno));
    return;
  }
  message_of(slot, message);
  if (memcmp(reply, message + slot->received, (size_t)count) != 0) {
    mismatches++;
    fail("a reply differs from its message on connection %u", slot->number);
    return;
  }
  slot->received += (size_t)count;
  if (slot->received < (size_t)size_bytes) return;
  answered++;
  close_slot(slot);
  open_next(slot);
}

static void check_lifeline(void) {
  char ignored[256];
  ssize_t count = read(STDIN_FILENO, ignored, sizeof ignored);
  if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) exit(1);
}

static void run_for(long ms) {
  uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), end_ns = now_ns + (uint64_t)ms * 1000000u,
           progress_ns = now_ns;
  while (now_ns < end_ns && failure[0] == '\0') {
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, 100);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count && failure[0] == '\0'; i++) {
      struct slot *slot = events[i].data.ptr;
      if (slot == &lifeline) {
        check_lifeline();
      } else if (!slot->sent) {
        connected(slot);
      } else {
        readable(slot);
      }
    }
    now_ns = clock_ns(CLOCK_MONOTONIC);
    if (count > 0) progress_ns = now_ns;
    if (now_ns - progress_ns > (uint64_t)SILENCE_MS * 1000000u) {
      errors++;
      fail("no reply from the server for %d ms", SILENCE_MS);
    }
  }
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                          {"connections", required_argument, NULL, 'c'},
                                          {"size", required_argument, NULL, 's'},
                                          {"warmup-ms", required_argument, NULL, 'w'},
                                          {"duration-ms", required_argument, NULL, 't'},
                                          {"server-pid", required_argument, NULL, 'P'},
                                          {"reset", no_argument, NULL, 'r'},
                                          {"lifeline", no_argument, NULL, 'L'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
      case 'p': port = number_argument("--port", optarg, 1, 65535); break;
      case 'c': connection_count = number_argument("--connections", optarg, 1, 10000); break;
      case 's': size_bytes = number_argument("--size", optarg, 1, SIZE_MAX_BYTES); break;
      case 'w': warmup_ms = number_argument("--warmup-ms", optarg, 0, 600000); break;
      case 't': duration_ms = number_argument("--duration-ms", optarg, 1, 600000); break;
      case 'P': add_server(optarg); break;
      case 'r': with_reset = true; break;
      case 'L': with_lifeline = true; break;
      case 'j': break;  // JSON is all it prints
      default: return 2;
    }
  }
  if (port == 0 || optind != argc) {
    fprintf(stderr,
            "usage: churn --port N [--connections N] [--size BYTES] [--reset] [--warmup-ms MS] "
            "[--duration-ms MS] [--server-pid PID]... [--lifeline] [--json]\n");
    return 2;
  }
  set_up_signals();
  alarm((unsigned)((warmup_ms + duration_ms) / 1000 + WATCHDOG_SLACK_S));  // Bounded, whatever goes wrong.
  raise_descriptor_limit();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  if (with_lifeline) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &lifeline};
    lifeline.sent = true;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, lifeline.fd, &event) != 0) die("epoll_ctl stdin");
  }
  slots = calloc((size_t)connection_count, sizeof *slots);
  if (slots == NULL) die("calloc");
  for (long i = 0; i < connection_count; i++) open_next(&slots[i]);
  run_for(warmup_ms);
  struct reading first = take_reading(answered);
  run_for(duration_ms);
  struct reading last = take_reading(answered);
  for (long i = 0; i < connection_count; i++) close_slot(&slots[i]);
  if (failure[0] != '\0') first = last = (struct reading){0};  // A failed run has no figures.
  print_figures(&first, &last);
  print_end();
  if (failure[0] != '\0') fprintf(stderr, "%s\n", failure);
  return failure[0] != '\0' ? 1 : 0;
}
