// The load for datagrams: a closed loop of sockets, each with some datagrams under way, that verifies every one that returns.
//
//   udp_client --port N [--connections N] [--size BYTES] [--depth D] [--warmup-ms MS] [--duration-ms MS]
//              --server-pid PID [--lifeline] [--json]
//
// Each socket sends D datagrams, and as many again as come back. On loopback none gets lost as long as the buffers
// hold what is under way; one that does is counted, and its socket asks anew when it has heard nothing for a while.
// Exit status: 0 all well; 1 a wrong datagram, or a server that answers nothing; 2 bad arguments.

#include "limit.h"

#include <getopt.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define DEPTH_MAX 64
#define SIZE_MAX_BYTES 2048
#define SILENCE_MS 200
#define EVENTS_PER_WAIT 256

struct peer {
  int fd;
  uint32_t index;
  uint64_t next;  // sequence number of the next datagram
  uint64_t under_way;
};

static long port, peer_count = 1, size_bytes = 64, depth = 1, warmup_ms = 100, duration_ms = 1000, server_pid;
static bool with_lifeline;
static struct peer *peers;
static char bytes[DEPTH_MAX][SIZE_MAX_BYTES];
static struct iovec pieces[DEPTH_MAX];
static struct mmsghdr messages[DEPTH_MAX];
static uint64_t answered, lost, mismatches;

static void fill(char *datagram, uint32_t index, uint64_t sequence) {
  uint64_t header = sequence << 24 | index;
  memset(datagram, (int)(sequence % 251), (size_t)size_bytes);
  memcpy(datagram, &header, sizeof header);
}

static void ask(struct peer *peer, int count) {
  for (int i = 0; i < count; i++) {
    fill(bytes[i], peer->index, peer->next++);
    pieces[i].iov_len = (size_t)size_bytes;
  }
  for (int sent = 0; sent < count;) {
    int done = sendmmsg(peer->fd, messages + sent, (unsigned)(count - sent), MSG_NOSIGNAL);
    if (done > 0)
      sent += done;
    else if (errno != EAGAIN && errno != EINTR)
      die("sendmmsg");
  }
  peer->under_way += (uint64_t)count;
}

static void hear(struct peer *peer) {
  for (int i = 0; i < DEPTH_MAX; i++) pieces[i].iov_len = SIZE_MAX_BYTES;
  int count = recvmmsg(peer->fd, messages, (unsigned)depth, MSG_DONTWAIT, NULL);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    die("recvmmsg");
  }
  char expected[SIZE_MAX_BYTES];
  for (int i = 0; i < count; i++) {
    uint64_t header;
    memcpy(&header, bytes[i], sizeof header);
    fill(expected, peer->index, header >> 24);
    if (messages[i].msg_len != (unsigned)size_bytes || memcmp(expected, bytes[i], (size_t)size_bytes) != 0)
      mismatches++;
  }
  answered += (uint64_t)count;
  peer->under_way -= (uint64_t)count < peer->under_way ? (uint64_t)count : peer->under_way;
  ask(peer, count);
}

static void run(int epoll_fd, long for_ms) {
  uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)for_ms * 1000000u;
  uint64_t heard_ns = clock_ns(CLOCK_MONOTONIC);
  struct epoll_event events[EVENTS_PER_WAIT];
  for (;;) {
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (now_ns >= end_ns) return;
    int count = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, SILENCE_MS);
    if (count > 0)
      heard_ns = now_ns;
    else if (now_ns - heard_ns > 10ull * SILENCE_MS * 1000000u) {
      fprintf(stderr, "the server has answered nothing for %d ms\n", 10 * SILENCE_MS);
      exit(1);
    }
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) exit(1);  // the lifeline
      hear(events[i].data.ptr);
    }
    if (count != 0) continue;
    for (long i = 0; i < peer_count; i++) {  // silence: what is under way is lost
      lost += peers[i].under_way;
      peers[i].under_way = 0;
      ask(&peers[i], (int)depth);
    }
  }
}

int main(int argc, char **argv) {
  static const struct option long_options[] = {{"port", required_argument, NULL, 'p'},
                                               {"connections", required_argument, NULL, 'c'},
                                               {"size", required_argument, NULL, 's'},
                                               {"depth", required_argument, NULL, 'd'},
                                               {"warmup-ms", required_argument, NULL, 'w'},
                                               {"duration-ms", required_argument, NULL, 't'},
                                               {"server-pid", required_argument, NULL, 'P'},
                                               {"lifeline", no_argument, NULL, 'l'},
                                               {"json", no_argument, NULL, 'j'},
                                               {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
    if (option == 'p')
      port = number_argument("--port", optarg, 1, 65535);
    else if (option == 'c')
      peer_count = number_argument("--connections", optarg, 1, 10000);
    else if (option == 's')
      size_bytes = number_argument("--size", optarg, 8, SIZE_MAX_BYTES);
    else if (option == 'd')
      depth = number_argument("--depth", optarg, 1, DEPTH_MAX);
    else if (option == 'w')
      warmup_ms = number_argument("--warmup-ms", optarg, 0, 60000);
    else if (option == 't')
      duration_ms = number_argument("--duration-ms", optarg, 1, 60000);
    else if (option == 'P')
      server_pid = number_argument("--server-pid", optarg, 1, INT32_MAX);
    else if (option == 'l')
      with_lifeline = true;
    else if (option != 'j')
      return 2;
  }
  if (port == 0 || server_pid == 0) {
    fprintf(stderr,
            "usage: udp_client --port N --server-pid PID [--connections N] [--size BYTES] [--depth D] ...\n");
    return 2;
  }
  raise_descriptor_limit();
  for (int i = 0; i < DEPTH_MAX; i++) {
    pieces[i].iov_base = bytes[i];
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
  }
  clockid_t server_clock;
  if (clock_getcpuclockid((pid_t)server_pid, &server_clock) != 0) die("clock_getcpuclockid");
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (with_lifeline && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0 && errno != EPERM)
    die("epoll_ctl stdin");
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  peers = calloc((size_t)peer_count, sizeof *peers);
  for (long i = 0; i < peer_count; i++) {
    peers[i] = (struct peer){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                             .index = (uint32_t)i};
    if (peers[i].fd < 0) die("socket");
    if (connect(peers[i].fd, (struct sockaddr *)&server, sizeof server) != 0) die("connect");
    event.data.ptr = &peers[i];
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peers[i].fd, &event) != 0) die("epoll_ctl");
    ask(&peers[i], (int)depth);
  }
  run(epoll_fd, warmup_ms);
  answered = lost = 0;
  uint64_t begin_ns = clock_ns(CLOCK_MONOTONIC), server_ns = clock_ns(server_clock);
  uint64_t client_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  run(epoll_fd, duration_ms);
  double elapsed_ns = (double)(clock_ns(CLOCK_MONOTONIC) - begin_ns);
  double server_cpu_ns = (double)(clock_ns(server_clock) - server_ns);
  double client_cpu_ns = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - client_ns);
  double messages_done = answered > 0 ? (double)answered : 1;
  printf("{\"messages\":%llu,\"lost\":%llu,\"mismatches\":%llu,\"messagesPerSecond\":%.0f,",
         (unsigned long long)answered, (unsigned long long)lost, (unsigned long long)mismatches,
         (double)answered / elapsed_ns * 1e9);
  printf("\"serverCpuNsPerMessage\":%.1f,\"clientCpuNsPerMessage\":%.1f,", server_cpu_ns / messages_done,
         client_cpu_ns / messages_done);
  printf("\"serverBusy\":%.4f,\"clientBusy\":%.4f}\n", server_cpu_ns / elapsed_ns,
         client_cpu_ns / elapsed_ns);
  if (mismatches > 0 || answered == 0) {
    fprintf(stderr, "%llu of %llu answers were wrong\n", (unsigned long long)mismatches,
            (unsigned long long)answered);
    return 1;
  }
  return 0;
}
