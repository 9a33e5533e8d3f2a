// The limit for datagrams: a minimal UDP echo server on epoll, recvmmsg and sendmmsg.
//
//   udp_echo [-p port]
//
// It prints "PORT n" and ends when its stdin does.

#include "limit.h"

#include <getopt.h>
#include <sys/epoll.h>

// As many as the reactor takes at once.
#define DATAGRAMS_MAX 64
#define DATAGRAM_BYTES 2048

static char bytes[DATAGRAMS_MAX][DATAGRAM_BYTES];
static struct sockaddr_in senders[DATAGRAMS_MAX];
static struct iovec pieces[DATAGRAMS_MAX];
static struct mmsghdr messages[DATAGRAMS_MAX];

static int bind_on_loopback(uint16_t port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, length) != 0) die("bind");
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) die("getsockname");
  printf("PORT %d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static void echo(int fd) {
  int count = recvmmsg(fd, messages, DATAGRAMS_MAX, MSG_DONTWAIT, NULL);
  if (count < 0) return;
  for (int i = 0; i < count; i++) pieces[i].iov_len = messages[i].msg_len;
  for (int sent = 0; sent < count;) {
    int done = sendmmsg(fd, messages + sent, (unsigned)(count - sent), MSG_NOSIGNAL);
    sent += done > 0 ? done : 1;  // one that is refused is dropped
  }
  for (int i = 0; i < count; i++) {
    pieces[i].iov_len = DATAGRAM_BYTES;
    messages[i].msg_hdr.msg_namelen = sizeof senders[i];
  }
}

int main(int argc, char **argv) {
  uint16_t port = 0;
  int option;
  while ((option = getopt(argc, argv, "p:")) != -1) {
    if (option != 'p') {
      fprintf(stderr, "usage: udp_echo [-p port]\n");
      return 2;
    }
    port = (uint16_t)number_argument("-p", optarg, 0, 65535);
  }
  for (int i = 0; i < DATAGRAMS_MAX; i++) {
    pieces[i] = (struct iovec){bytes[i], DATAGRAM_BYTES};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &senders[i], .msg_namelen = sizeof senders[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
  }
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  int fd = bind_on_loopback(port);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0 && errno != EPERM) die("epoll_ctl stdin");
  event.data.fd = fd;
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  for (;;) {
    struct epoll_event events[2];
    int count = epoll_wait(epoll_fd, events, 2, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      char ignored[256];
      if (events[i].data.fd == fd)
        echo(fd);
      else if (read(STDIN_FILENO, ignored, sizeof ignored) == 0)
        return 0;
    }
  }
}
