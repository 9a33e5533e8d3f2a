// Holds idle connections for the measurement of memory: a number on stdin opens connections up to that many, "echo" has
// each of them echo one message, and each line is answered when it is done.
//
//   hold --port N
//
// Ends when stdin does, or with status 1 and a reason when the server closes a connection or answers wrongly.

#include "from.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>

#define CONNECTIONS_MAX 100000
// Far fewer than the ports of one pair of addresses, about 28,000.
#define CONNECTIONS_PER_SOURCE 5000
// Connects at once: below the servers' backlog.
#define UNDER_WAY_MAX 100
// A server that does nothing for so long is taken for dead.
#define SILENCE_MS 10000

static const char message[64] = "0123456789abcdef0123456789ABCDEF-one-idle-connection-has-spoken";
static int fds[CONNECTIONS_MAX];
static long count;
static uint16_t port;

static void wait_for(int fd, short events) {
  struct pollfd item = {.fd = fd, .events = events};
  int ready = poll(&item, 1, SILENCE_MS);
  if (ready < 0) die("poll");
  if (ready == 0) {
    fprintf(stderr, "the server did nothing for %d ms\n", SILENCE_MS);
    exit(1);
  }
}

static void open_up_to(long wanted) {
  while (count < wanted) {
    long batch = wanted - count < UNDER_WAY_MAX ? wanted - count : UNDER_WAY_MAX;
    for (long i = count; i < count + batch; i++) {
      fds[i] = connect_from((unsigned)(i / CONNECTIONS_PER_SOURCE), port);
    }
    for (; batch > 0; batch--, count++) {
      wait_for(fds[count], POLLOUT);
      int error = 0;
      socklen_t length = sizeof error;
      if (getsockopt(fds[count], SOL_SOCKET, SO_ERROR, &error, &length) != 0) die("SO_ERROR");
      if ((errno = error) != 0) die("connect");
    }
  }
}

static void echo_all(void) {
  for (long i = 0; i < count; i++) {
    if (send(fds[i], message, sizeof message, MSG_NOSIGNAL) != (ssize_t)sizeof message) die("send");
    char reply[sizeof message];
    for (size_t received = 0; received < sizeof reply;) {
      wait_for(fds[i], POLLIN);
      ssize_t got = recv(fds[i], reply + received, sizeof reply - received, 0);
      if (got <= 0) die("recv");
      received += (size_t)got;
    }
    if (memcmp(reply, message, sizeof reply) != 0) {
      fprintf(stderr, "a reply differs from its message\n");
      exit(1);
    }
  }
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"port", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    if (option != 'p') return 2;
    port = (uint16_t)number_argument("--port", optarg, 1, 65535);
  }
  if (port == 0) {
    fprintf(stderr, "usage: hold --port N\n");
    return 2;
  }
  set_up_signals();
  raise_descriptor_limit();
  printf("PORT %u\n", port);
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "echo") == 0) {
      echo_all();
    } else {
      open_up_to(number_argument("connections", line, 0, CONNECTIONS_MAX));
    }
    printf("%ld\n", count);
    fflush(stdout);
  }
}
