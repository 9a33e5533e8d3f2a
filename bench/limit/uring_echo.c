// The limit that the model `uring` is held against: the least that a single-threaded echo server on io_uring can do, through
// raw system calls. Multishot accept and receive, provided buffers, sends that complete only when they fail.
//
//   uring_echo [-p port]
//
// Prints "PORT <n>" once it listens on 127.0.0.1, and ends when stdin reaches end-of-file or at SIGTERM. Needs Linux 6.1.

#include "limit.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

// The kernel's interface, as in native/uring/abi.h: the system's headers may be older than the kernel.
#define SETUP_CALL 425
#define ENTER_CALL 426
#define REGISTER_CALL 427
struct submission {
  uint8_t opcode, flags;
  uint16_t io_priority;
  int32_t fd;
  uint64_t offset, address;
  uint32_t length, operation_flags;
  uint64_t user_data;
  uint16_t buffer_group, personality;
  int32_t file_index;
  uint64_t spare[2];
};
struct completion {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
};
struct parameters {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, spare[3];
  struct {
    uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, spare;
    uint64_t user_address;
  } sq;
  struct {
    uint32_t head, tail, ring_mask, ring_entries, overflow, entries, flags, spare;
    uint64_t user_address;
  } cq;
};
struct place {
  uint64_t address;
  uint32_t length;
  uint16_t id, tail;
};
enum { SETUP_CQSIZE = 8, SETUP_SUBMIT_ALL = 128, SETUP_SINGLE_ISSUER = 4096, SETUP_DEFER_TASKRUN = 8192 };
enum { ENTER_GETEVENTS = 1, REGISTER_BUFFER_RING = 22 };
enum { OP_POLL_ADD = 6, OP_ACCEPT = 13, OP_SEND = 26, OP_RECV = 27 };
enum { SELECT_BUFFER = 32, SKIP_SUCCESS = 64, ACCEPT_MULTISHOT = 1, RECV_MULTISHOT = 2, MORE = 2 };

#define SQ_ENTRIES 1024
#define CQ_ENTRIES 8192
#define BUFFERS 512
#define POOL_BUFFER_BYTES (16 * 1024)
#define STRIDE \
  (POOL_BUFFER_BYTES + 320)  // not a power of two: the beginnings would share few sets of the caches

enum kind { ACCEPT, RECEIVE, SEND, SEND_SLOW, STDIN };

struct connection {
  int fd;
  uint32_t start, length;  // of the last send, in the pool
  char *flight, *pending;  // what is being sent slowly, and what comes after it
  size_t flight_bytes, pending_bytes;
  bool receiving;
};

static int ring_fd;
static uint32_t *sq_head, *sq_tail, *cq_head, *cq_tail;
static uint32_t sq_mask, cq_mask, tail, submitted;
static struct submission *submissions;
static struct completion *completions;
static struct place *places;
static uint16_t place_tail;
static char *pool;
static struct connection *connections[65536];
// Buffers that were received into, or sent from, since the last wait: they go back with the next.
static uint16_t used[CQ_ENTRIES * 2];
static int used_count, sending_count;
static uint16_t sending[BUFFERS * 2];

static void enter(unsigned wanted) {
  __atomic_store_n(sq_tail, tail, __ATOMIC_RELEASE);
  long done = syscall(ENTER_CALL, ring_fd, tail - submitted, wanted, ENTER_GETEVENTS, NULL, 0);
  if (done < 0 && errno != EINTR && errno != EBUSY) die("io_uring_enter");
  submitted = __atomic_load_n(sq_head, __ATOMIC_ACQUIRE);
}

static struct submission *next(uint8_t opcode, int fd, enum kind kind) {
  while (tail - submitted > sq_mask) enter(0);
  struct submission *submission = &submissions[tail++ & sq_mask];
  memset(submission, 0, sizeof *submission);
  submission->opcode = opcode;
  submission->fd = fd;
  submission->user_data = (uint64_t)kind << 32 | (uint32_t)fd;
  return submission;
}

static void give_back(uint16_t id) {
  struct place *place = &places[place_tail++ & (BUFFERS - 1)];
  place->address = (uint64_t)(pool + (size_t)id * STRIDE);
  place->length = POOL_BUFFER_BYTES;
  place->id = id;
}

static void set_up_ring(void) {
  struct parameters parameters = {
      .cq_entries = CQ_ENTRIES,
      .flags = SETUP_CQSIZE | SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN};
  ring_fd = (int)syscall(SETUP_CALL, SQ_ENTRIES, &parameters);
  if (ring_fd < 0) die("io_uring_setup");
  size_t bytes = parameters.cq.entries + parameters.cq_entries * sizeof(struct completion);
  size_t sq_bytes = parameters.sq.array + parameters.sq_entries * sizeof(uint32_t);
  if (sq_bytes > bytes) bytes = sq_bytes;
  const int protection = PROT_READ | PROT_WRITE;
  char *rings = mmap(NULL, bytes, protection, MAP_SHARED, ring_fd, 0);
  submissions = mmap(NULL, SQ_ENTRIES * sizeof *submissions, protection, MAP_SHARED, ring_fd, 0x10000000);
  places = mmap(NULL, BUFFERS * sizeof *places, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pool = mmap(NULL, (size_t)BUFFERS * STRIDE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (rings == MAP_FAILED || submissions == MAP_FAILED || places == MAP_FAILED || pool == MAP_FAILED)
    die("mmap");
  sq_head = (uint32_t *)(rings + parameters.sq.head);
  sq_tail = (uint32_t *)(rings + parameters.sq.tail);
  sq_mask = *(uint32_t *)(rings + parameters.sq.ring_mask);
  cq_head = (uint32_t *)(rings + parameters.cq.head);
  cq_tail = (uint32_t *)(rings + parameters.cq.tail);
  cq_mask = *(uint32_t *)(rings + parameters.cq.ring_mask);
  completions = (struct completion *)(rings + parameters.cq.entries);
  for (uint32_t i = 0; i < SQ_ENTRIES; i++) ((uint32_t *)(rings + parameters.sq.array))[i] = i;
  struct {
    uint64_t address;
    uint32_t entries;
    uint16_t group, flags;
    uint64_t spare[3];
  } registration = {.address = (uint64_t)places, .entries = BUFFERS};
  if (syscall(REGISTER_CALL, ring_fd, REGISTER_BUFFER_RING, &registration, 1) != 0) die("io_uring_register");
  for (uint16_t id = 0; id < BUFFERS; id++) give_back(id);
}

static void receive(struct connection *connection) {
  struct submission *submission = next(OP_RECV, connection->fd, RECEIVE);
  submission->io_priority = RECV_MULTISHOT;
  submission->flags = SELECT_BUFFER;
  connection->receiving = true;
}

static void send_slowly(struct connection *connection) {
  connection->flight = connection->pending;
  connection->flight_bytes = connection->pending_bytes;
  connection->pending = NULL;
  connection->pending_bytes = 0;
  struct submission *submission = next(OP_SEND, connection->fd, SEND_SLOW);
  submission->address = (uint64_t)connection->flight;
  submission->length = (uint32_t)connection->flight_bytes;
  submission->operation_flags = MSG_NOSIGNAL | MSG_WAITALL;
}

// The socket takes no more: keeps the bytes, in order, and sends them when there is room.
static void keep(struct connection *connection, const char *bytes, size_t length) {
  char *grown = realloc(connection->pending, connection->pending_bytes + length);
  if (grown == NULL) die("realloc");
  memcpy(grown + connection->pending_bytes, bytes, length);
  connection->pending = grown;
  connection->pending_bytes += length;
  if (connection->flight == NULL) send_slowly(connection);
}

static void close_connection(struct connection *connection) {
  if (connection->receiving || connection->flight != NULL) {
    shutdown(connection->fd, SHUT_RDWR);  // ends them; the last of them closes
    return;
  }
  connections[connection->fd] = NULL;
  close(connection->fd);
  free(connection->pending);
  free(connection);
}

static void received(struct connection *connection, int32_t result, uint32_t flags) {
  if ((flags & MORE) == 0) connection->receiving = false;
  if (result > 0) {
    uint16_t id = (uint16_t)(flags >> 16);
    if (connection->flight != NULL) {
      keep(connection, pool + (size_t)id * STRIDE, (size_t)result);
      used[used_count++] = id;
    } else {
      struct submission *submission = next(OP_SEND, connection->fd, SEND);
      connection->start = (uint32_t)id * STRIDE;
      connection->length = (uint32_t)result;
      submission->address = (uint64_t)(pool + connection->start);
      submission->length = connection->length;
      // Over when it has been submitted, and told only if not all was sent.
      submission->operation_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
      submission->flags = SKIP_SUCCESS;
      sending[sending_count++ % (BUFFERS * 2)] = id;
    }
  } else if (result != -ENOBUFS) {
    close_connection(connection);
    return;
  }
  if (!connection->receiving) receive(connection);
}

static void complete(const struct completion *completion) {
  const enum kind kind = (enum kind)(completion->user_data >> 32);
  const int32_t result = completion->result;
  if (kind == STDIN) exit(0);
  if (kind == ACCEPT) {
    if (result < 0 || result >= 65536) die("accept");
    no_delay(result);
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) die("calloc");
    connection->fd = result;
    connections[result] = connection;
    receive(connection);
    return;
  }
  struct connection *connection = connections[(uint32_t)completion->user_data];
  if (connection == NULL) return;
  if (kind == RECEIVE) {
    received(connection, result, completion->flags);
  } else if (kind == SEND) {
    const uint32_t sent = result > 0 ? (uint32_t)result : 0;
    if (result < 0 && result != -EAGAIN)
      close_connection(connection);
    else
      keep(connection, pool + connection->start + sent, connection->length - sent);
  } else {
    free(connection->flight);
    connection->flight = NULL;
    if (result < 0 || !connection->receiving)
      close_connection(connection);
    else if (connection->pending != NULL)
      send_slowly(connection);
  }
}

int main(int argc, char **argv) {
  uint16_t port = 0;
  int option;
  while ((option = getopt(argc, argv, "p:")) != -1) {
    if (option != 'p') {
      fprintf(stderr, "usage: uring_echo [-p port]\n");
      return 2;
    }
    port = (uint16_t)number_argument("-p", optarg, 0, 65535);
  }
  set_up_signals();
  raise_descriptor_limit();
  set_up_ring();
  int listener = listen_on_loopback(port, 0);
  next(OP_ACCEPT, listener, ACCEPT)->io_priority = ACCEPT_MULTISHOT;
  submissions[(tail - 1) & sq_mask].operation_flags = SOCK_CLOEXEC;
  next(OP_POLL_ADD, STDIN_FILENO, STDIN)->operation_flags = POLLIN | POLLHUP;

  static struct completion batch[CQ_ENTRIES];
  uint16_t before[BUFFERS * 2];
  for (;;) {
    // The sends of the last round but one are over, and their failures have been dealt with.
    const int sent = sending_count;
    memcpy(before, sending, sizeof *before * (size_t)sent);
    sending_count = 0;
    for (int i = 0; i < used_count; i++) give_back(used[i]);
    used_count = 0;
    __atomic_store_n(&places[0].tail, place_tail, __ATOMIC_RELEASE);
    enter(1);
    uint32_t head = *cq_head;
    const uint32_t end = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
    uint32_t count = 0;
    for (; head != end; head++) batch[count++] = completions[head & cq_mask];
    __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
    // Sends first: what a connection receives now must not overtake what its last send has left.
    for (uint32_t i = 0; i < count; i++) {
      if (batch[i].user_data >> 32 == SEND) complete(&batch[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
      if (batch[i].user_data >> 32 != SEND) complete(&batch[i]);
    }
    for (int i = 0; i < sent; i++) used[used_count++] = before[i];
  }
}
