// The blocking servers: each model answers, and stop() ends it whatever its threads are blocked in.
#include "blocking/server.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "blocking/acceptor.h"
#include "blocking/clocks.h"
#include "blocking/frames.h"
#include "tools.h"

using namespace underloop::blocking;

namespace {

struct Case {
  Model model;
  bool by_pipe;
};
constexpr Case kCases[] = {{Model::kSequential, false}, {Model::kSequential, true}, {Model::kThreads, false},
                           {Model::kThreads, true},     {Model::kPool, false},      {Model::kPool, true}};

std::unique_ptr<Server> Start(Listening& listening, const Case& one, uint16_t upstream_port = 0,
                              size_t threads = 3, size_t queue_max = 8) {
  Options options;
  options.model = one.model;
  options.wake_by_pipe = one.by_pipe;
  options.listen_fd = listening.fd.Release();
  options.upstream_port = upstream_port;
  options.threads = threads;
  options.queue_max = queue_max;
  std::unique_ptr<Server> server;
  REQUIRE(Server::Start(options, &server) == 0);
  return server;
}

std::string Request(uint32_t id, const std::string& payload, uint32_t wait_ms = 0) {
  uint8_t header[kRequestHeaderBytes];
  WriteUint32(header, static_cast<uint32_t>(kRequestHeaderBytes - 4 + payload.size()));
  WriteUint32(header + 4, id);
  WriteUint32(header + 8, 0);
  WriteUint32(header + 12, wait_ms);
  return std::string(reinterpret_cast<char*>(header), sizeof header) + payload;
}

void SendAll(int fd, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;  // the server may have stopped
    at += static_cast<size_t>(n);
  }
}

// Reads up to `bytes`; fewer at the end of the stream.
std::string Receive(int fd, size_t bytes) {
  std::string text(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    const ssize_t n = recv(fd, text.data() + have, bytes - have, 0);
    if (n <= 0) break;
    have += static_cast<size_t>(n);
  }
  text.resize(have);
  return text;
}

uint32_t Number(const std::string& bytes, size_t at) {
  return ReadUint32(reinterpret_cast<const uint8_t*>(bytes.data()) + at);
}

// One request and its reply's payload; empty when there is no whole reply.
std::string Exchange(int fd, uint32_t id, const std::string& payload) {
  SendAll(fd, Request(id, payload));
  const std::string header = Receive(fd, kReplyHeaderBytes);
  if (header.size() < kReplyHeaderBytes) return "";
  CHECK(Number(header, 4) == id);
  CHECK(Number(header, 8) == kOk);
  return Receive(fd, Number(header, 0) - (kReplyHeaderBytes - 4));
}

}  // namespace

TEST_CASE("every model answers frames of every length, in pieces and in bunches") {
  for (const Case& one : kCases) {
    Listening listening;
    const uint16_t port = listening.port;
    const auto server = Start(listening, one);
    const Fd client = ConnectTo(port);
    for (const size_t length :
         {size_t{0}, size_t{1}, size_t{4000}, size_t{4096}, size_t{5000}, size_t{300000}})
      CHECK(Exchange(client, static_cast<uint32_t>(length + 7), std::string(length, 'x')).size() == length);
    // A bunch that ends in the middle of a frame, then the rest byte by byte.
    std::string bunch;
    for (uint32_t id = 0; id < 300; id++) bunch += Request(id, std::string(id % 50, 'y'));
    SendAll(client, bunch.substr(0, bunch.size() - 9));
    for (char byte : bunch.substr(bunch.size() - 9)) SendAll(client, std::string(1, byte));
    for (uint32_t id = 0; id < 300; id++) {
      const std::string header = Receive(client, kReplyHeaderBytes);
      REQUIRE(header.size() == kReplyHeaderBytes);
      CHECK(Number(header, 4) == id);
      CHECK(Receive(client, id % 50) == std::string(id % 50, 'y'));
    }
    CHECK(server->counters.served == 306);
    CHECK(server->counters.errors == 0);
  }
}

TEST_CASE("a bad frame gets its reason and the end of the stream; the server lives") {
  for (const Case& one : kCases) {
    Listening listening;
    const uint16_t port = listening.port;
    const auto server = Start(listening, one);
    {
      const Fd client = ConnectTo(port);
      std::string bad = Request(9, "");
      bad[3] = '\x7f';  // two thousand million bytes
      SendAll(client, bad);
      shutdown(client, SHUT_WR);
      const std::string reply = Receive(client, 1000);
      REQUIRE(reply.size() > kReplyHeaderBytes);
      CHECK(Number(reply, 8) == kTooLong);
      CHECK(reply.substr(kReplyHeaderBytes) == kStatusReasons[kTooLong]);
    }
    CHECK(Exchange(ConnectTo(port), 1, "still here") == "still here");
  }
}

TEST_CASE("stop() ends threads that are blocked in accept, in recv and in send, and leaves nothing open") {
  for (const Case& one : kCases) {
    const int before = CountFds();
    Listening listening;
    const uint16_t port = listening.port;
    auto server = Start(listening, one);
    std::vector<Fd> clients;
    for (int i = 0; i < 4; i++) clients.push_back(ConnectTo(port));
    // The first reads none of its replies: its thread comes to block in send().
    Fd& deaf = clients[0];
    fcntl(deaf, F_SETFL, O_NONBLOCK);
    const std::string large = Request(1, std::string(1 << 20, 'z'));
    for (int full = 0; full < 3;) {
      if (send(deaf, large.data(), large.size(), MSG_NOSIGNAL) > 0) continue;
      full++;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    server->Stop();
    server->Stop();
    CHECK(server->counters.connections == 0);
    CHECK(server->counters.threads == 0);
    server.reset();
    clients.clear();
    CHECK(CountFds() == before);
  }
}

TEST_CASE("stop() ends a thread that waits on an upstream which never answers") {
  for (const Case& one : kCases) {
    Listening upstream;  // accepts by its backlog and says nothing
    Listening listening;
    const uint16_t port = listening.port;
    auto server = Start(listening, one, upstream.port);
    const Fd client = ConnectTo(port);
    SendAll(client, Request(1, "", 1000));
    const Fd asked(accept(upstream.fd, nullptr, nullptr));
    CHECK(Receive(asked, kUpstreamFrameBytes).size() == kUpstreamFrameBytes);
    server.reset();
    CHECK(Receive(client, 1).empty());
  }
}

TEST_CASE(
    "stop() at any moment of clients that come, ask and go: whole replies or none, and nothing stays open") {
  for (int round = 0; round < 24; round++) {
    const Case& one = kCases[round % 6];
    const int before = CountFds();
    {
      Listening listening;
      const uint16_t port = listening.port;
      auto server = Start(listening, one, 0, 4, 64);
      std::atomic<bool> over{false};
      std::vector<std::thread> clients;
      for (int i = 0; i < 4; i++) {
        clients.emplace_back([&over, port, i] {
          for (uint32_t id = 0; !over; id++) {
            const int fd = socket(AF_INET, SOCK_STREAM, 0);
            const sockaddr_in address = Loopback(port);
            if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
              const linger reset = {1, 0};
              if (id % 3 == 0) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
              SendAll(fd, Request(id, std::string(100, static_cast<char>('a' + i))));
              const size_t had = id % 2 ? Receive(fd, kReplyHeaderBytes + 100).size() : 0;
              if (had > kReplyHeaderBytes) CHECK(had == kReplyHeaderBytes + 100);
            }
            close(fd);
          }
        });
      }
      while (server->counters.served < static_cast<uint64_t>(round * 3)) std::this_thread::yield();
      server.reset();
      over = true;
      for (std::thread& client : clients) client.join();
    }
    CHECK(CountFds() == before);
  }
}

TEST_CASE("a pool whose queue is full refuses the next connection") {
  Listening listening;
  const uint16_t port = listening.port;
  const auto server = Start(listening, {Model::kPool, false}, 0, 1, 1);
  const Fd served = ConnectTo(port);
  CHECK(Exchange(served, 1, "a") == "a");
  const Fd queued = ConnectTo(port);
  while (server->counters.queued < 1) std::this_thread::yield();
  const Fd refused = ConnectTo(port);
  CHECK(Receive(refused, 1).empty());
  CHECK(server->counters.refused == 1);
}

TEST_CASE("a server that cannot start says why, and closes the socket that it was given") {
  Listening listening;
  const int before = CountFds();
  Options options;
  options.model = static_cast<Model>(9);
  options.listen_fd = listening.fd.Release();
  std::unique_ptr<Server> server;
  CHECK(Server::Start(options, &server) == -EINVAL);
  CHECK(server == nullptr);
  CHECK(CountFds() == before - 1);
}

TEST_CASE("an acceptor is woken by shutdown and by pipe, before, while and after it sleeps") {
  for (const bool by_pipe : {false, true}) {
    for (const int delay_ms : {0, 20}) {
      Listening listening;
      const auto acceptor = Acceptor::Make(listening.fd.Release(), by_pipe);
      std::thread waker([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
        acceptor->Wake();
      });
      CHECK(acceptor->Accept() == -ECANCELED);
      CHECK(acceptor->Accept() == -ECANCELED);
      waker.join();
    }
  }
}

TEST_CASE("a thread's CPU clock moves with its work, and its id is its own") {
  const uint64_t started_ns = ThreadCpuNs();
  while (ThreadCpuNs() == started_ns) continue;
  uint32_t other = 0;
  std::thread thread([&] { other = ThreadId(); });
  thread.join();
  CHECK(other != ThreadId());
  const uint64_t before_ns = MonotonicNs();
  CHECK(MonotonicNs() >= before_ns);
}
