// What the C limits share: dying with a reason, clocks, number arguments, and a listener on loopback.

#ifndef UNDERLOOP_BENCH_LIMIT_H
#define UNDERLOOP_BENCH_LIMIT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// One recv asks for this much, in the C servers as in the reactor: larger buys nothing on loopback, smaller splits messages.
#define BUFFER_BYTES (64 * 1024)

static inline void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static inline uint64_t clock_ns(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) die("clock_gettime");
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// The number in `text`, or the end of the program: a benchmark that misread its arguments is worse than none.
static inline long number_argument(const char *name, const char *text, long lowest, long highest) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < lowest || value > highest) {
    fprintf(stderr, "%s: %s is not a number from %ld to %ld\n", name, text, lowest, highest);
    exit(2);
  }
  return value;
}

static inline void no_delay(int fd) {
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("setsockopt TCP_NODELAY");
}

// The soft limit on descriptors is often 1,024, which 1,000 connections would meet.
static inline void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) die("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);  // Refused: the old limit holds, and accept or socket will say so.
}

// Listens on 127.0.0.1 with the option `reuse` (SO_REUSEADDR or SO_REUSEPORT). Port 0: the kernel chooses, and it is written back.
static inline int listen_on_port(uint16_t *port, int socket_flags, int reuse) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | socket_flags, 0);
  if (fd < 0) die("socket");
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, reuse, &on, sizeof on) != 0) die("setsockopt of the address");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, length) != 0) die("bind");
  if (listen(fd, SOMAXCONN) != 0) die("listen");
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) die("getsockname");
  *port = ntohs(address.sin_port);
  return fd;
}

// Tells the parent where we listen.
static inline void tell_port(uint16_t port) {
  printf("PORT %d\n", port);
  fflush(stdout);
}

static inline int listen_on_loopback(uint16_t port, int socket_flags) {
  int fd = listen_on_port(&port, socket_flags, SO_REUSEADDR);
  tell_port(port);
  return fd;
}

static inline void exit_quietly(int signal_number) {
  (void)signal_number;
  _exit(0);
}

// A write to a closed connection must come back as EPIPE, and SIGTERM is an ordinary end.
static inline void set_up_signals(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, exit_quietly);
}

#endif
