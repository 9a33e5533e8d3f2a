// The load: a single-threaded closed-loop echo client on epoll that verifies every byte that comes back.
//
//   client --port N [--connections N] [--size BYTES] [--depth D] [--warmup-ms MS] [--duration-ms MS]
//          [--measure-at NS] [--server-pid PID]... [--frames] [--latency] [--lifeline] [--json]
//
// Each connection keeps D messages under way: D go out in one send, and then as many as came back, again in one send.
// After the warm-up it measures for the duration: messages, and the CPU time of the servers named (whole processes,
// all threads) and of itself, in nanoseconds from the kernel's CPU clocks. Then it stops asking, waits for what is
// under way, says end-of-file and waits for the server's, so that the next server's turn meets an idle machine.
//
// With --measure-at the warm-up lasts until CLOCK_MONOTONIC shows that time: several clients measure the same window.
//
// With --frames it speaks the workload's protocol (docs/workload.md): each message is the payload of a request, and of its
// reply. Without, what comes back are the bytes that were sent.
//
// Exit status: 0 all well; 1 the run failed (wrong byte, dead or silent server), with the reason in the JSON and on
// stderr; 2 bad arguments.

#include "reading.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define EVENTS_PER_WAIT 1024
// A server that answers nothing for so long is taken for dead.
#define SILENCE_MS 2000
// How long the server may take to answer our end-of-file with its own.
#define CLOSE_MS 2000
// Over what the phases add up to, the watchdog allows this much: connecting and closing.
#define WATCHDOG_SLACK_S 15

// A message is a pure function of connection and sequence number, so neither what was sent nor what is partly received
// has to be kept: 8 bytes of header (sequence number and connection), then a window of the pattern that starts elsewhere
// for each message. A byte lost, doubled, swapped between messages or crossed between connections shows.
#define HEADER_BYTES 8
// With --frames, before each message: bodyBytes, id, cpuUs, waitMs; and before each reply bodyBytes, id, status, then
// thread and stamps, which are the server's own.
#define REQUEST_PREFIX_BYTES 16
#define REPLY_PREFIX_BYTES 64
#define REPLY_CHECKED_BYTES 12
#define PREFIX_BYTES_MAX REPLY_PREFIX_BYTES
// Prime, so that windows do not fall into step with any message size or depth.
#define PATTERN_PERIOD 251

struct connection {
  int fd;
  uint32_t index;
  bool wants_write;
  bool closed;
  uint64_t asked;       // messages that were asked for: bytes up to asked * size are owed or sent
  uint64_t answered;    // messages that came back whole
  uint64_t sent_bytes;  // of the whole stream
  uint64_t received_bytes;
  uint64_t *
      asked_at_ns;  // with --latency: when each message under way was asked for, by sequence number modulo depth
};

static long port, connection_count = 1, size_bytes = 64, depth = 1, warmup_ms = 500, duration_ms = 1000,
                  measure_at_ns;
static bool with_latency, with_lifeline, with_frames;
static size_t request_bytes, reply_bytes;  // with their prefixes

static int epoll_fd;
static struct connection *connections;
static struct connection lifeline = {.fd = STDIN_FILENO};
static char *pattern;
static char send_buffer[SEND_BYTES];
static char receive_buffer[BUFFER_BYTES];

static bool asking = true;
static bool measuring;
static uint64_t answered_total;
static int open_count;

// ---- Latency: 16 linear steps within each power of two, so that a quantile is right to 6%.

#define STEPS_LOG2 4
#define STEPS (1 << STEPS_LOG2)
#define BUCKETS (64 * STEPS)

static uint64_t histogram[BUCKETS];

static int bucket_of(uint64_t value_ns) {
  if (value_ns < STEPS) return (int)value_ns;
  int exponent = 63 - __builtin_clzll(value_ns);
  int step = (int)((value_ns >> (exponent - STEPS_LOG2)) & (STEPS - 1));
  return (exponent - STEPS_LOG2 + 1) * STEPS + step;
}

// The middle of a bucket.
static double bucket_ns(int bucket) {
  if (bucket < STEPS) return bucket;
  int shift = bucket / STEPS - 1;
  return ((double)(STEPS + bucket % STEPS) + 0.5) * (double)(1ull << shift);
}

static double quantile_us(double quantile) {
  uint64_t total = 0, below = 0;
  for (int i = 0; i < BUCKETS; i++) total += histogram[i];
  for (int i = 0; i < BUCKETS; i++) {
    below += histogram[i];
    if (below > 0 && (double)below >= quantile * (double)total) return bucket_ns(i) / 1000;
  }
  return 0;
}

// ---- Messages.

static uint64_t header_of(const struct connection *connection, uint64_t sequence) {
  return sequence | (uint64_t)connection->index << 40;
}

static const char *body_of(const struct connection *connection, uint64_t sequence) {
  return pattern + (sequence + connection->index) % PATTERN_PERIOD;
}

// One message as it is sent, or expected back: a prefix, a header, a window of the pattern.
struct message {
  char head[PREFIX_BYTES_MAX + HEADER_BYTES];
  size_t prefix_bytes;
  const char *body;  // at the header's end
};

static void put_u32(char *target, uint64_t value) {
  uint32_t word = (uint32_t)value;
  memcpy(target, &word, sizeof word);
}

static void make_message(struct message *message, const struct connection *connection, uint64_t sequence,
                         bool reply) {
  message->prefix_bytes = 0;
  if (with_frames) {
    message->prefix_bytes = reply ? REPLY_PREFIX_BYTES : REQUEST_PREFIX_BYTES;
    put_u32(message->head, message->prefix_bytes - 4 + (uint64_t)size_bytes);
    put_u32(message->head + 4, sequence);
    put_u32(message->head + 8, 0);
    if (!reply) put_u32(message->head + 12, 0);
  }
  uint64_t value = header_of(connection, sequence);
  memcpy(message->head + message->prefix_bytes, &value, sizeof value);
  message->body = body_of(connection, sequence) + HEADER_BYTES;
}

// Writes the stream's bytes from `offset` to `target`.
static void write_stream(const struct connection *connection, uint64_t offset, char *target, size_t length) {
  uint64_t sequence = offset / request_bytes;
  size_t position = offset % request_bytes;
  while (length > 0) {
    struct message message;
    make_message(&message, connection, sequence, false);
    size_t head_bytes = message.prefix_bytes + HEADER_BYTES;
    if (head_bytes > request_bytes) head_bytes = request_bytes;
    size_t part = request_bytes - position < length ? request_bytes - position : length;
    size_t done = 0;
    if (position < head_bytes) {
      done = head_bytes - position < part ? head_bytes - position : part;
      memcpy(target, message.head + position, done);
    }
    if (done < part) memcpy(target + done, message.body + (position + done - head_bytes), part - done);
    target += part;
    length -= part;
    position = 0;
    sequence++;
  }
}

// Whether `bytes` are the stream of replies from `offset`. Every byte of every reply goes through here.
static bool verify_stream(const struct connection *connection, uint64_t offset, const char *bytes,
                          size_t length) {
  uint64_t sequence = offset / reply_bytes;
  size_t position = offset % reply_bytes;
  while (length > 0) {
    struct message message;
    make_message(&message, connection, sequence, true);
    size_t head_bytes = message.prefix_bytes + HEADER_BYTES;
    if (head_bytes > reply_bytes) head_bytes = reply_bytes;
    size_t part = reply_bytes - position < length ? reply_bytes - position : length;
    size_t done = 0;
    while (done < part && position + done < head_bytes) {
      size_t at = position + done;
      bool server_s_own = at >= REPLY_CHECKED_BYTES && at < message.prefix_bytes;
      size_t end = server_s_own                ? message.prefix_bytes
                   : at < message.prefix_bytes ? REPLY_CHECKED_BYTES
                                               : head_bytes;
      size_t count = end - at < part - done ? end - at : part - done;
      if (!server_s_own && memcmp(bytes + done, message.head + at, count) != 0) return false;
      done += count;
    }
    if (memcmp(bytes + done, message.body + (position + done - head_bytes), part - done) != 0) return false;
    bytes += part;
    length -= part;
    position = 0;
    sequence++;
  }
  return true;
}

// ---- One connection.

static void close_connection(struct connection *connection) {
  close(connection->fd);
  connection->closed = true;
  open_count--;
}

static void want_write(struct connection *connection, bool wanted) {
  if (connection->wants_write == wanted) return;
  connection->wants_write = wanted;
  struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = connection};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) != 0) die("epoll_ctl");
}

static void send_owed(struct connection *connection) {
  for (;;) {
    uint64_t owed_bytes = connection->asked * request_bytes - connection->sent_bytes;
    if (owed_bytes == 0) break;
    size_t length = owed_bytes < SEND_BYTES ? (size_t)owed_bytes : SEND_BYTES;
    write_stream(connection, connection->sent_bytes, send_buffer, length);
    ssize_t count = send(connection->fd, send_buffer, length, MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        want_write(connection, true);
        return;
      }
      errors++;
      fail("sending to the server: %s", strerror(errno));
      return;
    }
    connection->sent_bytes += (uint64_t)count;
  }
  want_write(connection, false);
}

static void ask(struct connection *connection, uint64_t messages) {
  if (with_latency) {
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < messages; i++)
      connection->asked_at_ns[(connection->asked + i) % (uint64_t)depth] = now_ns;
  }
  connection->asked += messages;
  send_owed(connection);
}

static void take_replies(struct connection *connection) {
  ssize_t count;
  do {
    count = recv(connection->fd, receive_buffer, sizeof receive_buffer, 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) {
    bool expected = count == 0 && !asking && connection->answered == connection->asked;
    if (!expected) {
      errors++;
      fail("reading from the server: %s",
           count == 0 ? "end-of-file with messages under way" : strerror(errno));
    }
    close_connection(connection);
    return;
  }
  // Of an echo not a byte may come before it was sent; of a frame nothing before it was sent whole.
  uint64_t due_bytes =
      with_frames ? connection->sent_bytes / request_bytes * reply_bytes : connection->sent_bytes;
  if (connection->received_bytes + (uint64_t)count > due_bytes) {
    mismatches++;
    fail("the server sent more bytes than it got on connection %u", connection->index);
    return;
  }
  if (!verify_stream(connection, connection->received_bytes, receive_buffer, (size_t)count)) {
    mismatches++;
    fail("a reply differs from its message: connection %u, within %zd bytes from byte %llu of its stream",
         connection->index, count, (unsigned long long)connection->received_bytes);
    return;
  }
  connection->received_bytes += (uint64_t)count;
  uint64_t answered = connection->received_bytes / reply_bytes;
  uint64_t fresh = answered - connection->answered;
  if (fresh == 0) return;
  if (with_latency && measuring) {
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    for (uint64_t i = connection->answered; i < answered; i++) {
      histogram[bucket_of(now_ns - connection->asked_at_ns[i % (uint64_t)depth])]++;
    }
  }
  connection->answered = answered;
  answered_total += fresh;
  if (asking) ask(connection, fresh);
}

// ---- The run.

static void connect_all(void) {
  connections = calloc((size_t)connection_count, sizeof *connections);
  if (connections == NULL) die("calloc");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (long i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    connection->index = (uint32_t)i;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) die("socket");
    // Blocking: connecting is no part of the measurement, and on loopback it is the kernel alone that answers.
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0) {
      errors++;
      fail("connect to port %ld: %s", port, strerror(errno));
      return;
    }
    no_delay(connection->fd);
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0) die("fcntl");
    if (with_latency && (connection->asked_at_ns = calloc((size_t)depth, sizeof(uint64_t))) == NULL)
      die("calloc");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) die("epoll_ctl");
    open_count++;
  }
}

static void check_lifeline(void) {
  char ignored[256];
  ssize_t count = read(STDIN_FILENO, ignored, sizeof ignored);
  if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) exit(1);
}

// Waits once and handles what came, until `deadline_ns` at the latest. Returns the time after it.
static uint64_t pass(uint64_t deadline_ns, uint64_t *progress_ns, uint64_t now_ns) {
  struct epoll_event events[EVENTS_PER_WAIT];
  uint64_t left_ms = deadline_ns > now_ns ? (deadline_ns - now_ns + 999999) / 1000000 : 0;
  int count = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, left_ms > 100 ? 100 : (int)left_ms);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  uint64_t before = answered_total;
  for (int i = 0; i < count && failure[0] == '\0'; i++) {
    struct connection *connection = events[i].data.ptr;
    if (connection == &lifeline) {
      check_lifeline();
      continue;
    }
    if ((events[i].events & EPOLLOUT) != 0) send_owed(connection);
    if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) take_replies(connection);
  }
  now_ns = clock_ns(CLOCK_MONOTONIC);
  if (answered_total != before) *progress_ns = now_ns;
  if (asking && now_ns - *progress_ns > (uint64_t)SILENCE_MS * 1000000u) {
    errors++;
    fail("no reply from the server for %d ms", SILENCE_MS);
  }
  return now_ns;
}

static bool all_answered(void) {
  for (long i = 0; i < connection_count; i++) {
    if (!connections[i].closed && connections[i].answered != connections[i].asked) return false;
  }
  return true;
}

static void run(struct reading *first, struct reading *last) {
  connect_all();
  if (failure[0] != '\0') return;
  uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), progress_ns = now_ns;
  uint64_t warm_ns = now_ns + (uint64_t)warmup_ms * 1000000u;
  if (measure_at_ns > 0) {
    warm_ns = (uint64_t)measure_at_ns;
    if (now_ns > warm_ns) {
      errors++;
      fail("connected only when the window had begun");
      return;
    }
  }
  for (long i = 0; i < connection_count; i++) ask(&connections[i], (uint64_t)depth);
  while (now_ns < warm_ns && failure[0] == '\0') now_ns = pass(warm_ns, &progress_ns, now_ns);

  *first = take_reading(answered_total);
  measuring = true;
  uint64_t end_ns = first->at_ns + (uint64_t)duration_ms * 1000000u;
  while (now_ns < end_ns && failure[0] == '\0') now_ns = pass(end_ns, &progress_ns, now_ns);
  measuring = false;
  *last = take_reading(answered_total);

  asking = false;
  uint64_t drained_ns = now_ns + (uint64_t)SILENCE_MS * 1000000u;
  while (!all_answered() && now_ns < drained_ns && failure[0] == '\0')
    now_ns = pass(drained_ns, &progress_ns, now_ns);
  if (failure[0] != '\0') return;
  if (!all_answered()) {
    errors++;
    fail("replies are missing %d ms after the last message", SILENCE_MS);
    return;
  }
  for (long i = 0; i < connection_count; i++) {
    if (!connections[i].closed) shutdown(connections[i].fd, SHUT_WR);
  }
  uint64_t closed_ns = now_ns + (uint64_t)CLOSE_MS * 1000000u;
  while (open_count > 0 && now_ns < closed_ns && failure[0] == '\0')
    now_ns = pass(closed_ns, &progress_ns, now_ns);
  if (open_count > 0) {
    errors++;
    fail("the server left %d connections open %d ms after end-of-file", open_count, CLOSE_MS);
  }
}

// ---- The report.

static void print_json(const struct reading *first, const struct reading *last) {
  print_figures(first, last);
  if (with_latency) printf(",\"p50Us\":%.2f,\"p99Us\":%.2f", quantile_us(0.5), quantile_us(0.99));
  print_end();
}

static void print_plain(const struct reading *first, const struct reading *last) {
  double seconds = (double)(last->at_ns - first->at_ns) / 1e9;
  uint64_t messages = last->answered - first->answered;
  if (messages == 0 || seconds == 0) return;
  printf("%llu messages in %.3f s: %.0f/s, server %.3f us and client %.3f us of CPU each",
         (unsigned long long)messages, seconds, (double)messages / seconds,
         (double)(last->server_cpu_ns - first->server_cpu_ns) / (double)messages / 1000,
         (double)(last->client_cpu_ns - first->client_cpu_ns) / (double)messages / 1000);
  if (with_latency) printf(", p50 %.1f us, p99 %.1f us", quantile_us(0.5), quantile_us(0.99));
  printf("\n");
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                          {"connections", required_argument, NULL, 'c'},
                                          {"size", required_argument, NULL, 's'},
                                          {"depth", required_argument, NULL, 'd'},
                                          {"warmup-ms", required_argument, NULL, 'w'},
                                          {"duration-ms", required_argument, NULL, 't'},
                                          {"measure-at", required_argument, NULL, 'a'},
                                          {"server-pid", required_argument, NULL, 'P'},
                                          {"frames", no_argument, NULL, 'f'},
                                          {"latency", no_argument, NULL, 'l'},
                                          {"lifeline", no_argument, NULL, 'L'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
  bool json = false;
  int option;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
      case 'p': port = number_argument("--port", optarg, 1, 65535); break;
      case 'c': connection_count = number_argument("--connections", optarg, 1, 1000000); break;
      case 's': size_bytes = number_argument("--size", optarg, 1, 1 << 24); break;
      case 'd': depth = number_argument("--depth", optarg, 1, 4096); break;
      case 'w': warmup_ms = number_argument("--warmup-ms", optarg, 0, 600000); break;
      case 't': duration_ms = number_argument("--duration-ms", optarg, 1, 600000); break;
      case 'a': measure_at_ns = number_argument("--measure-at", optarg, 1, INT64_MAX); break;
      case 'P': add_server(optarg); break;
      case 'f': with_frames = true; break;
      case 'l': with_latency = true; break;
      case 'L': with_lifeline = true; break;
      case 'j': json = true; break;
      default: return 2;
    }
  }
  if (port == 0 || optind != argc) {
    fprintf(stderr,
            "usage: client --port N [--connections N] [--size BYTES] [--depth D] [--warmup-ms MS] "
            "[--duration-ms MS] [--measure-at NS] [--server-pid PID]... [--frames] [--latency] [--lifeline] "
            "[--json]\n");
    return 2;
  }
  request_bytes = (size_t)size_bytes + (with_frames ? REQUEST_PREFIX_BYTES : 0);
  reply_bytes = (size_t)size_bytes + (with_frames ? REPLY_PREFIX_BYTES : 0);
  signal(SIGPIPE, SIG_IGN);
  alarm((unsigned)((warmup_ms + duration_ms) / 1000 + WATCHDOG_SLACK_S));  // Bounded, whatever goes wrong.
  raise_descriptor_limit();
  pattern = malloc((size_t)size_bytes + PATTERN_PERIOD);
  if (pattern == NULL) die("malloc");
  // An odd multiplier walks through all byte values; the high bits differ between neighbours.
  for (long i = 0; i < size_bytes + PATTERN_PERIOD; i++) pattern[i] = (char)((uint32_t)i * 2654435761u >> 24);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  if (with_lifeline) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &lifeline};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, lifeline.fd, &event) != 0) die("epoll_ctl stdin");
  }
  struct reading first = {0}, last = {0};
  run(&first, &last);
  if (failure[0] != '\0') first = last = (struct reading){0};  // A failed run has no figures.
  if (json) {
    print_json(&first, &last);
  } else {
    print_plain(&first, &last);
  }
  if (failure[0] != '\0') fprintf(stderr, "%s\n", failure);
  return failure[0] != '\0' ? 1 : 0;
}
